"""Send one request: timeouts, retries with waits, and a body that is counted while it arrives."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import types
from typing import Any, Callable, Iterator, Protocol

import requests
import urllib3
from huggingface_hub import constants
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ..errors import DownloadError
from ..progress import Progress, counted
from .answers import host_of, is_unresolved, reason_of, start_of
from .failures import TransferCut, Unreachable, WrongLength
from .settings import NetworkSettings

RETRIED_STATUSES = (429, 500, 502, 503, 504)
READ_BYTES = 64 << 10  # an interrupted transfer loses at most this; the progress bar moves after each of these
logger = logging.getLogger(__name__)


class Transfer(Protocol):
    """The current transfer of a `Network`."""

    settings: NetworkSettings
    progress: Callable[[Progress], None] | None
    title: str
    max_bytes: int
    reached_hosts: set[str]


def pause(seconds: float, reason: str) -> None:
    """Log the reason, and wait."""
    logger.warning("%s in %.0f s", reason, seconds)
    time.sleep(seconds)


class _Patience(Retry):
    """The retries of urllib3, with the waits of `settings`. Every wait is logged."""

    RETRY_AFTER_STATUS_CODES = frozenset()  # retry only for the statuses of `status_forcelist`

    def __init__(self, *, settings: NetworkSettings, host: str, was_reached: bool, **state: Any) -> None:
        super().__init__(**state)
        self.settings, self.host, self.was_reached = settings, host, was_reached

    def new(self, **changes: Any) -> _Patience:
        return super().new(settings=self.settings, host=self.host, was_reached=self.was_reached, **changes)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: urllib3.connectionpool.ConnectionPool | None = None,
        _stacktrace: types.TracebackType | None = None,
    ) -> _Patience:
        """Count a failure; do not try a name again that cannot be resolved.

        A host that was reached before is tried again: the network is only away for a while.
        """
        if isinstance(error, urllib3.exceptions.NameResolutionError) and not self.was_reached:
            assert _pool is not None
            raise urllib3.exceptions.MaxRetryError(_pool, url, error)
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait for the time in Retry-After, or twice as long as before."""
        error, wait_s = self.history[-1].error, self.settings.wait_s(len(self.history))
        if isinstance(error, urllib3.exceptions.ProxyError):
            raise error  # waiting does not fix a proxy
        problem = f"{self.host} cannot be reached: {reason_of(error)}" if error else ""
        if response is not None:
            problem = f"{self.host} answers {response.status} {response.reason}"
            with contextlib.suppress(urllib3.exceptions.InvalidHeader):
                asked_s = self.get_retry_after(response)
                if asked_s is not None and asked_s > self.settings.max_retry_after_s:
                    raise DownloadError(
                        f"{problem} and asks to come back in {asked_s:,.0f} s; run the same command again then."
                    )
                wait_s = wait_s if asked_s is None else asked_s
        pause(wait_s, f"{problem}; trying again")


# urllib3 also logs these retries, in words that users do not understand
logging.getLogger("urllib3.connectionpool").addFilter(
    lambda record: not any(isinstance(value, _Patience) for value in record.args or ())
)


class PatientAdapter(HTTPAdapter):
    """Send requests with timeouts and retries; turn failures into DownloadError."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__()
        self.transfer = transfer
        self.answers: list[requests.Response] = []

    def close(self) -> None:
        """Close all connections, including those of responses not read to the end."""
        for answer in self.answers:
            answer.close()
        self.answers.clear()
        super().close()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        settings, host = self.transfer.settings, host_of(request)
        self.max_retries = _Patience(
            settings=settings,
            host=host,
            was_reached=host in self.transfer.reached_hosts,
            total=settings.num_tries - 1,
            other=0,  # waiting does not fix certificates
            allowed_methods=None,
            status_forcelist=RETRIED_STATUSES,
            raise_on_status=False,
            retry_after_max=sys.maxsize,  # `sleep` refuses long waits
        )
        try:
            response = super().send(request, stream, settings.timeout_s, verify, cert, proxies)
            self.transfer.reached_hosts.add(host)
            # without this header, huggingface_hub uses plain GET, which mirrors support and which can be continued
            response.headers.pop(constants.HUGGINGFACE_HEADER_X_XET_HASH, None)
        except (requests.exceptions.ProxyError, requests.exceptions.SSLError) as error:
            raise Unreachable(
                f"{host} cannot be reached: {reason_of(error)}; check the proxy and certificate settings."
            ) from None
        except (requests.ConnectionError, requests.Timeout) as error:
            unresolved = is_unresolved(error) and host not in self.transfer.reached_hosts
            tries = "check the network and the address" if unresolved else f"{settings.num_tries} tries"
            raise Unreachable(f"{host} cannot be reached: {reason_of(error)} ({tries}).") from None
        if response.status_code in RETRIED_STATUSES:
            response.close()
            raise DownloadError(
                f"{host} answers {response.status_code} {response.reason}, {settings.num_tries} times; run the same "
                "command again later, or set HF_ENDPOINT to a mirror."
            )
        if stream:
            self.answers.append(response)
            return self._prepared(response) if request.method == "GET" else response
        try:
            _ = response.content
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise TransferCut(f"the answer of {host} was interrupted ({reason_of(error)}).", position=0) from None
        return response

    def _prepared(self, response: requests.Response) -> requests.Response:
        """Return the response with small reads, a progress bar and TransferCut errors."""
        if not response.ok or response.is_redirect:
            return response
        stream_of_library = response.raw.stream
        start, length = start_of(response), response.headers.get("Content-Length", "")
        # Content-Length of an encoded body is its compressed size
        is_plain = response.headers.get("Content-Encoding", "identity") == "identity"
        total = start + int(length) if length.isdecimal() and is_plain else None

        def stream(amt: int = READ_BYTES, decode_content: bool | None = None) -> Iterator[bytes]:
            position = start
            with counted(
                self.transfer.progress, stage=self.transfer.title, total=total, unit="B", done=start
            ) as counter:
                try:
                    for block in stream_of_library(min(amt, READ_BYTES), decode_content=decode_content):
                        counter.update(len(block))
                        position += len(block)
                        if position > self.transfer.max_bytes:
                            raise WrongLength(f"more than {self.transfer.max_bytes:,} bytes")
                        yield block
                except (urllib3.exceptions.HTTPError, OSError) as error:
                    raise TransferCut(
                        f"the transfer was interrupted after {position:,} bytes ({reason_of(error)}).",
                        position=position,
                    ) from None

        response.raw.stream = stream
        return response
