"""Products by oneDNN: any strides, accumulation, threads, forked processes, and processors without bfloat16."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.compute import onednn
from paddle_wwm.compute.bf16 import plain_gemm, rounded, widened

from ..conftest import ROOT

needs_onednn = pytest.mark.skipif(bool(onednn.missing()), reason=onednn.missing() or "it is there")
needs_bfloat16 = pytest.mark.skipif(bool(onednn.missing_bfloat16()), reason=onednn.missing_bfloat16() or "it is there")
GEMMS = [plain_gemm, pytest.param(onednn.gemm, marks=needs_bfloat16)]


def numbers(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def product(a, b) -> np.ndarray:
    """Return the product of float32 or bfloat16 numbers in float64."""
    left, right = (widened(array) if array.dtype == np.uint16 else array for array in (a, b))
    return left.astype(np.float64) @ right.astype(np.float64)


def assert_close(found, expected, *, tolerance=1e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("gemm", GEMMS)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    transposed=st.tuples(st.booleans(), st.booleans()),
    has_bias=st.booleans(),
    accumulate=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_a_product_of_bfloat16_numbers_has_any_shape_and_strides(gemm, shape, transposed, has_bias, accumulate):
    m, k, n = shape
    a = rounded(numbers(k, m)).T if transposed[0] else rounded(numbers(m, k))
    b = rounded(numbers(n, k, seed=1)).T if transposed[1] else rounded(numbers(k, n, seed=1))
    bias = numbers(n, seed=2) if has_bias else None
    out = before = numbers(m, n, seed=3)
    expected = product(a, b) + (0 if bias is None else bias) + (before.astype(np.float64) if accumulate else 0)
    gemm(a, b, out, bias=bias, accumulate=accumulate)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5 * (np.abs(expected).max() + k))


@pytest.mark.parametrize("gemm", GEMMS)
def test_heads_are_read_and_written_where_they_lie(gemm):
    q, k = (rounded(numbers(2, 7, 3 * 8, seed=seed)) for seed in range(2))
    heads = [x.reshape(2, 7, 3, 8).transpose(0, 2, 1, 3) for x in (q, k)]
    scores = np.empty((2, 3, 7, 7), np.float32)
    gemm(heads[0], heads[1].swapaxes(2, 3), scores)
    assert_close(scores, product(heads[0], heads[1].swapaxes(2, 3)))
    out = np.zeros((2, 7, 24), np.uint16)
    gemm(rounded(scores), heads[1], out.reshape(2, 7, 3, 8).transpose(0, 2, 1, 3))
    expected = product(rounded(scores), heads[1]).transpose(0, 2, 1, 3).reshape(2, 7, 24)
    assert_close(widened(out), expected, tolerance=2**-8)


@pytest.mark.parametrize("gemm", GEMMS)
def test_a_product_of_nothing_is_zero_or_the_bias(gemm):
    out = numbers(3, 2)
    before = out.copy()
    gemm(np.empty((3, 0), np.uint16), np.empty((0, 2), np.uint16), out, accumulate=True)
    np.testing.assert_array_equal(out, before)
    gemm(np.empty((3, 0), np.uint16), np.empty((0, 2), np.uint16), out, bias=np.ones(2, np.float32))
    np.testing.assert_array_equal(out, np.ones((3, 2)))
    gemm(np.empty((0, 4), np.uint16), np.empty((4, 2), np.uint16), np.empty((0, 2), np.float32))


@needs_onednn
def test_a_product_of_float32_numbers_is_not_rounded():
    a, b, out = numbers(33, 65), numbers(65, 17, seed=1), np.empty((33, 17), np.float32)
    onednn.gemm(a, b, out)
    assert_close(out, product(a, b), tolerance=1e-6)


@needs_onednn
def test_an_impossible_product_is_an_error_with_the_name_of_the_call():
    with pytest.raises(onednn.OneDnnError, match="dnnl_matmul_primitive_desc_create returned status"):
        onednn.gemm(numbers(3, 4), numbers(5, 6), np.empty((3, 6), np.float32))


@needs_onednn
def test_threads_and_forked_processes_give_the_same_bits():
    a, b = numbers(64, 96), numbers(96, 80, seed=1)
    outs = [np.empty((64, 80), np.float32) for _ in range(9)]
    onednn.gemm(a, b, outs[0])
    threads = [threading.Thread(target=onednn.gemm, args=(a, b, out)) for out in outs[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({out.tobytes() for out in outs}) == 1
    child = os.fork()
    if child == 0:
        out = np.empty((64, 80), np.float32)
        onednn.gemm(a, b, out)
        os._exit(0 if out.tobytes() == outs[0].tobytes() else 1)
    assert os.waitpid(child, 0)[1] == 0


@needs_onednn
def test_the_memory_of_many_shapes_is_bounded():
    kept = onednn._threads().find
    for size in range(1, 600):
        onednn.gemm(numbers(1, size), numbers(size, 1), np.empty((1, 1), np.float32))
    assert kept.cache_info().currsize == kept.cache_info().maxsize == 512


@needs_onednn
@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_number_of_threads_is_paddles(threads):
    code = (
        "import ctypes, numpy as np\n"
        "from paddle_wwm.compute import onednn\n"
        "x = np.ones((8, 8), np.float32)\n"
        "onednn.gemm(x, x, np.empty_like(x))\n"
        "print(ctypes.CDLL('libgomp.so.1').omp_get_max_threads())\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-W", "ignore", "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [threads]


@needs_onednn
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_a_processor_without_bfloat16_is_named(instructions):
    code = "from paddle_wwm.compute import onednn; print(onednn.missing() or onednn.missing_bfloat16())"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
    command = [sys.executable, "-W", "ignore", "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "this processor has neither AMX nor AVX512_BF16"


def test_another_version_or_a_missing_file_is_a_reason_not_an_error(monkeypatch):
    monkeypatch.setattr(onednn, "_MAJOR", 99)
    assert "but only version 99 is known" in onednn.missing.__wrapped__()
    monkeypatch.setattr(onednn, "_PATH", "libs/no-such-file.so")
    onednn._library.cache_clear()
    assert "no-such-file.so" in onednn.missing.__wrapped__()
    onednn._library.cache_clear()
