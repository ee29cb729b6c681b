"""Progress bars for long work: for a person at a terminal a bar with ETA, in a log file a line now and then."""

from __future__ import annotations

import os
from typing import Any

SECONDS_BETWEEN_LINES = 20.0


def progress_bar(**options: Any):
    """A tqdm bar on stderr; `options` are tqdm's."""
    from tqdm import tqdm

    return tqdm(mininterval=0.5 if _is_terminal() else SECONDS_BETWEEN_LINES, **options)


def _is_terminal() -> bool:
    try:
        return os.isatty(2)
    except OSError:  # stderr is closed
        return False
