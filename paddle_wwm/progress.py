"""Progress bars for long work: for a person at a terminal a bar with ETA, in a log file a line now and then."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

SECONDS_BETWEEN_LINES = 20.0


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
    """Shows Progress as tqdm bars on stderr, one at a time: each stage has its own, a new stage closes the one before.

    An instance is a progress callback. Bars of counted bytes, characters, rows and the like are scaled (k, M).
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        if self._bar is None or self._stage != progress.stage:
            self.close()
            self._stage = progress.stage
            self._bar = progress_bar(
                desc=progress.stage,
                total=progress.total,
                initial=progress.done,
                unit=progress.unit,
                unit_scale=progress.unit not in (" steps", " files"),
            )
        if progress.note:
            self._bar.set_postfix_str(progress.note, refresh=False)
        self._bar.update(progress.done - self._bar.n)
        if progress.total is not None and progress.done >= progress.total:
            self.close()

    def close(self) -> None:
        """End the open bar, so that what is printed next begins a line of its own."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


show_bar = BarDisplay()


def _is_terminal() -> bool:
    try:
        return os.isatty(2)
    except OSError:  # stderr is closed
        return False
