"""How much arithmetic a training step is, and how much this machine can do: their quotient is the share of the peak
that training reaches.
"""

from __future__ import annotations

import time
from typing import Callable

import paddle

from ..model_config import ModelConfig

# On the CPU small enough for one of many to run through without being interrupted by others.
PEAK_SIZE_ON_CPU, PEAK_SIZE_ON_GPU = 1024, 8192


def training_flops(
    config: ModelConfig, *, num_rows: int, length: int, num_predictions: int, with_next_sentence: bool
) -> int:
    """Floating point operations of the matrix products of forward and backward of one batch, in its size with padding.

    Only what the model computes: the last layer's keys and values everywhere, all else of it at the positions that are
    read. Backward counts twice forward; what recompute does again is not counted. All else (softmax, norms, the
    update) is small beside the products.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    positions, read = num_rows * length, num_predictions + (num_rows if with_next_sentence else 0)
    dense = hidden * hidden

    def layer(queries: int) -> int:
        return 2 * positions * dense + queries * (2 * dense + 2 * hidden * inner + 2 * length * hidden)

    multiplications = (config.num_hidden_layers - 1) * layer(positions) + layer(read)
    multiplications += num_predictions * (dense + hidden * config.vocab_size)
    if with_next_sentence:
        multiplications += num_rows * (dense + 2 * hidden)
    return 3 * 2 * multiplications


@paddle.no_grad()
def measure_peak(
    *, size: int | None = None, repeats: int = 20, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Floating point operations a second of a large square product here, the best of `repeats`; float32, with this
    process's threads.

    clock: time.process_time where one thread is compared on a machine that others use, too.
    """
    size = size or (PEAK_SIZE_ON_CPU if paddle.empty([1]).place.is_cpu_place() else PEAK_SIZE_ON_GPU)
    left = right = paddle.ones([size, size])  # no random numbers: nothing after this changes by it
    float(paddle.matmul(left, right)[0, 0])
    seconds = []
    for _ in range(repeats):
        started = clock()
        float(paddle.matmul(left, right)[0, 0])  # reading a number waits for the device
        seconds.append(clock() - started)
    return 2 * size**3 / min(seconds)
