"""Run a network as a function from arrays to one array, and compute the outputs of rows."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import Callable, Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import paddle
import paddle.nn as nn

from ..tokenization.vocab import Vocab
from .rows import MAX_BATCH_TOKENS, Row, batches_by_length
from .task import Program, ResultOptions, Task

# the fastest value from 512 to 8,192 in fp32: the outputs of a layer stay in the processor's cache
CPU_BATCH_TOKENS = 1024
MAX_ROWS = 1024  # of one batch


def max_batch_tokens(*, on_gpu: bool) -> int:
    """Return the maximum tokens of a batch, including padding."""
    return MAX_BATCH_TOKENS if on_gpu else CPU_BATCH_TOKENS


@dataclass
class _Evaluated:
    """A layer in evaluation mode.

    Attributes:
        num_blocks: how many blocks of `evaluating` need it.
        trained: its sublayers that were in training mode before.
    """

    num_blocks: int = 0
    trained: list[nn.Layer] = field(default_factory=list)


_evaluated: WeakKeyDictionary[nn.Layer, _Evaluated] = WeakKeyDictionary()
_lock = threading.Lock()


@contextlib.contextmanager
def evaluating(layer: nn.Layer) -> Iterator[None]:
    """Put a layer into evaluation mode inside the block, then restore its mode.

    Blocks of several threads may overlap. The end of the last one restores the mode of every sublayer.
    """
    with _lock:
        state = _evaluated.setdefault(layer, _Evaluated())
        if state.num_blocks == 0:
            state.trained = [one for one in layer.sublayers(include_self=True) if one.training]
            layer.eval()
        state.num_blocks += 1
    try:
        yield
    finally:
        with _lock:
            state.num_blocks -= 1
            if state.num_blocks == 0:
                for one in state.trained:
                    one.training = True
                state.trained = []


def dygraph_program(network: nn.Layer) -> Program:
    """Return a program that runs the network in dygraph mode, without gradients.

    To turn dropout off, use it inside `evaluating`.
    """

    def run(*arrays: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            return network(*map(paddle.to_tensor, arrays)).numpy()

    return run


def compute_outputs(
    program: Program,
    rows: Sequence[Row],
    *,
    task: Task,
    vocab: Vocab,
    options: ResultOptions = ResultOptions(),  # noqa: B008  (it is frozen)
    batch_size: int = MAX_ROWS,
    on_gpu: bool = False,
    is_mine: Callable[[int], bool] = lambda number: True,
    on_batch: Callable[[int], None] = lambda num_done: None,
) -> list[np.ndarray | None]:
    """Compute the output of every row, in the rows' order.

    Args:
        program: the network of the task.
        rows: its inputs; rows of similar length share a batch.
        task: splits the output of a batch into one per row.
        vocab: the model's vocabulary.
        options: options of the results.
        batch_size: the maximum rows of a batch.
        on_gpu: True for the larger batches that are best on a GPU.
        is_mine: takes the number of a batch and returns whether this process computes it. Other batches get None
            as output.
        on_batch: called after each batch with the number of finished rows. It may raise to stop.
    """
    outputs: list[np.ndarray | None] = [None] * len(rows)
    max_tokens = min(task.max_batch_tokens, max_batch_tokens(on_gpu=on_gpu))
    num_done = 0
    for number, batch in enumerate(
        batches_by_length(rows, batch_size=batch_size, pad_id=vocab.pad_id, max_tokens=max_tokens)
    ):
        if is_mine(number):
            computed = program(*task.inputs(batch, mask_id=vocab.mask_id))
            of_rows = task.outputs_of_batch(computed, batch, mask_id=vocab.mask_id, options=options)
            for index, output in zip(batch.indices, of_rows):
                outputs[index] = output
        num_done += len(batch.indices)
        on_batch(num_done)
    return outputs
