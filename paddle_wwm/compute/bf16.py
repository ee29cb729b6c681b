"""Products of numbers rounded to bfloat16, for training on the CPU.

Inside `with bfloat16_products():`, the layers of a model round the operands of every matrix product to bfloat16, in
both passes, and sum in float32. Parameters, gradients, norms, softmax and all that lies between products stay float32.
The products are oneDNN's, where the processor has such instructions. `plain_gemm` is their definition.
"""

from __future__ import annotations

import contextlib
import math
from contextvars import ContextVar
from typing import Iterator, Protocol

import numpy as np
import paddle

from . import onednn

_CACHE_LINE = 64


class Gemm(Protocol):
    """A function that writes or adds a product; see `onednn.gemm`."""

    def __call__(
        self, a: np.ndarray, b: np.ndarray, out: np.ndarray, *, bias: np.ndarray | None = None, accumulate: bool = False
    ) -> None: ...


_gemm: ContextVar[Gemm | None] = ContextVar("gemm", default=None)


@contextlib.contextmanager
def bfloat16_products(gemm: Gemm = onednn.gemm) -> Iterator[None]:
    """Round the operands of products to bfloat16 inside the `with` block.

    This is for the current thread only.

    Args:
        gemm: the function that computes the products.
    """
    token = _gemm.set(gemm)
    try:
        yield
    finally:
        _gemm.reset(token)


def current_gemm() -> Gemm | None:
    """Return the function of `bfloat16_products`, or None outside of it."""
    return _gemm.get()


def plain_gemm(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, *, bias: np.ndarray | None = None, accumulate: bool = False
) -> None:
    """Compute `onednn.gemm` by Paddle's float32 product, on any processor."""
    if not (a.size and b.size):
        onednn.empty_product(out, bias=bias, accumulate=accumulate)
        return
    left, right = (paddle.to_tensor(widened(array) if array.dtype == np.uint16 else array) for array in (a, b))
    product = paddle.matmul(left, right).numpy()
    if bias is not None:
        product = product + bias
    if accumulate:
        product = product + (widened(out) if out.dtype == np.uint16 else out)
    out[...] = rounded(product) if out.dtype == np.uint16 else product


def empty16(*shape: int) -> np.ndarray:
    """Return memory for bfloat16 numbers that starts on a cache line."""
    size = math.prod(shape)
    memory = np.empty(size + _CACHE_LINE // 2, np.uint16)
    first = (-memory.ctypes.data % _CACHE_LINE) // 2
    return memory[first : first + size].reshape(shape)


def rounded(x: np.ndarray) -> np.ndarray:
    """Return float32 numbers rounded to bfloat16, as uint16."""
    from . import bf16_kernels

    out = empty16(*x.shape)
    bf16_kernels.round_numbers(np.ascontiguousarray(x).reshape(-1), out.reshape(-1))
    return out


def widened(x: np.ndarray) -> np.ndarray:
    """Return bfloat16 numbers as float32."""
    from . import bf16_kernels

    out = np.empty(x.shape, np.float32)
    bf16_kernels.widen_numbers(np.ascontiguousarray(x).reshape(-1), out.reshape(-1))
    return out
