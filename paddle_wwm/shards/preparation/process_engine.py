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
from typing import Any, Callable, Iterator, Sequence

from ...errors import DataError
from .work_plan import Work

SECONDS_BETWEEN_TICKS = 0.5


@dataclass(frozen=True, kw_only=True)
class ProcessEngine:
    """Engine that runs in this process, or in a pool if there are several items.

    Attributes:
        num_workers: Number of processes.
        purpose: What the work is for, and what is left of it when a worker dies; for the message.
    """

    num_workers: int
    purpose: str = "preparing the corpus (out of memory?); finished work is kept: to continue, rerun the same command"

    @property
    def description(self) -> str:
        """See `Engine.description`."""
        return f"{self.num_workers} process{'es' if self.num_workers > 1 else ''}"

    def run(
        self, work: Work, plan: Any, items: Sequence[Any], *, on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Any]:
        """See `Engine.run`.

        Args:
            work: A function of the plan and an item.
            plan: Any value that can be pickled.
            items: The items of work.
            on_progress: Called with the numbers that `work` passes to `advance`, or with their sums.
        """
        if self.num_workers == 1 or len(items) <= 1:
            with _reporting_to(on_progress):
                yield from (work(plan, item) for item in items)
            return
        context = multiprocessing.get_context("spawn")
        stop = context.RawValue(ctypes.c_bool, False)
        progress = context.RawArray(ctypes.c_longlong, len(items))  # each place is written by one worker
        reported = 0
        with concurrent.futures.ProcessPoolExecutor(
            min(self.num_workers, len(items)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(work, plan, stop, progress),
        ) as pool:
            try:
                # The plan is sent once and items are small, so all items can wait in the pool's queue. Results arrive
                # in a queue that Ctrl-C can interrupt anywhere. concurrent.futures.wait is not used: it locks every
                # future, and a future that stays locked prevents the pool from ending.
                done: queue.SimpleQueue[concurrent.futures.Future[Any]] = queue.SimpleQueue()
                with _interrupts_held():
                    for number, item in enumerate(items):
                        pool.submit(_run_in_worker, number, item).add_done_callback(done.put)
                remaining = len(items)
                while remaining:
                    try:
                        future = done.get(timeout=SECONDS_BETWEEN_TICKS)
                    except queue.Empty:
                        future = None
                    if on_progress is not None and (now := sum(progress)) > reported:
                        on_progress(now - reported)
                        reported = now
                    if future is None:
                        yield None
                        continue
                    remaining -= 1
                    yield future.result()
            except concurrent.futures.process.BrokenProcessPool:
                raise DataError(f"a worker died while {self.purpose} with fewer workers (--workers).") from None
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


_worker: tuple[Work, Any] | None = None
_stop: Any = None  # a bool in memory that all processes share
_progress: Any = None  # one integer per item, in memory that all processes share
_report: Callable[[int], None] | None = None  # of the item that this process is working on


class _Stopped(BaseException):
    """The run has ended, so this process leaves its item unfinished."""


def advance(number: int) -> None:
    """Report progress of the current item of work, in any unit.

    Without a listener, nothing happens. After Ctrl-C, this call ends the item, so that work which calls it can be
    interrupted at once.
    """
    if _report is not None:
        _report(number)


@contextlib.contextmanager
def _reporting_to(report: Callable[[int], None] | None) -> Iterator[None]:
    global _report
    _report = report
    try:
        yield
    finally:
        _report = None


def _start_worker(work: Work, plan: Any, stop: Any, progress: Any) -> None:
    global _worker, _stop, _progress
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the pool is the parallelism
    _worker, _stop, _progress = (work, plan), stop, progress
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the parent was killed, so nothing else would end this process


def _run_in_worker(place: int, item: Any) -> Any:
    if _stop.value:
        return None
    assert _worker is not None
    work, plan = _worker

    def report(number: int) -> None:
        if _stop.value:
            raise _Stopped
        _progress[place] += number

    try:
        with _reporting_to(report):
            result = work(plan, item)
    except _Stopped:
        return None
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # when a worker has died, the pool sends SIGTERM to the others; paddle's handler would print a C++ report
    return result
