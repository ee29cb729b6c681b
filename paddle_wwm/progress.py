"""Progress of long work: the library reports it to a callback, the commands show it as bars.

At a terminal a bar has an ETA; in a log file a line comes now and then.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Callable, Iterator

SECONDS_BETWEEN_LINES = 20.0
# Stages between others: their bars do not stay on the screen.
PASSING_UNITS = (" rows",)
PASSING_STAGES = ("checksums", "structure", "compare")
DELAY_S = 1.0  # a passing stage that is shorter has no bar


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage of long work is.

    Attributes:
        stage: what is being done, for example "train".
        done: units that are done.
        total: units in all; None where that is not known.
        unit: what is counted, for example " steps".
        note: what else is worth showing, for example the loss.
    """

    stage: str
    done: int
    total: int | None
    unit: str
    note: str = ""


class Counter:
    """Counts the units of one stage and reports every change to a callback; `done` is the count so far."""

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
        """Report that the stage is complete, if that was not known from the total."""
        if self._total is None or self.done < self._total:
            self.report(total=self.done)


@contextlib.contextmanager
def counted(
    progress: Callable[[Progress], None] | None, *, stage: str, total: int | None, unit: str, done: int = 0
) -> Iterator[Counter]:
    """Report a stage: its start, every `update` of the counter, and its end unless the block raises.

    Args:
        progress: the callback; None: nothing is reported.
        stage: what is being done.
        total: units in all; None where that is not known.
        unit: what is counted, for example "B" or " tokens".
        done: units that are done at the start.

    Yields:
        The counter.
    """
    counter = Counter(progress, stage=stage, total=total, unit=unit, done=done)
    counter.report(total=total)
    yield counter
    counter.complete()


def progress_bar(**options: Any) -> Any:
    """A tqdm bar on stderr; `options` are tqdm's."""
    from tqdm import tqdm

    return tqdm(mininterval=0.5 if _is_terminal() else SECONDS_BETWEEN_LINES, **options)


class BarDisplay:
    """Shows Progress as tqdm bars on stderr: every stage has its own, from its first report until it is complete.

    An instance is a progress callback. Counts of bytes, characters, rows and the like are scaled (k, M).
    """

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        is_complete = progress.total is not None and progress.done >= progress.total
        if progress.stage not in self._bars:
            if is_complete:
                return
            self._bars[progress.stage] = progress_bar(
                desc=progress.stage,
                total=progress.total,
                initial=progress.done,
                unit=progress.unit,
                unit_scale=progress.unit not in (" steps", " files"),
                leave=progress.unit not in PASSING_UNITS and progress.stage not in PASSING_STAGES,
                delay=DELAY_S if progress.stage in PASSING_STAGES else 0,
            )
        bar = self._bars[progress.stage]
        if progress.note:
            bar.set_postfix_str(progress.note, refresh=False)
        bar.update(progress.done - bar.n)
        if is_complete:
            self._bars.pop(progress.stage).close()

    def close(self) -> None:
        """End the open bars, so that what is printed next begins a line of its own."""
        while self._bars:
            self._bars.popitem()[1].close()


show_bar = BarDisplay()


def _is_terminal() -> bool:
    try:
        return os.isatty(2)
    except OSError:  # stderr is closed
        return False
