"""The arithmetic of a training step, and the peak of this machine.

Their quotient is the share of the peak that training reaches.
"""

from __future__ import annotations

import time
from typing import Callable

import numpy as np
import paddle

from ..compute.bf16 import current_gemm, rounded
from ..model_config import ModelConfig

# Small on the CPU, so that at least one of the repeats is not interrupted by other processes.
PEAK_SIZE_ON_CPU, PEAK_SIZE_ON_GPU = 1024, 8192


def training_flops(
    config: ModelConfig, *, num_rows: int, length: int, num_predictions: int, with_next_sentence: bool
) -> int:
    """Return the floating point operations of the matrix products of one batch.

    This is forward and backward, padding included. It counts only what the model computes: in the last layer, keys and
    values everywhere and all else only at the positions that are read. Backward counts twice as much as forward. What
    recompute does again is not counted. All else (softmax, norms, the update) is small compared with the products.
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
    """Measure floating point operations per second with a large square matrix product.

    The result is the best of `repeats`, with the threads of this process; float32, or bfloat16 inside of
    `bfloat16_products`.

    clock: use time.process_time to compare one thread on a machine that others use too.
    """
    size = size or (PEAK_SIZE_ON_CPU if paddle.empty([1]).place.is_cpu_place() else PEAK_SIZE_ON_GPU)
    run = _product_of_size(size)
    run()
    seconds = []
    for _ in range(repeats):
        started = clock()
        run()
        seconds.append(clock() - started)
    return 2 * size**3 / min(seconds)


def _product_of_size(size: int) -> Callable[[], object]:
    gemm = current_gemm()
    left = right = paddle.ones([size, size])  # no random numbers, so that later draws do not change
    if gemm is None:
        return lambda: float(paddle.matmul(left, right)[0, 0])  # reading a number waits for the device
    left16, out = rounded(left.numpy()), np.empty((size, size), np.float32)
    return lambda: gemm(left16, left16, out)
