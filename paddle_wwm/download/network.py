"""Patience with networks: one policy of timeouts, retries, resumption and progress for everything that is fetched.

huggingface_hub waits forever on a silent server, gives up on 429, and after a cut loses up to 10 MB that had arrived,
so that a line that is cut more often than that never ends. Its requests therefore run in a session of ours: see
`Network.hub_session`.
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
MAX_FILE_BYTES = 20 << 30  # no file of a BERT is larger
READ_BYTES = 64 << 10  # what a cut can lose, and how often the progress bar moves
logger = logging.getLogger(__name__)
HUB_BAR = "huggingface_hub.http_get"
Result = TypeVar("Result")
_HUB_SESSION = threading.RLock()  # huggingface_hub has one for all threads


class Unreachable(DownloadError):
    """No answer: offline, refused, unknown host, silent server."""


class WrongLength(DownloadError):
    """A file is longer or shorter than it was said to be."""


class TransferCut(DownloadError):
    """A transfer ended early. position: how many bytes of the file are here now."""

    def __init__(self, message: str, *, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """timeout_s: the longest silence of a server. num_tries: in a row without any progress. Waits double from
    first_wait_s to max_wait_s.

    max_retry_after_s: the longest wait that a server may ask for (Retry-After); beyond it, an error says when to come
    back.
    """

    timeout_s: float = 10.0
    num_tries: int = 5
    first_wait_s: float = 1.0
    max_wait_s: float = 30.0
    max_retry_after_s: float = 300.0

    @classmethod
    def from_environment(cls) -> NetworkSettings:
        """With the timeout of HF_HUB_DOWNLOAD_TIMEOUT, in seconds. Raises DownloadError where that is no positive
        number.
        """
        text = os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "").strip()
        try:
            timeout_s = float(text) if text else cls.timeout_s
        except ValueError:
            timeout_s = 0.0
        if not timeout_s > 0:
            raise DownloadError(f"`HF_HUB_DOWNLOAD_TIMEOUT` must be a positive number of seconds, but is {text!r}.")
        return cls(timeout_s=timeout_s)

    def wait_s(self, failures: int) -> float:
        """Before the try that follows so many failures."""
        return min(self.max_wait_s, self.first_wait_s * 2 ** (failures - 1))


def is_offline() -> bool:
    """Whether the environment forbids the network (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE), now or when
    huggingface_hub was imported.
    """
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return constants.HF_HUB_OFFLINE or value.upper() in constants.ENV_VARS_TRUE_VALUES


class Network:
    """One way of waiting, trying again and reporting progress, for a number of transfers."""

    def __init__(
        self, settings: NetworkSettings | None = None, *, progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.settings = settings or NetworkSettings.from_environment()
        self.progress = None if constants.HF_HUB_DISABLE_PROGRESS_BARS else progress
        self.title, self.max_bytes = "", MAX_FILE_BYTES  # of the transfer at hand

    def session(self, base: requests.Session | None = None) -> requests.Session:
        """A session with this patience; proxies and certificates as in the environment, or as in `base`."""
        session = base or requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _PatientAdapter(self))
        return session

    @contextlib.contextmanager
    def hub_session(self) -> Iterator[None]:
        """Inside, huggingface_hub's requests are made with this patience, on top of the session that the user has
        configured for it.
        """
        with _HUB_SESSION:
            yield from self._in_hub_session()

    def _in_hub_session(self) -> Iterator[None]:
        previous = _http._GLOBAL_BACKEND_FACTORY  # there is no public way to read it
        sessions: list[requests.Session] = []

        def make() -> requests.Session:
            sessions.append(self.session(previous()))
            return sessions[-1]

        configure_http_backend(make)
        hide_bar = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not are_progress_bars_disabled(HUB_BAR)
        if hide_bar:  # ours moves more often, and in log files too
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
        """Call a transfer that goes on where it was cut, until it returns.

        Raises DownloadError after `num_tries` cuts without progress, WrongLength for more than `max_bytes` bytes,
        before they fill the disk.
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
                    remedy = "What has arrived is kept: run the same again later."
                    raise DownloadError(f"{title}: {cut} No progress in {failures} tries. {remedy}") from None
                pause(self.settings.wait_s(failures), f"{title}: {cut} Continuing from there")


def pause(seconds: float, reason: str) -> None:
    """Log why, and wait."""
    logger.warning("%s in %.0f s", reason, seconds)
    time.sleep(seconds)


def _close_connections(session: requests.Session) -> None:
    """Close what was opened here; the rest of the session is the user's."""
    for adapter in session.adapters.values():
        if isinstance(adapter, _PatientAdapter):
            adapter.close()


class _Patience(Retry):
    """urllib3's retries with the waits of `settings`, each one logged. host: for messages."""

    RETRY_AFTER_STATUS_CODES = frozenset()  # only those of `status_forcelist`

    def __init__(self, *, settings: NetworkSettings, host: str, **state: Any) -> None:
        super().__init__(**state)
        self.settings, self.host = settings, host

    def new(self, **changes: Any) -> _Patience:
        return super().new(settings=self.settings, host=self.host, **changes)

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        """Wait as the server asks in Retry-After, or twice as long as before."""
        error, wait_s = self.history[-1].error, self.settings.wait_s(len(self.history))
        if isinstance(error, urllib3.exceptions.ProxyError):
            raise error  # waiting does not fix it
        problem = f"{self.host} cannot be reached: {reason_of(error)}" if error else ""
        if response is not None:
            problem = f"{self.host} answers {response.status} {response.reason}"
            with contextlib.suppress(urllib3.exceptions.InvalidHeader):
                asked_s = self.get_retry_after(response)
                if asked_s is not None and asked_s > self.settings.max_retry_after_s:
                    raise DownloadError(
                        f"{problem} and asks to come back in {asked_s:,.0f} s; run the same again then."
                    )
                wait_s = wait_s if asked_s is None else asked_s
        pause(wait_s, f"{problem}; trying again")


# urllib3 logs our retries, too, but not in plain words
logging.getLogger("urllib3.connectionpool").addFilter(
    lambda record: not any(isinstance(value, _Patience) for value in record.args or ())
)


class _PatientAdapter(HTTPAdapter):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.answers: list[requests.Response] = []

    def close(self) -> None:
        """Close all connections, also those of answers that nobody read to their end."""
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
            # Without it the file comes by plain GET, which mirrors have, and which can continue after a cut.
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
                "again later, or name a mirror in HF_ENDPOINT."
            )
        if stream:
            self.answers.append(response)
            return self._prepared(response) if request.method == "GET" else response
        try:
            _ = response.content
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise TransferCut(f"the answer of {host} was cut ({reason_of(error)}).", position=0) from None
        return response

    def _prepared(self, response: requests.Response) -> requests.Response:
        """A transfer in small reads, with a progress bar and with cuts that say how far it came."""
        if not response.ok or response.is_redirect:
            return response
        stream_of_library = response.raw.stream
        start, length = start_of(response), response.headers.get("Content-Length", "")
        # otherwise the length is that of the compressed body
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
                        f"the transfer was cut after {position:,} bytes ({reason_of(error)}).", position=position
                    ) from None

        response.raw.stream = stream
        return response
