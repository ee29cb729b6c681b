"""One policy of timeouts, retries, resumption and progress for all transfers.

huggingface_hub waits forever for a silent server, gives up on status 429, and loses up to 10 MB when a transfer is
interrupted. On a connection that breaks more often, a download never ends. Therefore its requests run in a session of
this module, see `Network.hub_session`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Callable, Iterator, TypeVar

import requests
from huggingface_hub import configure_http_backend, constants
from huggingface_hub.utils import _http
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from ..errors import DownloadError
from ..progress import Progress
from .failures import TransferCut
from .patience import PatientAdapter, pause
from .settings import NetworkSettings

MAX_FILE_BYTES = 20 << 30  # larger than any file of a BERT
HUB_BAR = "huggingface_hub.http_get"
Result = TypeVar("Result")
_HUB_SESSION = threading.RLock()  # the session factory of huggingface_hub is shared by all threads


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
        self.reached_hosts: set[str] = set()

    def session(self, base: requests.Session | None = None) -> requests.Session:
        """Return a session with this policy, and the proxies and certificates of `base`."""
        session = base or requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, PatientAdapter(self))
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


def _close_connections(session: requests.Session) -> None:
    """Close the connections opened here; the user owns the rest of the session."""
    for adapter in session.adapters.values():
        if isinstance(adapter, PatientAdapter):
            adapter.close()
