"""Engines that do the work of preparation: this process, a pool of processes, or the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Iterator, Protocol, Sequence

from ...errors import ConfigError
from .process_engine import ProcessEngine
from .work_plan import Plan, Work


class Engine(Protocol):
    """Interface of the engines."""

    @property
    def description(self) -> str:
        """Description for the report, in one line."""
        ...

    def run(self, work: Work, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """Yield the result of `work` for every item, in the order of completion.

        While no item is complete, None is yielded from time to time, so that progress bars can be updated.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """The engine and the size of a unit of work. They do not change the shards.

    Attributes:
        name: "processes" or "dask".
        num_workers: None: one per core.
        scheduler: Address of a Dask scheduler, or its scheduler file. None: a cluster on this machine.
        unit_chars: Characters per unit of work.
    """

    name: str = "processes"
    num_workers: int | None = None
    scheduler: str | None = None
    unit_chars: int = 500_000


@contextlib.contextmanager
def open_engine(config: EngineConfig) -> Iterator[Engine]:
    """Open an engine and close it at the end of the block.

    Raises:
        ConfigError: The engine is unknown or not available.
    """
    if config.name not in ("processes", "dask"):
        raise ConfigError(f"`engine` must be processes or dask, but is {config.name!r}.")
    num_workers = config.num_workers or os.cpu_count() or 1
    if config.name == "dask":
        from .dask_engine import open_dask_engine

        with open_dask_engine(scheduler=config.scheduler, num_workers=num_workers) as engine:
            yield engine
    else:
        yield ProcessEngine(num_workers=num_workers)
