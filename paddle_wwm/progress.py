"""Progress bars for long work: for a person at a terminal a bar with ETA, in a log file a line now and then."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

SECONDS_BETWEEN_LINES = 20.0
PASSING_UNITS = (" rows",)  # of stages between others: their bars do not stay on the screen


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
                leave=progress.unit not in PASSING_UNITS,
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
