"""Compute the outputs of a network for a split with all workers of a run."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..progress import Progress
from ..runs.fleet import World, sum_over_workers
from ..tasks.programs import compute_outputs, dygraph_program, evaluating
from ..tasks.rows import Row
from ..tasks.task import Task
from ..tokenization.vocab import Vocab

_EXCHANGED_NUMBERS = 1 << 22


def compute_on_workers(
    network: nn.Layer,
    rows: Sequence[Row],
    *,
    task: Task,
    vocab: Vocab,
    world: World,
    stage: str,
    progress: Callable[[Progress], None] | None = None,
    stop_asked: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """Compute the output of every row; every worker gets all outputs.

    Each worker computes every world.size-th batch.

    Args:
        network: the network of the task. It is in evaluation mode during the computation.
        rows: the input rows.
        task: splits the output of a batch into those of its rows.
        vocab: the vocabulary of the model.
        world: the rank of this worker.
        stage: the name of this stage for `progress`.
        progress: called by the main worker.
        stop_asked: called between batches; it may raise an exception.

    Returns:
        One float32 array per row, of shape `task.output_shape(len(row))`.
    """

    def on_batch(num_done: int) -> None:
        stop_asked()
        if progress and world.is_main:
            progress(Progress(stage=stage, done=num_done, total=len(rows), unit=" rows"))

    with evaluating(network):
        outputs = compute_outputs(
            dygraph_program(network),
            rows,
            task=task,
            vocab=vocab,
            on_gpu=paddle.get_device() != "cpu",
            is_mine=lambda number: number % world.size == world.rank,
            on_batch=on_batch,
        )
    found = [None if output is None else output.astype(np.float32) for output in outputs]
    if world.size == 1:
        return [output for output in found if output is not None]  # no output is None: this worker computed all
    return _exchanged(found, shapes=[task.output_shape(len(row)) for row in rows], world=world)


def _exchanged(
    outputs: Sequence[np.ndarray | None], *, shapes: Sequence[tuple[int, ...]], world: World
) -> list[np.ndarray]:
    """Return the outputs of all workers on each worker.

    The outputs are summed, with zeros for those that a worker did not compute. So they are bit-equal on all workers.
    """
    sizes = [int(np.prod(shape)) for shape in shapes]
    flat = np.concatenate(
        [
            np.zeros(size) if output is None else output.reshape(-1).astype(np.float64)
            for output, size in zip(outputs, sizes)
        ]
    )
    parts = [
        sum_over_workers(flat[start : start + _EXCHANGED_NUMBERS], world)
        for start in range(0, len(flat), _EXCHANGED_NUMBERS)
    ]
    joined = np.concatenate(parts).astype(np.float32)
    return [part.reshape(shape) for part, shape in zip(np.split(joined, np.cumsum(sizes)[:-1]), shapes)]
