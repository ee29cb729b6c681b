"""The curves of a run for VisualDL."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Mapping

from ..runs.log import log_errors


class _Checked:
    """A record writer that keeps the first error for the trainer.

    VisualDL writes in a thread. An error there would end the thread with a traceback, and the trainer would wait
    forever when the queue is full.
    """

    def __init__(self, records: Any) -> None:
        self._records = records
        self.error: OSError | None = None

    def write(self, data: bytes) -> None:
        self._call("write", data)

    def flush(self) -> None:
        self._call("flush")

    def close(self) -> None:
        self._call("close")

    def _call(self, name: str, *arguments: bytes) -> None:
        try:
            getattr(self._records, name)(*arguments)
        except OSError as error:
            self.error = self.error or error


class VisualDlLog:
    """A folder of curves that is open for writing."""

    def __init__(self, folder: Path) -> None:
        from visualdl import LogWriter

        self._folder = folder
        self._log = LogWriter(logdir=str(folder))
        writer = self._log._get_file_writer()._async_writer
        self._records = writer._record_writer = writer._worker._record_writer = _Checked(writer._record_writer)

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Add values to the curves KIND/NAME; values that are not finite are left out.

        Raises:
            TrainingError: earlier values could not be written, for example because the disk is full.
        """
        if self._records.error is not None:
            with log_errors(self._folder):
                raise self._records.error
        for name, value in values.items():
            if math.isfinite(value):
                self._log.add_scalar(tag=f"{kind}/{name}", value=value, step=step)

    def close(self) -> None:
        """Close the file."""
        self._log.close()
