"""Layers whose products are of bfloat16 numbers, for training on the CPU: a linear layer, and the feed-forward block.

A block computes and differentiates everything from one residual to the next. So an operand is rounded once, and the
gradients are added where they are needed. What it keeps for the backward pass has 16 bits, except for normalised rows.
The block of attention is in bf16_attention.py.

D hidden, F feed-forward; "…" any axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from . import bf16_kernels, norm_kernels
from .bf16 import Gemm, empty16, rounded
from .dropout import Mask, MaskNumbers
from .memory import TiedGradient, need_gradients, new_rows, rows_of, vector_of


def weight_gradient(gemm: Gemm, left: np.ndarray, right: np.ndarray) -> paddle.Tensor:
    """Return left^T right, the gradient of a weight.

    left: the inputs of the layer. right: the gradients of its outputs.
    """
    tensor, array = new_rows(left.shape[1], right.shape[1])
    gemm(left.T, right, array)
    return tensor


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
        gemm: Gemm,
    ) -> paddle.Tensor:
        x16, weight16 = rounded(rows_of(x)), rounded(rows_of(weight))
        weight16 = weight16.T if transpose else weight16
        out, rows = new_rows(*x.shape[:-1], weight16.shape[1])
        gemm(x16, weight16, rows, bias=vector_of(bias))
        ctx.kept, ctx.gemm, ctx.needed = (x16, weight16), gemm, need_gradients(x, weight, bias)
        ctx.transpose, ctx.tied, ctx.shape = transpose, tied, x.shape
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        (x16, weight16), gemm, needed = ctx.kept, ctx.gemm, ctx.needed
        grad32, sums = rows_of(grad), np.zeros(grad.shape[-1], np.float32)
        grad16 = empty16(*grad32.shape)
        bf16_kernels.round_and_sum(grad32, grad16, sums)
        x_grad = weight_grad = None
        if needed[0]:
            x_grad, rows = new_rows(*ctx.shape)
            gemm(grad16, weight16.T, rows)
        if needed[1]:
            weight_grad = weight_gradient(gemm, *((grad16, x16) if ctx.transpose else (x16, grad16)))
        if ctx.tied is not None and ctx.tied.is_awaited:
            ctx.tied.value, weight_grad = weight_grad, None
        return x_grad, weight_grad, paddle.to_tensor(sums) if needed[2] else None


@dataclass
class AddNorm:
    """norm(residual + dropout(product + bias)), and its gradients."""

    normalized: np.ndarray
    inverse: np.ndarray
    mask: MaskNumbers
    weight: paddle.Tensor

    @staticmethod
    def forward(
        product: np.ndarray,
        residual: np.ndarray,
        out: np.ndarray,
        *,
        bias: paddle.Tensor,
        norm: tuple[paddle.Tensor, paddle.Tensor],
        epsilon: float,
        mask: Mask,
    ) -> AddNorm:
        """Write the result to `out`; `product` becomes the normalised rows."""
        inverse, numbers = np.empty(len(product), np.float32), mask.numbers()
        vectors = vector_of(norm[0]), vector_of(norm[1]), np.float32(epsilon)
        norm_kernels.dropout_add_norm(product, vector_of(bias), residual, *numbers, *vectors, inverse, out)
        return AddNorm(normalized=product, inverse=inverse, mask=numbers, weight=norm[0])

    def backward(self, grad: np.ndarray, residual_grad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Write the gradient of the residual.

        Returns:
            The gradient of the product, bfloat16, and the gradients of norm weight, norm bias and bias, (3, D).
        """
        product_grad, sums = np.empty_like(grad), np.zeros((3, grad.shape[1]), np.float32)
        norm_kernels.dropout_add_norm_backward(
            grad,
            self.normalized,
            self.inverse,
            *self.mask,
            vector_of(self.weight),
            product_grad,
            residual_grad,
            sums,
        )
        return rounded(product_grad), sums


class FeedForwardBlock(PyLayer):
    """norm(x + dropout(activation(x W1 + b1) W2 + b2)); shapes (…, D)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        activation: str,
        mask: Mask,
        epsilon: float,
        gemm: Gemm,
        *parameters: paddle.Tensor,
    ) -> paddle.Tensor:
        w1, b1, w2, b2, norm_weight, norm_bias = parameters
        x32 = rows_of(x)
        x16, w1_16, w2_16 = rounded(x32), rounded(rows_of(w1)), rounded(rows_of(w2))
        inner = np.empty((len(x32), w1_16.shape[1]), np.float32)
        gemm(x16, w1_16, inner)
        active, slope = empty16(*inner.shape), empty16(*inner.shape)
        run = bf16_kernels.bias_gelu if activation == "gelu" else bf16_kernels.bias_relu
        run(inner, vector_of(b1), active, slope)
        product = np.empty_like(x32)
        gemm(active, w2_16, product)
        out, rows = new_rows(*x.shape)
        norm = (norm_weight, norm_bias)
        ctx.norm = AddNorm.forward(product, x32, rows, bias=b2, norm=norm, epsilon=epsilon, mask=mask)
        ctx.kept, ctx.gemm, ctx.needed = (x16, w1_16, w2_16, active, slope), gemm, need_gradients(x, *parameters)
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        (x16, w1, w2, active, slope), gemm, needed = ctx.kept, ctx.gemm, ctx.needed
        x_grad, x_grad32 = new_rows(*grad.shape)
        grad16, sums = ctx.norm.backward(rows_of(grad), x_grad32)
        inner_grad = np.empty((len(x16), w1.shape[1]), np.float32)
        gemm(grad16, w2.T, inner_grad)
        w2_grad = weight_gradient(gemm, active, grad16) if needed[3] else None
        inner16, b1_grad = empty16(*active.shape), np.zeros(w1.shape[1], np.float32)
        bf16_kernels.scale_backward(inner_grad, slope, inner16, b1_grad)
        w1_grad = weight_gradient(gemm, x16, inner16) if needed[1] else None
        gemm(inner16, w1.T, x_grad32, accumulate=True)
        of_weight, of_bias, of_b2 = map(paddle.to_tensor, sums)
        grads = (x_grad, w1_grad, paddle.to_tensor(b1_grad), w2_grad, of_b2, of_weight, of_bias)
        return tuple(value if is_needed else None for value, is_needed in zip(grads, needed))
