"""Compiled loops of LayerNorm with what comes before it: dropout and a residual, or the embeddings.

The notes on arrays and loops in `kernels.py` apply here too.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .kernels import SUMS_MAY_BE_REORDERED, fill_bits


@compiled(forceinline=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def _normalize(row_values: np.ndarray, epsilon: np.float32) -> np.float32:
    """Replace the row by (row - mean) / deviation; return 1 / deviation."""
    total, squares = np.float32(0), np.float32(0)
    count = np.float32(len(row_values))
    for column in range(len(row_values)):
        total += row_values[column]
    mean = total / count
    for column in range(len(row_values)):
        row_values[column] -= mean
        squares += row_values[column] * row_values[column]
    inverse = np.float32(1) / np.sqrt(squares / count + epsilon)
    for column in range(len(row_values)):
        row_values[column] *= inverse
    return inverse


@compiled(forceinline=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def _normalize_backward(
    grad: np.ndarray,
    normalized: np.ndarray,
    inverse: np.float32,
    weight: np.ndarray,
    out: np.ndarray,
    weight_grad: np.ndarray,
    bias_grad: np.ndarray,
) -> None:
    """Write a row's gradient before LayerNorm to out.

    The gradients of weight and bias are added to weight_grad and bias_grad.
    """
    mean, product = np.float32(0), np.float32(0)
    count = np.float32(len(grad))
    for column in range(len(grad)):
        weighted = grad[column] * weight[column]
        mean += weighted
        product += weighted * normalized[column]
        weight_grad[column] += grad[column] * normalized[column]
        bias_grad[column] += grad[column]
    mean, product = mean / count, product / count
    for column in range(len(grad)):
        out[column] = (grad[column] * weight[column] - mean - normalized[column] * product) * inverse


@compiled(nogil=True, error_model="numpy")
def dropout_add_norm(
    x: np.ndarray,
    bias: np.ndarray,
    residual: np.ndarray,
    key: np.uint64,
    threshold: np.uint16,
    scale: np.float32,
    weight: np.ndarray,
    norm_bias: np.ndarray,
    epsilon: np.float32,
    inverse: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write LayerNorm(residual + dropout(x + bias)) to out.

    x becomes the normalised rows, and inverse (rows,) is 1 / their deviations.
    """
    rows, columns = x.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        fill_bits(key, row, words)
        values, kept = x[row], residual[row]
        for column in range(columns):
            value = (values[column] + bias[column]) * scale if bits[column] >= threshold else np.float32(0)
            values[column] = kept[column] + value
        inverse[row] = _normalize(values, epsilon)
        result = out[row]
        for column in range(columns):
            result[column] = values[column] * weight[column] + norm_bias[column]


@compiled(nogil=True, error_model="numpy")
def dropout_add_norm_backward(
    grad: np.ndarray,
    normalized: np.ndarray,
    inverse: np.ndarray,
    key: np.uint64,
    threshold: np.uint16,
    scale: np.float32,
    weight: np.ndarray,
    x_grad: np.ndarray,
    residual_grad: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Write the gradients of x and residual.

    sums (3, columns) must be zeros before: the gradients of weight, norm_bias and bias.
    """
    rows, columns = grad.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        fill_bits(key, row, words)
        through, dropped, bias_sum = residual_grad[row], x_grad[row], sums[2]
        _normalize_backward(grad[row], normalized[row], inverse[row], weight, through, sums[0], sums[1])
        for column in range(columns):
            value = through[column] * scale if bits[column] >= threshold else np.float32(0)
            dropped[column] = value
            bias_sum[column] += value


@compiled(nogil=True, error_model="numpy")
def embed_norm(
    ids: np.ndarray,
    types: np.ndarray,
    words_table: np.ndarray,
    positions: np.ndarray,
    types_table: np.ndarray,
    weight: np.ndarray,
    norm_bias: np.ndarray,
    epsilon: np.float32,
    normalized: np.ndarray,
    inverse: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write LayerNorm(word + position + type) to out.

    ids, types: int64 (B, T). normalized, out: (B * T, D).
    """
    length = ids.shape[1]
    for row in range(ids.size):
        values, result = normalized[row], out[row]
        word, position, kind = words_table[ids.flat[row]], positions[row % length], types_table[types.flat[row]]
        for column in range(len(values)):
            values[column] = word[column] + position[column] + kind[column]
        inverse[row] = _normalize(values, epsilon)
        for column in range(len(values)):
            result[column] = values[column] * weight[column] + norm_bias[column]


@compiled(nogil=True, error_model="numpy")
def embed_norm_backward(
    grad: np.ndarray,
    ids: np.ndarray,
    types: np.ndarray,
    normalized: np.ndarray,
    inverse: np.ndarray,
    weight: np.ndarray,
    words_grad: np.ndarray,
    positions_grad: np.ndarray,
    types_grad: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add to the gradients of the tables.

    sums (2, D) must be zeros before: the gradients of weight and norm_bias.
    """
    length = ids.shape[1]
    through = np.empty(grad.shape[1], np.float32)
    for row in range(ids.size):
        _normalize_backward(grad[row], normalized[row], inverse[row], weight, through, sums[0], sums[1])
        word, position, kind = words_grad[ids.flat[row]], positions_grad[row % length], types_grad[types.flat[row]]
        for column in range(len(through)):
            word[column] += through[column]
            position[column] += through[column]
            kind[column] += through[column]
