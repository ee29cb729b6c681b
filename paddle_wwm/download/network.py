"""One policy of timeouts, retries, resumption and progress for all transfers.

huggingface_hub waits forever for a silent server, gives up on status 429, and loses up to 10 MB when a transfer is
interrupted. On a connection that breaks more often, a download never ends. Therefore its requests run in a session of
this module, see `Network.hub_session`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator, TypeVar

import requests
import urllib3
from huggingface_hub import configure_http_backend, constants
from huggingface_hub.utils import _http
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ..errors import DownloadError
from ..progress import Progress, counted
from .answers import host_of, reason_of, start_of

RETRIED_STATUSES = (429, 500, 502, 503, 504)
MAX_FILE_BYTES = 20 << 30  # larger than any file of a BERT
READ_BYTES = 64 << 10  # an interrupted transfer loses at most this; the progress bar moves after each of these
logger = logging.getLogger(__name__)
HUB_BAR = "huggingface_hub.http_get"
Result = TypeVar("Result")
_HUB_SESSION = threading.RLock()  # the session factory of huggingface_hub is shared by all threads


class Unreachable(DownloadError):
    """The server gives no answer: offline, refused, unknown host, or timeout."""


class WrongLength(DownloadError):
    """A file is longer or shorter than stated."""


class TransferCut(DownloadError):
    """A transfer was interrupted. `position` is the number of bytes received."""

    def __init__(self, message: str, *, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Timeouts and retries.

    Args:
        timeout_s: the longest time without an answer or data from the server.
        num_tries: the number of tries in a row without progress.
        first_wait_s: the wait before the second try. Each later wait is twice as long.
        max_wait_s: the longest wait between two tries.
        max_retry_after_s: the longest wait that a server can ask for (Retry-After). A longer one is an error that
            states the time.
    """

    timeout_s: float = 10.0
    num_tries: int = 5
    first_wait_s: float = 1.0
    max_wait_s: float = 30.0
    max_retry_after_s: float = 300.0

    @classmethod
    def from_environment(cls) -> NetworkSettings:
        """Return the defaults, with the timeout of HF_HUB_DOWNLOAD_TIMEOUT if set."""
        text = os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "").strip()
        try:
            timeout_s = float(text) if text else cls.timeout_s
        except ValueError:
            timeout_s = 0.0
        if not timeout_s > 0:
            raise DownloadError(f"`HF_HUB_DOWNLOAD_TIMEOUT` must be a positive number of seconds, but is {text!r}.")
        return cls(timeout_s=timeout_s)

    def wait_s(self, failures: int) -> float:
        """Return the wait before the next try, after this number of failures."""
        return min(self.max_wait_s, self.first_wait_s * 2 ** (failures - 1))


def is_offline() -> bool:
    """Return True if HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return constants.HF_HUB_OFFLINE or value.upper() in constants.ENV_VARS_TRUE_VALUES


class Network:
    """The policy of waits, retries and progress for a series of transfers."""

    def __init__(
        self, settings: NetworkSettings | None = None, *, progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.settings = settings or NetworkSettings.from_environment()
        self.progress = None if constants.HF_HUB_DISABLE_PROGRESS_BARS else progress
        self.title, self.max_bytes = "", MAX_FILE_BYTES  # of the current transfer

    def session(self, base: requests.Session | None = None) -> requests.Session:
        """Return a session with this policy, and the proxies and certificates of `base`."""
        session = base or requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _PatientAdapter(self))
        return session

    @contextlib.contextmanager
    def hub_session(self) -> Iterator[None]:
        """Use this policy for requests of huggingface_hub inside the `with` block."""
        with _HUB_SESSION:
            yield from self._in_hub_session()

    def _in_hub_session(self) -> Iterator[None]:
        previous = _http._GLOBAL_BACKEND_FACTORY  # huggingface_hub has no public way to read it
        sessions: list[requests.Session] = []

        def make() -> requests.Session:
            sessions.append(self.session(previous()))
            return sessions[-1]

        configure_http_backend(make)
        hide_bar = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not are_progress_bars_disabled(HUB_BAR)
        if hide_bar:  # the bar of this package moves more often, and also works in log files
            disable_progress_bars(HUB_BAR)
        with_hf_transfer = constants.HF_HUB_ENABLE_HF_TRANSFER
        constants.HF_HUB_ENABLE_HF_TRANSFER = False  # it cannot continue after a cut
        try:
            yield
        finally:
            constants.HF_HUB_ENABLE_HF_TRANSFER = with_hf_transfer
            configure_http_backend(previous)
            for session in sessions:
                _close_connections(session)
            if hide_bar:
                enable_progress_bars(HUB_BAR)

    def until_whole(self, transfer: Callable[[], Result], *, title: str, max_bytes: int = MAX_FILE_BYTES) -> Result:
        """Call `transfer`, which continues after an interruption, until it returns.

        Raises:
            DownloadError: `num_tries` interruptions in a row without progress.
            WrongLength: more than `max_bytes` bytes arrive. It is raised before they fill the disk.
        """
        self.title, self.max_bytes = title, max_bytes
        furthest, failures = -1, 0
        while True:
            try:
                return transfer()
            except TransferCut as cut:
                failures = 1 if cut.position > furthest else failures + 1
                furthest = max(furthest, cut.position)
                if failures >= self.settings.num_tries:
                    remedy = "Downloaded files are kept: run the same command again later."
                    raise DownloadError(f"{title}: {cut} No progress in {failures} tries. {remedy}") from None
                pause(self.settings.wait_s(failures), f"{title}: {cut} Continuing from there")


def pause(seconds: float, reason: str) -> None:
    """Log the reason, and wait."""
    logger.warning("%s in %.0f s", reason, seconds)
    time.sleep(seconds)


def _close_connections(session: requests.Session) -> None:
    """Close the connections opened here; the user owns the rest of the session."""
    for adapter in session.adapters.values():
        if isinstance(adapter, _PatientAdapter):
            adapter.close()


class _Patience(Retry):
    """The retries of urllib3, with the waits of `settings`. Every wait is logged."""

    RETRY_AFTER_STATUS_CODES = frozenset()  # retry only for the statuses of `status_forcelist`

    def __init__(self, *, settings: NetworkSettings, host: str, **state: Any) -> None:
        super().__init__(**state)
        self.settings, self.host = settings, host

    def new(self, **changes: Any) -> _Patience:
        return super().new(settings=self.settings, host=self.host, **changes)

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


class _PatientAdapter(HTTPAdapter):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
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
        settings, host = self.network.settings, host_of(request)
        self.max_retries = _Patience(
            settings=settings,
            host=host,
            total=settings.num_tries - 1,
            other=0,  # waiting does not fix certificates
            allowed_methods=None,
            status_forcelist=RETRIED_STATUSES,
            raise_on_status=False,
            retry_after_max=sys.maxsize,  # `sleep` refuses long waits
        )
        try:
            response = super().send(request, stream, settings.timeout_s, verify, cert, proxies)
            # without this header, huggingface_hub uses plain GET, which mirrors support and which can be continued
            response.headers.pop(constants.HUGGINGFACE_HEADER_X_XET_HASH, None)
        except (requests.exceptions.ProxyError, requests.exceptions.SSLError) as error:
            raise Unreachable(
                f"{host} cannot be reached: {reason_of(error)}; check the proxy and certificate settings."
            ) from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Unreachable(f"{host} cannot be reached: {reason_of(error)} ({settings.num_tries} tries).") from None
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
            with counted(self.network.progress, stage=self.network.title, total=total, unit="B", done=start) as counter:
                try:
                    for block in stream_of_library(min(amt, READ_BYTES), decode_content=decode_content):
                        counter.update(len(block))
                        position += len(block)
                        if position > self.network.max_bytes:
                            raise WrongLength(f"more than {self.network.max_bytes:,} bytes")
                        yield block
                except (urllib3.exceptions.HTTPError, OSError) as error:
                    raise TransferCut(
                        f"the transfer was interrupted after {position:,} bytes ({reason_of(error)}).",
                        position=position,
                    ) from None

        response.raw.stream = stream
        return response
