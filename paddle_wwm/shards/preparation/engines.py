"""Who does the work of preparation: this process, a pool of processes, or the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Iterator, Protocol, Sequence

from ...errors import ConfigError
from .process_engine import ProcessEngine
from .work_plan import Plan, Work


class Engine(Protocol):
    """Does the work of a plan."""

    @property
    def description(self) -> str:
        """One line for the report."""
        ...

    def run(self, work: Work, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """The result of `work` for every item, as they come, and None now and then while nothing does (for
        progress bars).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Which engine, and how much text a unit has; nothing of this changes the result.

    num_workers None: one per core. scheduler: the address of a Dask scheduler (or its scheduler file), or None for a
    cluster on this machine.
    """

    name: str = "processes"
    num_workers: int | None = None
    scheduler: str | None = None
    unit_chars: int = 500_000


@contextlib.contextmanager
def open_engine(config: EngineConfig) -> Iterator[Engine]:
    """The engine that `config` describes, for the time of the block."""
    if config.name not in ("processes", "dask"):
        raise ConfigError(f"`engine` must be processes or dask, but is {config.name!r}.")
    num_workers = config.num_workers or os.cpu_count() or 1
    if config.name == "dask":
        from .dask_engine import open_dask_engine

        with open_dask_engine(scheduler=config.scheduler, num_workers=num_workers) as engine:
            yield engine
    else:
        yield ProcessEngine(num_workers=num_workers)
