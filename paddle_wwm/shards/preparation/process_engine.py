"""The local engine: a pool of processes that Ctrl-C ends cleanly, or this process alone."""

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
from typing import Any, Iterator, Sequence

from ...errors import DataError
from .work_plan import Plan, Work

SECONDS_BETWEEN_TICKS = 0.5


@dataclass(frozen=True, kw_only=True)
class ProcessEngine:
    """Engine that runs in this process, or in a pool if there are several items."""

    num_workers: int

    @property
    def description(self) -> str:
        """See `Engine.description`."""
        return f"{self.num_workers} process{'es' if self.num_workers > 1 else ''}"

    def run(self, work: Work, plan: Plan, items: Sequence[Any]) -> Iterator[Any]:
        """See `Engine.run`."""
        if self.num_workers == 1 or len(items) <= 1:
            yield from (work(plan, item) for item in items)
            return
        context = multiprocessing.get_context("spawn")
        stop = context.RawValue(ctypes.c_bool, False)
        with concurrent.futures.ProcessPoolExecutor(
            min(self.num_workers, len(items)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(work, plan, stop),
        ) as pool:
            try:
                # The plan is sent once and items are small, so all items can wait in the pool's queue. Results arrive
                # in a queue that Ctrl-C can interrupt anywhere. concurrent.futures.wait is not used: it locks every
                # future, and a future that stays locked prevents the pool from ending.
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
                    "a worker died while preparing the corpus (out of memory?); finished work is kept: "
                    "to continue, rerun the same command with fewer workers (--workers)."
                ) from None
            finally:
                stop.value = True  # workers skip the items that are already in their queue
                # The pool's own thread cancels the other items. future.cancel() would race with that thread when a
                # worker has died, and this process would never end.
                pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block.

    A pool that is interrupted while it starts its processes never ends. Processes that are started in the block
    inherit the signal mask, so they never receive Ctrl-C; this process ends them.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles Ctrl-C in the main thread only
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


_worker: tuple[Work, Plan] | None = None
_stop: Any = None  # a bool in memory that all processes share


def _start_worker(work: Work, plan: Plan, stop: Any) -> None:
    global _worker, _stop
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the pool is the parallelism
    _worker, _stop = (work, plan), stop
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the parent was killed, so nothing else would end this process


def _run_in_worker(item: Any) -> Any:
    if _stop.value:
        return None
    assert _worker is not None
    work, plan = _worker
    result = work(plan, item)
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # when a worker has died, the pool sends SIGTERM to the others; paddle's handler would print a C++ report
    return result
