"""Progress as lines, for log files and for programs."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Callable

from .progress_stage import Progress, is_passing, is_scaled

SECONDS_BETWEEN_LINES = 20.0
SECONDS_BETWEEN_JSON = 1.0


@dataclass(kw_only=True)
class _Stage:
    """A stage that is shown as lines.

    Attributes:
        started: when it was reported first.
        first: the units that were done then.
        shown: when its last line was written; that of the start before the first one.
        has_line: True if a line was written.
    """

    started: float
    first: int
    shown: float
    has_line: bool = False


class LineDisplay:
    """Progress callback that writes lines, each ended by a newline.

    Args:
        as_json: JSON objects with the fields of `Progress` and `seconds`, from the start to the end of a stage.
        clock: returns seconds.
    """

    def __init__(self, *, as_json: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._as_json, self._clock = as_json, clock
        self._interval = SECONDS_BETWEEN_JSON if as_json else SECONDS_BETWEEN_LINES
        self._stages: dict[str, _Stage] = {}

    def __call__(self, progress: Progress) -> None:
        """Show one report."""
        now = self._clock()
        is_complete = progress.total is not None and progress.done >= progress.total
        is_new = progress.stage not in self._stages
        if is_new:
            if is_complete:
                return
            self._stages[progress.stage] = _Stage(started=now, first=progress.done, shown=now)
        stage = self._stages[progress.stage]
        is_short = is_passing(progress) and not stage.has_line and not self._as_json
        if now - stage.shown >= self._interval or (is_complete and not is_short) or (is_new and self._as_json):
            self._write(progress, stage, seconds=now - stage.started, is_complete=is_complete)
            stage.shown, stage.has_line = now, True
        if is_complete:
            del self._stages[progress.stage]

    def close(self) -> None:
        """Forget the open stages."""
        self._stages.clear()

    def _write(self, progress: Progress, stage: _Stage, *, seconds: float, is_complete: bool) -> None:
        if self._as_json:
            values = {**vars(progress), "unit": progress.unit.strip(), "seconds": round(seconds, 3)}
            text = json.dumps({"progress": values}, ensure_ascii=False)
        else:
            text = _line(progress, num_new=progress.done - stage.first, seconds=seconds, is_complete=is_complete)
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _line(progress: Progress, *, num_new: int, seconds: float, is_complete: bool) -> str:
    """Return a report as text.

    For example "train: 30/300 steps (10%), 2.1 steps/s, 02:09 left; loss 6.2".
    """
    from tqdm import tqdm

    def count(value: float) -> str:
        if not is_scaled(progress):
            return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
        return tqdm.format_sizeof(value)

    rate = num_new / seconds if seconds > 0 else 0.0
    text = f"{progress.stage}: {count(progress.done)}"
    if progress.total and not is_complete:
        text += f"/{count(progress.total)}{progress.unit} ({progress.done / progress.total:.0%})"
    else:
        text += progress.unit
    text += f" in {tqdm.format_interval(seconds)}" if is_complete else ""
    text += f", {count(rate)}{progress.unit}/s" if rate else ""
    if progress.total and not is_complete and rate:
        text += f", {tqdm.format_interval((progress.total - progress.done) / rate)} left"
    return text + (f"; {progress.note}" if progress.note else "")
