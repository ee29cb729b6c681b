"""The log of a run as JSON lines: one object per step or evaluation, also across a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Mapping

from ..files import atomic_write, read_log
from ..progress import Progress


class RunLog:
    """A log that is open for writing. What a killed run has written beyond its checkpoint is dropped first.

    Args:
        path: the file.
        keep: called with every record that is there; says whether it stays.
    """

    def __init__(self, path: Path, *, keep: Callable[[Mapping[str, Any]], bool]) -> None:
        kept = [record for record in read_log(path) if keep(record)]
        with atomic_write(path, "w") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in kept)
        self._stream = open(path, "a", encoding="utf-8")  # noqa: SIM115  (closed by close)

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record; whoever reads the file sees it at once."""
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LogFollower:
    """Reports the steps that worker processes log. Call it now and then.

    Args:
        logs: the log of each stage of the progress.
        total: steps of a stage; None where that is not known.
        progress: the callback; None: nothing is reported.
    """

    def __init__(
        self, logs: Mapping[str, Path], *, total: int | None, progress: Callable[[Progress], None] | None
    ) -> None:
        self._logs, self._total, self._progress = logs, total, progress
        self._sizes = dict.fromkeys(logs, 0)

    def __call__(self) -> None:
        """Report the stages whose log has grown."""
        for stage, path in self._logs.items():
            size = path.stat().st_size if path.exists() else 0
            if self._progress is None or size == self._sizes[stage]:
                continue
            self._sizes[stage] = size
            steps = [int(record["step"]) for record in read_log(path)]
            if steps:
                self._progress(Progress(stage=stage, done=max(steps), total=self._total, unit=" steps"))
