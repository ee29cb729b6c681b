"""The timeouts and retries of transfers."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import DownloadError


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
