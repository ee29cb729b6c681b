"""Work on the workers of a Dask cluster, which see the files of the corpus and of the output under the same names as
this process.

Work may be done twice, and is when a worker is lost; that costs what it had in hand.
"""

from __future__ import annotations

import contextlib
import logging
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence

from ...errors import ConfigError, DataError
from .work_plan import Plan, Work

SECONDS_BETWEEN_LOOKS = 0.05
REMEDY = "what is done is kept: give the same command again to continue."


@dataclass(frozen=True, kw_only=True)
class DaskEngine:
    """The workers of `client`'s cluster."""

    client: Any  # dask.distributed.Client
    description: str

    def run(self, work: Work, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """As the protocol says."""
        from dask.distributed import as_completed
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        # by keys that say nothing of the arguments: work of an earlier attempt must not count as done here
        futures = self.client.map(work, [plan] * len(items), items, pure=False, retries=2)
        completed = as_completed(futures)
        remaining = len(futures)
        try:
            while remaining:
                if self.client.status not in ("running", "connecting"):
                    raise CommClosedError
                if not completed.has_ready():
                    time.sleep(SECONDS_BETWEEN_LOOKS)
                    yield None
                    continue
                future = next(completed)
                remaining -= 1
                yield future.result()
        except (CommClosedError, CancelledError):
            raise DataError(f"the connection to the Dask scheduler was lost; {REMEDY}") from None
        except KilledWorker as error:
            raise DataError(
                f"a unit of work ended its Dask worker several times (out of memory?): {error}; {REMEDY}"
            ) from None
        finally:
            with contextlib.suppress(Exception):
                self.client.cancel(futures)


@contextlib.contextmanager
def open_dask_engine(*, scheduler: str | None, num_workers: int) -> Iterator[DaskEngine]:
    """The cluster of the scheduler at that address (or that its scheduler file names), or one of `num_workers`
    processes on this machine.
    """
    try:
        import dask
        from dask.distributed import Client, LocalCluster
        from dask.utils import parse_timedelta
    except ImportError:
        raise ConfigError("`engine` dask needs the package `distributed`: pip install 'paddle_wwm[dask]'.") from None
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":  # what matters is raised; the rest are tracebacks of lost connections
            logging.getLogger(name).setLevel(logging.CRITICAL)
    seconds_to_connect = parse_timedelta(
        dask.config.get("distributed.comm.timeouts.connect")
    )  # 30 s, if the user has not set it
    with contextlib.ExitStack() as stack:
        where: dict[str, Any] = {"address": scheduler}
        if scheduler is None:
            cluster = LocalCluster(
                n_workers=num_workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
            )
            where = {"address": stack.enter_context(cluster)}
        elif Path(scheduler).is_file():
            where = {"scheduler_file": scheduler}
        try:
            client = stack.enter_context(Client(**where, timeout=seconds_to_connect))
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers at {scheduler} ({error}); start one with: dask scheduler"
            ) from None
        _check_workers(client, timeout_s=seconds_to_connect)
        num_workers = len(client.scheduler_info(n_workers=-1)["workers"])
        yield DaskEngine(client=client, description=f"Dask, {num_workers} workers at {scheduler or 'this machine'}")


def _check_workers(client: Any, *, timeout_s: float) -> None:
    """Every worker must have this package. Raises ConfigError for a cluster without workers, or with others than this
    process's version.
    """
    from ...version import __version__

    try:
        client.wait_for_workers(1, timeout=timeout_s)
    except TimeoutError:
        raise ConfigError(
            "the Dask scheduler has no workers; start one on each machine with: dask worker SCHEDULER_ADDRESS"
        ) from None
    for worker, version in client.run(_installed_version, on_error="return").items():
        if version != __version__:
            found = "lacks it" if isinstance(version, Exception) else f"has {version}"
            raise ConfigError(
                f"every Dask worker must have paddle_wwm {__version__}, but {worker} {found}; install it there."
            )


def _installed_version() -> str:
    from paddle_wwm.version import __version__

    return __version__
