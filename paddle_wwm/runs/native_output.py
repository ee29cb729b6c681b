"""Keep the output of C++ libraries off the terminal, where the progress bar of worker 0 is.

When another worker is lost, gloo aborts worker 0 from C++ and writes to file descriptors 1 and 2. That text would
continue the line of the bar. So the descriptors lead to a log, and Python writes to copies of them.
"""

from __future__ import annotations

import os
import sys

NATIVE_LOG_VARIABLE = "PADDLE_WWM_NATIVE_LOG"  # path of the log; set by `run_processes`


def redirect_native_output() -> None:
    """Send output that does not come from Python to a log.

    Nothing changes unless the environment names the log.
    """
    path = os.environ.pop(NATIVE_LOG_VARIABLE, None)
    if path is None:
        return
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream.flush()
        descriptor = stream.fileno()
        copy = open(  # noqa: SIM115  (it stays open until the process ends)
            os.dup(descriptor), "w", encoding=stream.encoding, errors=stream.errors, buffering=1
        )
        os.dup2(log, descriptor)
        setattr(sys, name, copy)
    os.close(log)
