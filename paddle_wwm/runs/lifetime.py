"""How a process ends: not after the one that started it, and on a signal not before its step is saved."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from typing import Any

from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, Interrupted

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # now: a child between fork and exec must not open it


def end_with_parent(number: int, *, parent: int | None = None) -> None:
    """Ask the system (Linux) for signal `number` when the process that started this one ends, however it ends.

    parent: its id, where it is known: when it has ended before this call, the signal comes at once.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        signal.raise_signal(number)


class StopSignal:
    """Remembers SIGTERM or Ctrl-C while it is open; a loop asks after every step. The handlers from before come back.

    Python lets the main thread alone set handlers: in another thread this does nothing, and the program's own stay.
    """

    def __init__(self) -> None:
        self.number = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._previous = {
                number: signal.signal(number, self._receive) for number in (signal.SIGTERM, signal.SIGINT)
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: Any) -> None:
        self.number = number

    def interrupted(self, message: str) -> Interrupted:
        """The error that ends the program with the signal's exit status."""
        return Interrupted(
            message, exit_status=SIGTERM_EXIT_STATUS if self.number == signal.SIGTERM else SIGINT_EXIT_STATUS
        )
