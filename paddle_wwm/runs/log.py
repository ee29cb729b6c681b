"""The log of a run as JSON lines: one object per step or evaluation. It survives a kill."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

from ..errors import TrainingError
from ..files import atomic_write, read_log
from ..progress import Progress
from .checkpoints import TO_CONTINUE


class RunLog:
    """A log that is open for writing.

    Records that a killed run has written after its last checkpoint are removed first.

    Args:
        path: the file.
        keep: called with every record in the file; returns False to remove the record.
    """

    def __init__(self, path: Path, *, keep: Callable[[Mapping[str, Any]], bool]) -> None:
        self._path = path
        kept = [record for record in read_log(path) if keep(record)]
        with atomic_write(path, "w") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in kept)
        self._stream = open(path, "a", encoding="utf-8")  # noqa: SIM115  (closed by close)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; readers of the file see it at once.

        Raises:
            TrainingError: the file cannot be written, for example because the disk is full.
        """
        with log_errors(self._path):
            self._stream.write(json.dumps(record) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # `write` has raised the same error before
            self._stream.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def log_errors(path: Path) -> Iterator[None]:
    """Raise TrainingError, with the path and the remedy, if a log cannot be written."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path}: the log cannot be written ({error.strerror or error}). Free some disk space. {TO_CONTINUE}"
        ) from None


class LogFollower:
    """A reporter of the steps that worker processes log. Call it regularly.

    Args:
        logs: the log file of each stage.
        total: the number of steps of a stage; None if it is not known. It may be set later.
        progress: the callback that gets the reports; None to report nothing.
    """

    def __init__(
        self, logs: Mapping[str, Path], *, total: int | None, progress: Callable[[Progress], None] | None
    ) -> None:
        self.total = total
        self._logs, self._progress = logs, progress
        self._sizes = dict.fromkeys(logs, 0)

    def __call__(self) -> None:
        """Report every stage whose log has grown since the last call."""
        for stage, path in self._logs.items():
            size = path.stat().st_size if path.exists() else 0
            if self._progress is None or size == self._sizes[stage]:
                continue
            self._sizes[stage] = size
            steps = [int(record["step"]) for record in read_log(path)]
            if steps:
                self._progress(Progress(stage=stage, done=max(steps), total=self.total, unit=" steps"))
