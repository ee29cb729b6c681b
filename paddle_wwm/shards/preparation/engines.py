"""Who does the tasks: this process, a pool of processes, or the workers of a Dask cluster.

A task is a function of (plan, item) that reads and writes files and may be done twice; an engine calls it for every
item, in any order.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import os
import queue
import signal
import threading
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Protocol, Sequence

from ...errors import ConfigError, DataError
from .plan import Plan

Task = Callable[[Plan, Any], Any]
SECONDS_BETWEEN_TICKS = 0.5


class Engine(Protocol):
    """Runs tasks."""

    @property
    def description(self) -> str:
        """One line for the report."""
        ...

    def run(self, task: Task, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """The task's result for every item, as they come, and None now and then while nothing does (for
        progress bars).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Which engine, and how much text a task of it gets; nothing of this changes the result.

    num_workers None: one a core. scheduler: the address of a Dask scheduler (or its scheduler file), or None for a
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


@dataclass(frozen=True, kw_only=True)
class ProcessEngine:
    """This process, or a pool of them where there is work for more than one."""

    num_workers: int

    @property
    def description(self) -> str:
        """As the protocol says."""
        return f"{self.num_workers} process{'es' if self.num_workers > 1 else ''}"

    def run(self, task: Task, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """As the protocol says."""
        if self.num_workers == 1 or len(items) <= 1:
            yield from (task(plan, item) for item in items)
            return
        context = multiprocessing.get_context("spawn")
        stop = context.RawValue(ctypes.c_bool, False)
        with concurrent.futures.ProcessPoolExecutor(
            min(self.num_workers, len(items)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(task, plan, stop),
        ) as pool:
            try:
                # A plan is sent once and items are small, so all of them may wait in the pool's queue. What is done
                # comes by a queue that Ctrl-C may interrupt anywhere: concurrent.futures.wait locks every future, and
                # one left locked keeps the pool from ending.
                done: queue.SimpleQueue[concurrent.futures.Future[Any]] = queue.SimpleQueue()
                with _interrupts_held():
                    for item in items:
                        pool.submit(_run_in_worker, item).add_done_callback(done.put)
                remaining = len(items)
                while remaining:
                    try:
                        future = done.get(timeout=SECONDS_BETWEEN_TICKS)
                    except queue.Empty:
                        yield None
                        continue
                    remaining -= 1
                    yield future.result()
            except concurrent.futures.process.BrokenProcessPool:
                raise DataError(
                    "a worker died while preparing the corpus (out of memory?); what is done is kept: "
                    "give the same command again, with fewer workers (--workers)."
                ) from None
            finally:
                stop.value = True  # what the workers have in their queue already
                # and the rest, by the pool's own thread: future.cancel() races with it when a worker has died, and
                # this process would never end
                pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C comes after the block (a pool that is interrupted while it starts its processes never ends), and the
    processes that are
    started in it never see one: they inherit the mask, and ending them is this process's task.
    """
    if threading.current_thread() is not threading.main_thread():  # Ctrl-C comes in the main thread only
        yield
        return
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


_worker: tuple[Task, Plan] | None = None
_stop: Any = None  # a bool in memory that all processes share


def _start_worker(task: Task, plan: Plan, stop: Any) -> None:
    global _worker, _stop
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the pool is the parallelism
    _worker, _stop = (task, plan), stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # it was killed: nobody else would ever end this process


def _run_in_worker(item: Any) -> Any:
    if _stop.value:
        return None
    assert _worker is not None
    task, plan = _worker
    result = task(plan, item)
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # the pool ends workers so when one has died; paddle's handler prints a C++ report
    return result
