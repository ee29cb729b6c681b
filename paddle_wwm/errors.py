"""Error types for problems that a user can fix. The message gives the rule, the value and the remedy.

Commands print such an error as one line and exit with status 2 (`cli.process`). Any other exception is a bug in this
project and keeps its traceback.
"""

from __future__ import annotations

import numbers
from typing import Any

USER_ERROR_EXIT_STATUS = 2
SIGINT_EXIT_STATUS = 130
SIGTERM_EXIT_STATUS = 143


def require(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def is_integer(value: Any) -> bool:
    """Return True for an integer of Python or numpy. A bool is not an integer."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return True for a number of Python or numpy. A bool and NaN are not numbers."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value == value


class PaddleWWMError(Exception):
    """Base class of the errors that a user can fix."""


class ConfigError(PaddleWWMError):
    """A recipe, an override or a command line is wrong."""


class DataError(PaddleWWMError):
    """A corpus, a vocabulary or a shard set is wrong."""


class CheckpointError(PaddleWWMError):
    """A checkpoint or a weights file is missing, damaged, unsupported or does not fit."""


class ArchiveError(PaddleWWMError):
    """A zip or tar archive is damaged, or has content that a model never has."""


class DownloadError(PaddleWWMError):
    """Model files cannot be fetched: unknown model, no network, wrong bytes, no space."""


class HubModuleError(PaddleWWMError):
    """A hub module cannot be built, loaded or called."""


class TrainingError(PaddleWWMError):
    """Training cannot continue: the loss is not finite, or a worker died."""


class AlreadyReported(PaddleWWMError):
    """A worker process has already printed the error.

    The command prints nothing more and exits with the worker's exit status.
    """


class Interrupted(PaddleWWMError):
    """A signal stopped the run after it saved a checkpoint.

    Attributes:
        exit_status: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, message: str, *, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status
