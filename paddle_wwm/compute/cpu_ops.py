"""The operations of ops.py for training on the CPU in float32.

Paddle computes the matrix products, and compiled loops compute the rest. Times before and after, in a step of 1.7 s (3
layers x 768, 8 x 128 tokens, one thread): backward of LayerNorm 47 ms and 4 ms, GELU with bias and backward 46 ms and 8
ms, gradients of the word embeddings 70 ms and 1 ms. Matrix products are five sixths of the remaining time. Dropout
masks are not stored.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from . import kernels, norm_kernels
from .dropout import Mask, MaskNumbers
from .memory import TiedGradient, need_gradients, rows_of, vector_of


def _target(tensor: paddle.Tensor) -> np.ndarray:
    """Return the memory of a contiguous tensor to write to, as (rows, last axis)."""
    assert tensor.is_contiguous()
    return rows_of(tensor)


def _indices(tensor: paddle.Tensor, name: str, *, bound: int) -> np.ndarray:
    """Return an int64 copy. Compiled loops do not check bounds, so it is done here.

    Raises:
        ValueError: An index is outside of the table.
    """
    array = tensor.numpy().astype(np.int64)
    if array.min() < 0 or array.max() >= bound:
        raise ValueError(f"`{name}` must be at least 0 and below {bound}, but has {array.min()} to {array.max()}.")
    return array


def _like(tensor: paddle.Tensor) -> paddle.Tensor:
    return paddle.empty(tensor.shape, tensor.dtype)


def _rows(tensor: paddle.Tensor) -> paddle.Tensor:
    return tensor.reshape([-1, tensor.shape[-1]])


def _column_sums(rows: paddle.Tensor) -> paddle.Tensor:
    # for 1024 x 3072 numbers, Paddle's sum over rows takes 21 ms, and the product with a row of ones 0.5 ms
    return paddle.matmul(paddle.ones([1, rows.shape[0]], rows.dtype), rows).reshape([-1])


def _product_gradients(
    x: paddle.Tensor, weight: paddle.Tensor, grad: paddle.Tensor, needed: tuple[bool, ...], *, transpose: bool = False
) -> tuple[paddle.Tensor | None, paddle.Tensor | None]:
    """Return the gradients of x and weight in x @ weight."""
    left, right = (grad, x) if transpose else (x, grad)
    return (
        paddle.matmul(grad, weight, transpose_y=not transpose) if needed[0] else None,
        paddle.matmul(_rows(left), _rows(right), transpose_x=True) if needed[1] else None,
    )


class Linear(PyLayer):
    """ops.linear, and with `transpose` ops.decode."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        bias: paddle.Tensor,
        transpose: bool,
        tied: TiedGradient | None,
    ) -> paddle.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transpose, ctx.tied, ctx.needed = transpose, tied, need_gradients(x, weight, bias)
        return paddle.matmul(x, weight, transpose_y=transpose).add_(bias)

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensor()
        x_grad, weight_grad = _product_gradients(x, weight, grad, ctx.needed, transpose=ctx.transpose)
        if ctx.tied is not None and ctx.tied.is_awaited:
            ctx.tied.value, weight_grad = weight_grad, None
        return x_grad, weight_grad, _column_sums(_rows(grad)) if ctx.needed[2] else None


class LinearGelu(PyLayer):
    """ops.linear_activation with gelu. It keeps the slope instead of the input."""

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor) -> paddle.Tensor:
        out = paddle.matmul(x, weight)
        ctx.slope = _like(out)
        kernels.bias_gelu(_target(out), vector_of(bias), _target(ctx.slope))
        ctx.save_for_backward(x, weight)
        ctx.needed = need_gradients(x, weight, bias)
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensor()
        grad = grad * ctx.slope
        return *_product_gradients(x, weight, grad, ctx.needed), _column_sums(_rows(grad)) if ctx.needed[2] else None


class LinearAddNorm(PyLayer):
    """ops.linear_add_norm."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        bias: paddle.Tensor,
        residual: paddle.Tensor,
        norm_weight: paddle.Tensor,
        norm_bias: paddle.Tensor,
        epsilon: float,
        mask: Mask,
    ) -> paddle.Tensor:
        ctx.normalized = paddle.matmul(x, weight)
        ctx.inverse = np.empty(math.prod(residual.shape[:-1]), np.float32)
        ctx.mask = mask_numbers = mask.numbers()
        ctx.needed = need_gradients(x, weight, bias, residual, norm_weight, norm_bias)
        ctx.save_for_backward(x, weight, norm_weight)
        out = _like(residual)
        arrays = _target(ctx.normalized), vector_of(bias), rows_of(residual)
        norm = vector_of(norm_weight), vector_of(norm_bias), np.float32(epsilon)
        norm_kernels.dropout_add_norm(*arrays, *mask_numbers, *norm, ctx.inverse, _target(out))
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        x, weight, norm_weight = ctx.saved_tensor()
        mask_numbers: MaskNumbers = ctx.mask
        product_grad, residual_grad = _like(grad), _like(grad)
        sums = np.zeros((3, grad.shape[-1]), np.float32)
        norm_kernels.dropout_add_norm_backward(
            rows_of(grad),
            rows_of(ctx.normalized),
            ctx.inverse,
            *mask_numbers,
            vector_of(norm_weight),
            _target(product_grad),
            _target(residual_grad),
            sums,
        )
        of_norm_weight, of_norm_bias, of_bias = map(paddle.to_tensor, sums)
        grads = (
            *_product_gradients(x, weight, product_grad, ctx.needed),
            of_bias,
            residual_grad,
            of_norm_weight,
            of_norm_bias,
        )
        return tuple(value if needed else None for value, needed in zip(grads, ctx.needed))


class SoftmaxDropout(PyLayer):
    """dropout(softmax(scores * factor + bias)).

    scores: (B, N, Q, T); their memory is overwritten. bias: (B, 1, 1, T), without a gradient.
    """

    @staticmethod
    def forward(ctx: Any, scores: paddle.Tensor, bias: paddle.Tensor, factor: float, mask: Mask) -> paddle.Tensor:
        ctx.probabilities, ctx.factor = scores.detach(), np.float32(factor)
        ctx.mask = mask_numbers = mask.numbers()
        out = _like(scores)
        rows = scores.shape[1] * scores.shape[2]
        kernels.softmax_dropout(
            _target(ctx.probabilities), rows_of(bias), rows, ctx.factor, *mask_numbers, _target(out)
        )
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor, None]:  # type: ignore[override]
        mask_numbers: MaskNumbers = ctx.mask
        out = _like(grad)
        kernels.softmax_dropout_backward(
            rows_of(grad), rows_of(ctx.probabilities), ctx.factor, *mask_numbers, _target(out)
        )
        return out, None


class Embed(PyLayer):
    """ops.embed. Its gradient of the word table is added to that of the decoder.

    `tied` holds the gradient of the decoder, if there is one.
    """

    @staticmethod
    def forward(
        ctx: Any,
        ids: paddle.Tensor,
        types: paddle.Tensor,
        words: paddle.Tensor,
        positions: paddle.Tensor,
        kinds: paddle.Tensor,
        norm_weight: paddle.Tensor,
        norm_bias: paddle.Tensor,
        epsilon: float,
        mask: Mask,
        tied: TiedGradient | None,
    ) -> paddle.Tensor:
        shape = [*ids.shape, words.shape[1]]
        ctx.normalized, ctx.inverse = paddle.empty(shape), np.empty(ids.size, np.float32)
        ctx.mask = mask_numbers = mask.numbers()
        ctx.ids = indices = (
            _indices(ids, "input_ids", bound=words.shape[0]),
            _indices(types, "token_type_ids", bound=kinds.shape[0]),
        )
        ctx.tied, ctx.tables = tied, (words.shape, positions.shape, kinds.shape)
        ctx.save_for_backward(norm_weight)
        if tied is not None:
            tied.is_awaited = True
        out = dropped = paddle.empty(shape)
        tables = rows_of(words), rows_of(positions), rows_of(kinds)
        norm_kernels.embed_norm(
            *indices,
            *tables,
            vector_of(norm_weight),
            vector_of(norm_bias),
            np.float32(epsilon),
            _target(ctx.normalized),
            ctx.inverse,
            _target(out),
        )
        if mask.threshold:
            dropped = _like(out)
            kernels.dropout(rows_of(out), *mask_numbers, _target(dropped))
        return dropped

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        (norm_weight,) = ctx.saved_tensor()
        mask_numbers: MaskNumbers = ctx.mask
        indices: tuple[np.ndarray, np.ndarray] = ctx.ids
        tables = [paddle.zeros(shape) for shape in ctx.tables[1:]]
        word_grad = ctx.tied.take() if ctx.tied is not None else None
        tables.insert(0, paddle.zeros(ctx.tables[0]) if word_grad is None else word_grad)
        dropped, sums = _like(grad), np.zeros((2, grad.shape[-1]), np.float32)
        kernels.dropout(rows_of(grad), *mask_numbers, _target(dropped))
        norm_kernels.embed_norm_backward(
            rows_of(dropped),
            *indices,
            rows_of(ctx.normalized),
            ctx.inverse,
            vector_of(norm_weight),
            _target(tables[0]),
            _target(tables[1]),
            _target(tables[2]),
            sums,
        )
        return None, None, *tables, *map(paddle.to_tensor, sums)
