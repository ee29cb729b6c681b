"""Progress reports. The library calls a callback; the commands show the reports on stderr.

On a terminal, a bar has an ETA. In a log file, a line is written every 20 seconds. The environment variable
PADDLE_WWM_PROGRESS, or --progress, chooses another form; see `MODES`.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

from .errors import ConfigError
from .progress_lines import LineDisplay
from .progress_stage import PASSING_STAGES, is_passing, is_scaled
from .progress_stage import Counter as Counter
from .progress_stage import Progress as Progress
from .progress_stage import counted as counted

MODE_VARIABLE = "PADDLE_WWM_PROGRESS"
MODES = {
    "auto": "a bar on a terminal, otherwise lines",
    "bar": "a bar that is drawn again and again",
    "lines": "a line every 20 seconds and at the end of a stage",
    "json": "JSON lines for programs",
    "none": "nothing",
}
DELAY_S = 1.0  # a passing stage shorter than this shows no bar


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
            from tqdm import tqdm

            self._bars[progress.stage] = tqdm(
                mininterval=0.5,
                desc=progress.stage,
                total=progress.total,
                initial=progress.done,
                unit=progress.unit,
                unit_scale=is_scaled(progress),
                leave=not is_passing(progress),
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


class _Nothing:
    """Progress callback that shows nothing."""

    def __call__(self, progress: Progress) -> None:
        pass

    def close(self) -> None:
        pass


class _Display(Protocol):
    def __call__(self, progress: Progress) -> None: ...

    def close(self) -> None: ...


class ChosenDisplay:
    """Progress callback of the commands.

    The environment or the terminal chooses its form.
    """

    def __init__(self) -> None:
        self._display: _Display | None = None

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        if self._display is None:
            self._display = _display_of(os.environ.get(MODE_VARIABLE) or "auto")
        self._display(progress)

    def close(self) -> None:
        """Close the open bars, so that the next output starts on a new line."""
        if self._display is not None:
            self._display.close()


def _display_of(mode: str) -> _Display:
    if mode == "auto":
        mode = "bar" if is_terminal() else "lines"
    if mode not in MODES:
        raise ConfigError(f"{MODE_VARIABLE} must be {', '.join(MODES)}, but is {mode!r}.")
    if mode == "none":
        return _Nothing()
    return BarDisplay() if mode == "bar" else LineDisplay(as_json=mode == "json")


show_bar = ChosenDisplay()


def close_bars() -> None:
    """Close all open bars, so that a message starts on a new line.

    Bars of other packages are closed, too.
    """
    show_bar.close()
    if tqdm := sys.modules.get("tqdm"):
        for bar in list(getattr(tqdm.tqdm, "_instances", ())):
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
