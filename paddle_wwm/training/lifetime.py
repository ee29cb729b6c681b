"""Processes that do not outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: int, *, parent: int | None = None) -> None:
    """Ask the system (Linux) for signal `number` when the process that started this one ends, however it ends.

    parent: its id, where it is known: when it has ended before this call, the signal comes at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        signal.raise_signal(number)
