"""The outputs of a network for a split, computed by all workers of a run."""

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
    """Compute the output of every row, float32, on every worker. Each worker computes every world.size-th batch.

    Args:
        network: of the task; it is put into evaluation mode meanwhile.
        rows: what it reads.
        task: cuts a batch's output into those of its rows.
        vocab: the model's vocabulary.
        world: this worker's place.
        stage: what `progress` calls this.
        progress: called by the main worker.
        stop_asked: called between batches; it may raise.
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
        return [output for output in found if output is not None]  # every one has been computed here
    return _exchanged(found, shapes=[task.output_shape(len(row)) for row in rows], world=world)


def _exchanged(
    outputs: Sequence[np.ndarray | None], *, shapes: Sequence[tuple[int, ...]], world: World
) -> list[np.ndarray]:
    """Give the outputs of all workers to each: numbers plus nothing, so to the bit."""
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
