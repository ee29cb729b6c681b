"""Run a network as a function from arrays to one array, and compute the outputs of rows."""

from __future__ import annotations

import contextlib
from typing import Callable, Iterator, Sequence

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


@contextlib.contextmanager
def evaluating(layer: nn.Layer) -> Iterator[None]:
    """Put a layer into evaluation mode inside the block, then restore its mode."""
    was_training = layer.training
    layer.eval()
    try:
        yield
    finally:
        if was_training:
            layer.train()


def dygraph_program(network: nn.Layer) -> Program:
    """Return a program that runs the network in dygraph mode, without gradients.

    To turn dropout off, use it inside `evaluating`.
    """

    def run(*arrays: np.ndarray) -> np.ndarray:
        # With this flag, Paddle makes transposed views instead of copies, and its matrix product copies them slowly.
        # Turning it off saves a sixth of the time.
        strided = paddle.get_flags("FLAGS_use_stride_kernel")
        paddle.set_flags({"FLAGS_use_stride_kernel": False})
        try:
            with paddle.no_grad():
                return network(*map(paddle.to_tensor, arrays)).numpy()
        finally:
            paddle.set_flags(strided)

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
