"""How a command ends: its exit status, and one line for an error that a user can fix."""

from __future__ import annotations

import os
import sys
from typing import Callable

from ..errors import SIGINT_EXIT_STATUS, USER_ERROR_EXIT_STATUS, AlreadyReported, Interrupted, PaddleWWMError


def run_script(main: Callable[[], int | None]) -> None:
    """Call a script's `main` and leave with its exit status: 0 success, 2 a user's error (one line), 130 or 143 a
    signal.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(
            errors="surrogateescape"
        )  # names of files are shown as they are, also those that are not UTF-8
    from ..logs import show_messages
    from ..progress import show_bar

    show_messages()
    try:
        try:
            status = main() or 0
        finally:
            show_bar.close()  # an error begins a line of its own
        sys.stdout.flush()  # a few lines are written out only now, and only now fail
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
        # no space, no permission, an input/output fault: the system's own words name the file
        print(f"error: {error}", file=sys.stderr)
        status = USER_ERROR_EXIT_STATUS
    try:
        sys.stdout.flush()
    except OSError:  # told already; Python would tell it again, and with a status of its own, when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
