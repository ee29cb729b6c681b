"""Batches for the trainer: made by paddle.io.DataLoader's worker processes while the step before is computed.

Item number s of the dataset is what this worker trains on in step s of the phase: a pure function, so the number of
processes and the place where a run is resumed change nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
from typing import Iterator, TypedDict, cast

import numpy as np
import paddle

from ..pretraining_data.collate import PretrainBatch
from ..pretraining_data.mixture import Mixture
from ..runs.fleet import World
from ..runs.lifetime import end_with_parent
from ..tokenization.vocab import IGNORED_LABEL

_loaders: set[multiprocessing.process.BaseProcess] = set()  # that this process has started


class Tensors(TypedDict, total=False):
    """What a forward pass needs of a micro-batch: predictions are flat and without padding, so that the heads compute
    no more.

    input_ids, token_type_ids, attention_mask: (B, T). flat_positions: int64 (P,), row * T + column. labels: int64
    (P,). next_sentence_labels: int64 (B,), only in batches of pairs. word_numbers: int64 (P,), in evaluation only;
    predictions of a word have the same. The counts are numbers of the host: reading them waits for no device.
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
    """Return what `Tensors` holds, as arrays.

    If no word of the batch fitted its budget there is one position whose label is ignored: the heads are part of every
    backward pass, which the workers' exchange of gradients needs.
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
    """Return a batch as the forward pass needs it."""
    arrays = arrays_of(batch).items()
    return cast(Tensors, {name: item if isinstance(item, int) else paddle.to_tensor(item) for name, item in arrays})


class _Steps(paddle.io.Dataset):
    def __init__(self, data: Mixture, *, global_batch_size: int, micro_batch_size: int, world: World) -> None:
        self._data, self._size = data, global_batch_size
        self._cut = {"micro_batch_size": micro_batch_size, "rank": world.rank, "num_ranks": world.size}

    def __len__(self) -> int:
        return 1 << 62  # a phase's end is the sampler's

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
    """A stop is the trainer's to handle: it still needs batches for the step it is in. And a trainer that is killed
    takes its loaders along: Paddle's own check waits for the next request first, which then never comes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)


@atexit.register
def _end_loaders() -> None:
    """Before multiprocessing asks them with SIGTERM, and waits. Paddle must not take their end for a fault."""
    if children := [child for child in multiprocessing.active_children() if child in _loaders]:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for child in children:
            child.kill()


@contextlib.contextmanager
def _without_tokenizers() -> Iterator[None]:
    """Fork inside without the warning of `tokenizers` that its threads are not forked: no loader tokenizes."""
    name = "TOKENIZERS_PARALLELISM"
    is_set = name in os.environ
    os.environ.setdefault(name, "false")
    try:
        yield
    finally:
        if not is_set:
            del os.environ[name]


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
    """This worker's micro-batches of the steps [first_step, stop) of a phase. num_processes 0: made in this process,
    when asked for.
    """
    loader = paddle.io.DataLoader(
        _Steps(data, global_batch_size=global_batch_size, micro_batch_size=micro_batch_size, world=world),
        batch_sampler=_StepNumbers(first_step, stop),
        collate_fn=_only_item,  # type: ignore[arg-type]  # it gives one item, not a batch of tensors
        num_workers=num_processes,
        worker_init_fn=_leave_signals_to_the_trainer,
        places=paddle.CPUPlace() if not paddle.is_compiled_with_cuda() else None,
    )
    before = set(multiprocessing.active_children())
    with _without_tokenizers():
        batches = iter(loader)
    _loaders.update(set(multiprocessing.active_children()) - before)
    return batches
