"""The progress of one stage, as the library reports it to a callback."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Callable, Iterator

# Short stages between others. They leave nothing on the screen.
PASSING_UNITS = (" rows",)
PASSING_STAGES = ("checksums", "structure", "compare", "documents", "statistics")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State of one stage.

    Attributes:
        stage: Name of the stage, for example "train".
        done: Units that are done.
        total: Total number of units; None if it is not known.
        unit: The unit, for example " steps".
        note: Other text to show, for example the loss.
    """

    stage: str
    done: int
    total: int | None
    unit: str
    note: str = ""


class Counter:
    """Counter of one stage that reports every change to a callback.

    Attributes:
        done: Units that are done.
    """

    def __init__(
        self, progress: Callable[[Progress], None] | None, *, stage: str, total: int | None, unit: str, done: int = 0
    ) -> None:
        self.done = done
        self._progress, self._stage, self._total, self._unit = progress, stage, total, unit

    def update(self, number: int = 1) -> None:
        """Count `number` more units."""
        self.done += number
        self.report(total=self._total)

    def report(self, *, total: int | None) -> None:
        """Call the callback, if there is one."""
        if self._progress is not None:
            self._progress(Progress(stage=self._stage, done=self.done, total=total, unit=self._unit))

    def complete(self) -> None:
        """Report that the stage is complete, unless the total was already reached."""
        if self._total is None or self.done < self._total:
            self.report(total=self.done)


@contextlib.contextmanager
def counted(
    progress: Callable[[Progress], None] | None, *, stage: str, total: int | None, unit: str, done: int = 0
) -> Iterator[Counter]:
    """Report the start, every update and the end of a stage.

    The end is not reported if the block raises.

    Args:
        progress: The callback; None: nothing is reported.
        stage: Name of the stage.
        total: Total number of units; None if it is not known.
        unit: The unit, for example "B" or " tokens".
        done: Units that are done at the start.

    Yields:
        The counter.
    """
    counter = Counter(progress, stage=stage, total=total, unit=unit, done=done)
    counter.report(total=total)
    yield counter
    counter.complete()


def is_scaled(progress: Progress) -> bool:
    """Return True if counts of this unit are shown with k, M, …."""
    return progress.unit not in (" steps", " files")


def is_passing(progress: Progress) -> bool:
    """Return True for a short stage between others."""
    return progress.unit in PASSING_UNITS or progress.stage in PASSING_STAGES
