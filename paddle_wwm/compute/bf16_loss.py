"""The decoder and the cross-entropy of masked words with products of bfloat16 numbers, for training on the CPU.

The scores over the vocabulary are computed for some rows at a time and turned into losses and slopes at once, so only
the slopes (16 bits) are kept. Four matrices of (P, V) float32 numbers are not needed: 430 MB for 1,280 predictions and
21,128 entries.

D hidden, P predictions, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle.autograd import PyLayer

from . import bf16_kernels
from .bf16 import Gemm, empty16, rounded
from .memory import TiedGradient, need_gradients, new_rows, rows_of, vector_of

ROWS_AT_ONCE = 128  # enough for a fast product; their scores take 11 MB for 21,128 entries


class MaskedLoss(PyLayer):
    """ops.masked_loss."""

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        words: paddle.Tensor,
        bias: paddle.Tensor,
        labels: paddle.Tensor,
        tied: TiedGradient | None,
        gemm: Gemm,
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        x32, words16, targets = rows_of(x), rounded(rows_of(words)), labels.numpy()
        num_rows, num_words = len(x32), len(words16)
        if num_rows and targets.max() >= num_words:
            raise ValueError(f"`labels` must be below {num_words}, but has {targets.max()}.")
        x16, slopes = rounded(x32), empty16(num_rows, num_words)
        losses, correct = np.zeros(num_rows, np.float32), np.zeros(num_rows, np.bool_)
        scores = np.empty((min(num_rows, ROWS_AT_ONCE), num_words), np.float32)
        for first in range(0, num_rows, ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            part = scores[: len(x16[rows])]
            gemm(x16[rows], words16.T, part)
            bf16_kernels.cross_entropy(part, vector_of(bias), targets[rows], slopes[rows], losses[rows], correct[rows])
        ctx.kept, ctx.tied, ctx.gemm = (x32.copy(), words16, slopes), tied, gemm
        ctx.needed = need_gradients(x, words, bias)
        found = paddle.to_tensor(correct)
        ctx.mark_non_differentiable(found)
        return paddle.to_tensor(losses.sum(dtype=np.float64), dtype="float32"), found

    @staticmethod
    def backward(ctx: Any, grad: paddle.Tensor, _: paddle.Tensor) -> tuple[paddle.Tensor | None, ...]:  # type: ignore[override]
        (x32, words16, slopes), gemm, needed = ctx.kept, ctx.gemm, ctx.needed
        factor = np.float32(float(grad))
        x_grad = words_grad = bias_grad = None
        if needed[0]:
            x_grad, rows = new_rows(*x32.shape)
            gemm(slopes, words16, rows)
            rows *= factor
        if needed[1]:
            # the factor goes to the smaller operand
            words_grad, table = new_rows(*words16.shape)
            gemm(slopes.T, rounded(x32 * factor), table)
        if needed[2]:
            sums = np.zeros(len(words16), np.float32)
            bf16_kernels.column_sums(slopes, sums)
            bias_grad = paddle.to_tensor(sums * factor)
        if ctx.tied is not None and ctx.tied.is_awaited:
            ctx.tied.value, words_grad = words_grad, None
        return x_grad, words_grad, bias_grad, None
