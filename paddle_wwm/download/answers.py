"""Read HTTP responses and errors: the start of a range, the host, the cause of a failure."""

from __future__ import annotations

import socket

import requests
import urllib3


def start_of(response: requests.Response) -> int:
    """Return the offset of the first byte in a response; it is 0 without a range."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if response.status_code == 206 and start.isdecimal() else 0


def host_of(request: requests.PreparedRequest) -> str:
    """Return the host of a request, for messages."""
    return urllib3.util.parse_url(request.url or "").netloc or str(request.url)


def is_unresolved(error: BaseException) -> bool:
    """Return True if the name of the host could not be resolved."""
    return isinstance(_innermost(error), socket.gaierror)


def _innermost(error: BaseException) -> BaseException:
    while True:
        inner = (
            getattr(error, "reason", None)
            or error.__cause__
            or next((value for value in error.args if isinstance(value, BaseException)), None)
        )
        if not isinstance(inner, BaseException):
            return error
        error = inner


def reason_of(error: BaseException) -> str:
    """Return the innermost cause of an error in a few words.

    The text has no memory addresses of objects, which the messages of urllib3 contain.
    """
    cause = _innermost(error)
    if isinstance(cause, (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.ConnectTimeoutError, TimeoutError)):
        return "no answer in time"
    if isinstance(cause, urllib3.exceptions.IncompleteRead):
        return "the connection was closed"
    if isinstance(cause, socket.gaierror):
        return "the name of the host cannot be resolved"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    text = str(cause).rpartition("object at 0x")[2].partition(">: ")[2] or str(cause)
    return text.strip(" .") or type(cause).__name__
