"""The attention block of BERT with products of bfloat16 numbers, for training on the CPU.

The notes of bf16_ops.py apply here too. Products read and write the heads where they lie in (B * T, D), so nothing is
transposed by a copy.

B batch, T sequence, Q queries (T or fewer), D hidden, N heads, H head size, P positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from . import bf16_kernels
from .bf16 import Gemm, empty16, rounded
from .bf16_ops import AddNorm, weight_gradient
from .dropout import Mask, MaskNumbers
from .memory import need_gradients, new_rows, rows_of, vector_of


@dataclass(frozen=True, kw_only=True)
class Queries:
    """The rows that are read of the last layer.

    Attributes:
        flat: int64 (P,), the rows of x that are read.
        queries: int64 (B, Q), the same by texts, padded with a row of the text.
        places: int64 (P,), the place of each read row in (B * Q).
    """

    flat: np.ndarray
    queries: np.ndarray
    places: np.ndarray


class AttentionBlock(PyLayer):
    """norm(x + dropout(attention(x) W + b)); (B, T, D), or (P, D) with `read`.

    bias: (B, 1, 1, T), 0 or -inf, without a gradient. The parameters are weights and biases of query, key, value,
    output and norm. The masks are of the attention weights and of the output.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        bias: paddle.Tensor,
        read: Queries | None,
        num_heads: int,
        masks: tuple[Mask, Mask],
        epsilon: float,
        gemm: Gemm,
        *parameters: paddle.Tensor,
    ) -> paddle.Tensor:
        num_texts, length, width = x.shape
        *weights, out_weight = (rounded(rows_of(weight)) for weight in parameters[0:8:2])
        *biases, out_bias = parameters[1:8:2]
        x32 = rows_of(x)
        x16 = rounded(x32)
        q_in = x16 if read is None else np.ascontiguousarray(x16[read.queries.reshape(-1)])
        projected = [empty16(len(rows), width) for rows in (q_in, x16, x16)]
        for given, weight, vector, into in zip((q_in, x16, x16), weights, biases, projected):
            gemm(given, weight, into, bias=vector_of(vector))
        q, k, v = (_heads(part, num_texts, num_heads) for part in projected)
        scores = np.empty((num_texts, num_heads, q.shape[2], length), np.float32)
        gemm(q, k.swapaxes(2, 3), scores)
        probabilities, attention = empty16(*scores.shape), empty16(*scores.shape)
        factor, numbers = np.float32(1 / math.sqrt(width // num_heads)), masks[0].numbers()
        two_axes = (-1, length)
        bf16_kernels.softmax_dropout(
            scores.reshape(two_axes),
            rows_of(bias),
            num_heads * q.shape[2],
            factor,
            *numbers,
            probabilities.reshape(two_axes),
            attention.reshape(two_axes),
        )
        context = empty16(len(q_in), width)
        gemm(attention, v, _heads(context, num_texts, num_heads))
        residual = x32
        if read is not None:
            context, residual = np.ascontiguousarray(context[read.places]), x32[read.flat]
        product = np.empty_like(residual)
        gemm(context, out_weight, product)
        out, rows = new_rows(*(x.shape if read is None else residual.shape))
        norm = (parameters[8], parameters[9])
        ctx.norm = AddNorm.forward(product, residual, rows, bias=out_bias, norm=norm, epsilon=epsilon, mask=masks[1])
        ctx.kept = (x16, q_in, q, k, v, probabilities, attention, context)
        ctx.weights, ctx.read, ctx.factor, ctx.mask = (*weights, out_weight), read, factor, numbers
        ctx.gemm, ctx.needed, ctx.shape = gemm, need_gradients(x, *parameters), x.shape
        return out

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        x16, q_in, q, k, v, probabilities, attention, context = ctx.kept
        gemm, read, needed = ctx.gemm, ctx.read, ctx.needed
        mask: MaskNumbers = ctx.mask
        num_texts, length, width = ctx.shape
        x_grad, x_grad32 = new_rows(*ctx.shape)
        residual_grad = x_grad32 if read is None else np.empty((len(context), width), np.float32)
        grad16, sums = ctx.norm.backward(rows_of(grad), residual_grad)
        context_grad = empty16(len(context), width)
        gemm(grad16, ctx.weights[3].T, context_grad)
        out_grad = weight_gradient(gemm, context, grad16) if needed[7] else None
        if read is not None:
            x_grad32[:] = 0
            bf16_kernels.add_rows(residual_grad, read.flat, x_grad32)
            at_places, context_grad = context_grad, np.zeros((len(q_in), width), np.uint16)
            context_grad[read.places] = at_places
        heads = _heads(context_grad, num_texts, q.shape[1])
        grads16 = [empty16(len(q_in), width), empty16(len(x16), width), empty16(len(x16), width)]
        q_grad, k_grad, v_grad = (_heads(part, num_texts, q.shape[1]) for part in grads16)
        attention_grad = np.empty(attention.shape, np.float32)
        gemm(attention.swapaxes(2, 3), heads, v_grad)
        gemm(heads, v.swapaxes(2, 3), attention_grad)
        scores_grad, two_axes = empty16(*attention.shape), (-1, length)
        bf16_kernels.softmax_dropout_backward(
            attention_grad.reshape(two_axes),
            probabilities.reshape(two_axes),
            ctx.factor,
            *mask,
            scores_grad.reshape(two_axes),
        )
        gemm(scores_grad, k, q_grad)
        gemm(scores_grad.swapaxes(2, 3), q, k_grad)
        grads: list[paddle.Tensor | None] = [x_grad]
        for number, (rows, part, weight) in enumerate(zip((q_in, x16, x16), grads16, ctx.weights)):
            vector = np.zeros(width, np.float32)
            bf16_kernels.column_sums(part, vector)
            weight_grad = weight_gradient(gemm, rows, part) if needed[1 + 2 * number] else None
            grads += [weight_grad, paddle.to_tensor(vector)]
            if number == 0 and read is not None:
                q_in_grad = np.empty((len(q_in), width), np.float32)
                gemm(part, weight.T, q_in_grad)
                bf16_kernels.add_rows(q_in_grad, read.queries.reshape(-1), x_grad32)
            else:
                gemm(part, weight.T, x_grad32, accumulate=True)
        of_weight, of_bias, of_out_bias = map(paddle.to_tensor, sums)
        grads += [out_grad, of_out_bias, of_weight, of_bias]
        values = [value if is_needed else None for value, is_needed in zip(grads, needed)]
        return values[0], None, *values[1:]


def _heads(rows: np.ndarray, num_texts: int, num_heads: int) -> np.ndarray:
    """View rows (B * T, D) as heads, (B, N, T, H)."""
    return rows.reshape(num_texts, -1, num_heads, rows.shape[1] // num_heads).transpose(0, 2, 1, 3)
