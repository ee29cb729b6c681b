"""The project's error types: what a user can mend ends in one of these, with the rule, the value and the remedy in its
text.

Scripts print such an error as one line and exit with status 2 (`run_script`); anything else is a bug of ours and keeps
its traceback.
"""

from __future__ import annotations

import os
import sys
from typing import Callable

USER_ERROR_EXIT_STATUS = 2
SIGINT_EXIT_STATUS = 130
SIGTERM_EXIT_STATUS = 143


def require(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


class PaddleWWMError(Exception):
    """Base of the errors that a user can mend."""


class ConfigError(PaddleWWMError):
    """A recipe, an override or a command line is wrong."""


class DataError(PaddleWWMError):
    """A corpus, a vocabulary or a shard set is wrong."""


class CheckpointError(PaddleWWMError):
    """A checkpoint or a weights file is missing, torn, foreign or does not fit."""


class ArchiveError(PaddleWWMError):
    """A zip or tar archive is torn, or holds what no model needs."""


class DownloadError(PaddleWWMError):
    """A model's files cannot be fetched: no such model, no network, wrong bytes, no space."""


class HubModuleError(PaddleWWMError):
    """A hub module cannot be built, loaded or called as asked."""


class TrainingError(PaddleWWMError):
    """Training cannot go on (a loss that is not finite, a worker that died)."""


class AlreadyReported(PaddleWWMError):
    """A worker process has printed what is wrong: the command ends with its exit status and prints nothing more."""


class Interrupted(PaddleWWMError):
    """A signal stopped the run after a checkpoint was saved; carries the exit status (143 for SIGTERM, 130 for
    Ctrl-C).
    """

    def __init__(self, message: str, *, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def run_script(main: Callable[[], int | None]) -> None:
    """Call a script's `main` and leave with its exit status: 0 success, 2 a user's error (one line), 130 or 143 a
    signal.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(
            errors="surrogateescape"
        )  # names of files are shown as they are, also those that are not UTF-8
    from .logs import show_messages
    from .progress import show_bar

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
