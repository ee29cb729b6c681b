"""The end of a process: together with the process that started it, or on a signal once its step is saved."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from typing import Any

from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, Interrupted

_PR_SET_PDEATHSIG = 1
# opened here, because a child process must not open a library between fork and exec
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(number: int, *, parent: int | None = None) -> None:
    """Ask Linux to send signal `number` to this process when its parent ends.

    This also works when the parent is killed. On other systems, nothing happens.

    Args:
        number: the signal.
        parent: the process id of the parent, if known. If the parent has ended before this call, the signal comes at
            once.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        signal.raise_signal(number)


class StopSignal:
    """A context manager that records SIGTERM or Ctrl-C.

    A training loop checks `number` after every step and can then stop cleanly.
    The previous handlers are restored at the end. Only the main thread of a Python program can set handlers; in
    another thread, this does nothing and the handlers of the program stay.

    Attributes:
        number: the signal that came; 0 if none.
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
        """Return the error that ends the program with the exit status of the signal."""
        return Interrupted(
            message, exit_status=SIGTERM_EXIT_STATUS if self.number == signal.SIGTERM else SIGINT_EXIT_STATUS
        )
