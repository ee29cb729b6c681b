"""Run the work on a Dask cluster. Its workers must see the corpus and the output under the same paths.

If a worker is lost, its unfinished work is done again by another worker.
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
REMEDY = "finished work is kept: to continue, rerun the same command."


@dataclass(frozen=True, kw_only=True)
class DaskEngine:
    """Engine that runs on the workers of a Dask cluster."""

    client: Any  # dask.distributed.Client
    description: str

    def run(self, work: Work, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """See `Engine.run`."""
        from dask.distributed import as_completed
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        # pure=False makes new keys: the results of an earlier attempt must not be reused
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
    """Connect to a Dask cluster, or start one on this machine.

    Args:
        scheduler: Address of the scheduler, or its scheduler file. None: start a cluster on this machine.
        num_workers: Number of processes of the cluster on this machine.

    Raises:
        ConfigError: Dask is not installed, the scheduler does not answer, or its workers cannot be used.
    """
    try:
        import dask
        from dask.distributed import Client, LocalCluster
        from dask.utils import parse_timedelta
    except ImportError:
        raise ConfigError("`engine` dask needs the package `distributed`: pip install 'paddle_wwm[dask]'.") from None
    seconds_to_connect = parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))  # 30 s by default
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet_log())
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


@contextlib.contextmanager
def _quiet_log() -> Iterator[None]:
    """Hide the log of `distributed` until the end of the block.

    Errors are raised. The log only has tracebacks of lost connections.
    """
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _check_workers(client: Any, *, timeout_s: float) -> None:
    """Check that the workers have the same version of this package.

    Raises:
        ConfigError: The cluster has no workers, or a worker has another version or none.
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
