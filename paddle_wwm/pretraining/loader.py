"""Batches for the trainer, made in processes of paddle.io.DataLoader during the previous step.

Item s of the dataset holds the micro-batches of this worker for step s of the phase. It is a pure function of s, so the
number of processes and the step at which a run is resumed do not change the batches.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import signal
import threading
from typing import Iterator, TypedDict, cast

import numpy as np
import paddle

from ..pretraining_data.collate import PretrainBatch
from ..pretraining_data.mixture import Mixture
from ..quiet import fork_without_warning
from ..runs.fleet import World
from ..runs.lifetime import end_with_parent
from ..tokenization.vocab import IGNORED_LABEL

_loaders: set[multiprocessing.process.BaseProcess] = set()  # the loader processes that this process has started


class Tensors(TypedDict, total=False):
    """A micro-batch as the forward pass needs it.

    Predictions are flat and without padding, so that the heads compute only what is needed. B is the number of rows, T
    their length, P the number of predictions.

    Attributes:
        input_ids: int64 (B, T).
        token_type_ids: int64 (B, T).
        attention_mask: bool (B, T), True for tokens and False for padding.
        flat_positions: int64 (P,), row * T + column.
        labels: int64 (P,).
        next_sentence_labels: int64 (B,), only in batches of pairs.
        word_numbers: int64 (P,), only in evaluation. The predictions of a word have the same number.
        num_tokens: a number on the host; reading it does not wait for the device.
        num_predictions: also a number on the host.
    """

    input_ids: paddle.Tensor
    token_type_ids: paddle.Tensor
    attention_mask: paddle.Tensor
    flat_positions: paddle.Tensor
    labels: paddle.Tensor
    next_sentence_labels: paddle.Tensor
    word_numbers: paddle.Tensor
    num_tokens: int
    num_predictions: int


def arrays_of(batch: PretrainBatch) -> dict[str, np.ndarray | int]:
    """Return the fields of `Tensors` as numpy arrays.

    If no word of the batch fitted into its budget, there is one position with an ignored label. The heads are then
    still part of the backward pass, which the exchange of gradients between the workers needs.
    """
    valid = batch.masked_lm_labels != IGNORED_LABEL
    num_predictions = int(valid.sum())
    if num_predictions == 0:
        valid[0, 0] = True
    first_of_row = np.arange(len(batch.input_ids))[:, None] * batch.input_ids.shape[1]
    arrays: dict[str, np.ndarray | int] = {
        "input_ids": batch.input_ids,
        "token_type_ids": batch.token_type_ids,
        "attention_mask": batch.attention_mask,
        "flat_positions": (batch.masked_lm_positions + first_of_row)[valid],
        "labels": batch.masked_lm_labels[valid],
        "num_tokens": batch.num_tokens,
        "num_predictions": num_predictions,
    }
    if batch.next_sentence_labels is not None:
        arrays["next_sentence_labels"] = batch.next_sentence_labels
    return arrays


def tensors_of(batch: PretrainBatch) -> Tensors:
    """Convert a batch to the tensors of the forward pass."""
    arrays = arrays_of(batch).items()
    return cast(Tensors, {name: item if isinstance(item, int) else paddle.to_tensor(item) for name, item in arrays})


class _Steps(paddle.io.Dataset):
    def __init__(self, data: Mixture, *, global_batch_size: int, micro_batch_size: int, world: World) -> None:
        self._data, self._size = data, global_batch_size
        self._cut = {"micro_batch_size": micro_batch_size, "rank": world.rank, "num_ranks": world.size}

    def __len__(self) -> int:
        return 1 << 62  # the sampler ends the phase

    def __getitem__(self, step: int) -> list[dict[str, np.ndarray | int]]:
        batches = self._data.micro_batches(first_example=step * self._size, global_batch_size=self._size, **self._cut)
        return [arrays_of(batch) for batch in batches]


class _StepNumbers(paddle.io.BatchSampler):
    def __init__(self, first: int, stop: int) -> None:
        self._steps = range(first, stop)

    def __iter__(self) -> Iterator[list[int]]:
        return ([step] for step in self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def _only_item(items: list) -> list:
    return items[0]


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Make a loader process ignore stop signals, and end with the trainer.

    The trainer handles SIGTERM and Ctrl-C: it still needs batches for its current step. If the trainer is killed, its
    loaders must end too. Paddle's own check does not work for this, because it waits for the next request first.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)


@atexit.register
def _end_loaders() -> None:
    """Kill the loader processes at exit.

    This comes before the exit handler of multiprocessing, which would send SIGTERM and wait. The handler of SIGCHLD is
    reset first, because Paddle would report the killed processes as an error.
    """
    if children := [child for child in multiprocessing.active_children() if child in _loaders]:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for child in children:
            child.kill()


class LoaderEnded(Exception):
    """A loader process has ended too early.

    Attributes:
        status: its exit status, negative for a signal.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"a loader process ended with status {status}")
        self.status = status


class _Batches(Iterator[list[Tensors]]):
    """The batches of a DataLoader.

    `next` raises LoaderEnded when a loader process was killed.

    Paddle itself would raise from a handler of SIGCHLD, wherever the trainer is. In the middle of C++ code, such as a
    backward pass, that aborts the program. So the handler is reset, and the processes are checked here.
    """

    def __init__(self, loader: paddle.io.DataLoader) -> None:
        before = set(multiprocessing.active_children())
        handler = signal.getsignal(signal.SIGCHLD)
        with fork_without_warning():
            self._batches = iter(loader)
        self._processes = set(multiprocessing.active_children()) - before
        _loaders.update(self._processes)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, handler)

    def __next__(self) -> list[Tensors]:
        self._check()
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except Exception:
            self._check()
            raise

    def _check(self) -> None:
        for process in self._processes:
            if process.exitcode:  # None: still running; 0: it has made all its batches
                raise LoaderEnded(process.exitcode)


def _is_not_about_ended_loaders(record: logging.LogRecord) -> bool:
    return "workers exit unexpectedly" not in record.getMessage()


# Paddle's reader thread reports a killed loader on the root logger. The trainer reports it in an error.
logging.getLogger().addFilter(_is_not_about_ended_loaders)


def step_batches(
    data: Mixture,
    *,
    first_step: int,
    stop: int,
    global_batch_size: int,
    micro_batch_size: int,
    world: World,
    num_processes: int,
) -> Iterator[list[Tensors]]:
    """Return an iterator over the micro-batches of this worker in a phase.

    Its `next` raises LoaderEnded if a loader process was killed.

    Args:
        data: the training data of the phase.
        first_step: the first step, counted within the phase.
        stop: the step after the last one.
        global_batch_size: examples per step, over all workers.
        micro_batch_size: examples per micro-batch.
        world: the rank of this worker.
        num_processes: the number of loader processes; with 0, this process makes each batch when it is needed.
    """
    loader = paddle.io.DataLoader(
        _Steps(data, global_batch_size=global_batch_size, micro_batch_size=micro_batch_size, world=world),
        batch_sampler=_StepNumbers(first_step, stop),
        collate_fn=_only_item,  # type: ignore[arg-type]  # it returns one item, not a batch of tensors
        num_workers=num_processes,
        worker_init_fn=_leave_signals_to_the_trainer,
        places=paddle.CPUPlace() if not paddle.is_compiled_with_cuda() else None,
    )
    return _Batches(loader)
