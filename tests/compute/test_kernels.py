"""Compiled loops give the same bits in the process that compiles them and in later ones that load them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ..conftest import ROOT

CODE = """
import hashlib
import numpy as np
from paddle_wwm.compute import kernels, norm_kernels

rng, rows, width = np.random.default_rng(0), 64, 256
epsilon, factor, mask = np.float32(1e-12), np.float32(0.125), (np.uint64(5), np.uint16(6554), np.float32(1.1))

def numbers(*shape):
    return rng.standard_normal(shape).astype(np.float32)

def show(*arrays):
    print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())

scores, out, slope = numbers(rows, width), numbers(rows, width), numbers(rows, width)
kernels.softmax_dropout(scores, numbers(8, width), rows // 8, factor, *mask, out)
show(scores, out)
kernels.softmax_dropout_backward(numbers(rows, width), scores, factor, *mask, out)
show(out)
kernels.bias_gelu(out, numbers(width), slope)
show(out, slope)

x, weight, bias, inverse, sums = numbers(rows, width), numbers(width), numbers(width), numbers(rows), numbers(3, width)
norm_kernels.dropout_add_norm(x, bias, numbers(rows, width), *mask, weight, bias, epsilon, inverse, out)
show(x, inverse, out)
gradients = numbers(rows, width), numbers(rows, width)
norm_kernels.dropout_add_norm_backward(numbers(rows, width), x, inverse, *mask, weight, *gradients, sums)
show(*gradients, sums)

ids, types = rng.integers(0, 50, (8, rows // 8)), rng.integers(0, 2, (8, rows // 8))
tables = numbers(50, width), numbers(64, width), numbers(2, width)
norm_kernels.embed_norm(ids, types, *tables, weight, bias, epsilon, x, inverse, out)
show(x, inverse, out)
norm_kernels.embed_norm_backward(numbers(rows, width), ids, types, x, inverse, weight, *tables, sums[:2])
show(*tables, sums)
"""


@pytest.mark.slow
def test_the_compiling_process_and_later_processes_get_the_same_bits(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CODE],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbc"))
    assert len(printed[0]) == 7 and printed[0] == printed[1]
