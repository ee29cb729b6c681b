"""The errors of a transfer."""

from __future__ import annotations

from ..errors import DownloadError


class Unreachable(DownloadError):
    """The server gives no answer: offline, refused, unknown host, or timeout."""


class WrongLength(DownloadError):
    """A file is longer or shorter than stated."""


class TransferCut(DownloadError):
    """A transfer was interrupted. `position` is the number of bytes received."""

    def __init__(self, message: str, *, position: int) -> None:
        super().__init__(message)
        self.position = position
