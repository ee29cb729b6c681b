"""The end of a command: its exit status, and one line for an error that a user can fix."""

from __future__ import annotations

import errno
import os
import sys
from typing import Callable

from ..errors import SIGINT_EXIT_STATUS, USER_ERROR_EXIT_STATUS, AlreadyReported, Interrupted, PaddleWWMError


def run_script(main: Callable[[], int | None]) -> None:
    """Call a script's `main` and exit with its status.

    Status 0: success; 2: an error that the user can fix (printed in one line); 130 or 143: stopped by a signal.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")  # print file names unchanged even if they are not UTF-8
    from ..logs import show_messages
    from ..progress import close_bars

    show_messages()
    try:
        try:
            status = main() or 0
        finally:
            close_bars()  # so that an error starts on a new line
        sys.stdout.flush()  # short output is written only now, so a write error is raised here
    except Interrupted as stop:
        print(f"stopped: {stop}", file=sys.stderr)
        status = stop.exit_status
    except AlreadyReported:
        status = USER_ERROR_EXIT_STATUS
    except PaddleWWMError as error:
        print(f"error: {error}", file=sys.stderr)
        status = USER_ERROR_EXIT_STATUS
    except KeyboardInterrupt:
        print("stopped: Ctrl-C", file=sys.stderr)
        status = SIGINT_EXIT_STATUS
    except BrokenPipeError:
        sys.stderr.close()
        status = USER_ERROR_EXIT_STATUS
    except OSError as error:
        # no space, no permission, an I/O error: the system's message names the file
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "; free some disk space and run the command again" if is_full else ""
        print(f"error: {error}{remedy}", file=sys.stderr)
        status = USER_ERROR_EXIT_STATUS
    try:
        sys.stdout.flush()
    except OSError:  # reported above; at exit, Python would report it again and change the status
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
