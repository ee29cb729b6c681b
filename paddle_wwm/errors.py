"""The project's error types: what a user can fix ends in one of these, with the rule, the value and the remedy in its
text.

Commands print such an error as one line and exit with status 2 (`cli.process`). Anything else is a bug of ours and
keeps its traceback.
"""

from __future__ import annotations

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
