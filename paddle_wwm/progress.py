"""Progress reports. The library calls a callback; the commands show progress bars.

On a terminal, a bar has an ETA. In a log file, a line is written every SECONDS_BETWEEN_LINES seconds.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import Any, Callable, Iterator

SECONDS_BETWEEN_LINES = 20.0
# Short stages between others. Their bars are removed from the screen at the end.
PASSING_UNITS = (" rows",)
PASSING_STAGES = ("checksums", "structure", "compare")
DELAY_S = 1.0  # a passing stage shorter than this shows no bar


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


def progress_bar(**options: Any) -> Any:
    """Return a tqdm bar on stderr. `options` are passed to tqdm."""
    from tqdm import tqdm

    return tqdm(mininterval=0.5 if is_terminal() else SECONDS_BETWEEN_LINES, **options)


class BarDisplay:
    """Progress callback that shows one tqdm bar per stage on stderr.

    A bar is open from the first report of its stage until the stage is complete. Counts are scaled (k, M), except
    steps and files.
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
        """Close the open bars, so that the next output starts on a new line."""
        while self._bars:
            self._bars.popitem()[1].close()


show_bar = BarDisplay()


def close_bars() -> None:
    """Close all open bars, so that a message starts on a new line.

    Bars of other packages are closed, too.
    """
    show_bar.close()
    if tqdm := sys.modules.get("tqdm"):
        for bar in list(tqdm.tqdm._instances):
            bar.close()


def end_open_line() -> None:
    """Start a new line on the terminal.

    A process that was killed may have left its bar there.
    """
    if is_terminal():
        sys.stderr.write("\n")
        sys.stderr.flush()


def is_terminal() -> bool:
    """Return True if stderr is a terminal."""
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # stderr is closed
        return False
