"""The operations that Paddle's CPU kernels are slow at, written around what they are fast at: matrix products.

Each is the same function as Paddle's own (`exact` below switches to that, for reference and for devices other than the CPU); what was
measured stands beside it. Dropout draws from a generator of its own, so its masks are a function of the key given to `seed_dropout`.
"""

from __future__ import annotations

import contextlib
import math
from typing import Iterator

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle.autograd import PyLayer

_exact = False
_generator = np.random.Generator(np.random.SFC64(0))


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Inside, Paddle's own operations are used."""
    global _exact
    before, _exact = _exact, True
    try:
        yield
    finally:
        _exact = before


def seed_dropout(key: int) -> None:
    """Make the masks drawn from here on a function of `key` (64 bits), with Paddle's operations, too."""
    global _generator
    _generator = np.random.Generator(np.random.SFC64(key))
    paddle.seed(key % (1 << 31))


def dropout_state() -> dict:
    """Where the generator of the masks stands (Paddle's own is not part of it)."""
    return _generator.bit_generator.state


def set_dropout_state(state: dict) -> None:
    """Put the generator of the masks where it stood."""
    _generator.bit_generator.state = state


def _is_plain(tensor: paddle.Tensor) -> bool:
    return _exact or not tensor.place.is_cpu_place() or tensor.dtype != paddle.float32


class _Linear(PyLayer):
    """x @ weight + bias, the weight transposed on request. Its reason is the bias's gradient: Paddle's sum over rows takes 21 ms for
    1024 x 3072 numbers, the product of a row of ones with them 0.5 ms."""

    @staticmethod
    def forward(ctx, x, weight, bias, transpose):
        ctx.save_for_backward(x, weight)
        ctx.transpose = transpose
        return paddle.matmul(x, weight, transpose_y=transpose).add_(bias)

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensor()
        rows = grad.reshape([-1, grad.shape[-1]])
        inputs = x.reshape([-1, x.shape[-1]])
        left, right = (rows, inputs) if ctx.transpose else (inputs, rows)
        grad_weight = paddle.matmul(left, right, transpose_x=True)
        grad_bias = paddle.matmul(paddle.ones([1, rows.shape[0]], rows.dtype), rows).reshape([-1])
        return paddle.matmul(grad, weight, transpose_y=not ctx.transpose), grad_weight, grad_bias


def linear(x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, *, transpose: bool = False) -> paddle.Tensor:
    """x @ weight + bias; shapes (…, in), (in, out) or, with `transpose`, (out, in), and (out,)."""
    if _is_plain(x) or x.stop_gradient and weight.stop_gradient:
        return paddle.matmul(x, weight, transpose_y=transpose) + bias
    return _Linear.apply(x, weight, bias, transpose)


def dropout(x: paddle.Tensor, rate: float, *, training: bool) -> paddle.Tensor:
    """Dropout with the scale in training. Paddle's own takes 15 ms for 1.6M numbers; 16 random bits a number and a product take 2 ms.

    With 16 bits the rate is rounded to a multiple of 2**-16, and the scale is that of the rounded rate: the mean stays exact.
    """
    if not training or rate == 0.0:
        return x
    if _is_plain(x):
        return F.dropout(x, rate)
    threshold = round(rate * 65536)
    size = math.prod(x.shape)
    bits = _generator.integers(0, 2**64, -(-size // 4), dtype=np.uint64).view(np.uint16)[:size]
    mask = np.multiply(bits >= threshold, np.float32(65536 / (65536 - threshold)), dtype=np.float32)
    return x * paddle.from_dlpack(mask.reshape(x.shape))
