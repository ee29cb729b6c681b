"""Compiled loops for products of bfloat16 numbers: they compute in float32 and write what a product reads, in 16 bits.

The notes on arrays and loops in `kernels.py` apply here too. Arrays of bfloat16 numbers are uint16. numba widens small
integers to 64 bits, so the conversions are instructions of their own, in 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import Signature

from ..compiled import compiled, instruction
from .kernels import EXACT_ORDER, SUMS_MAY_BE_REORDERED, exp, fill_bits, gelu_and_slope, largest_of, sum_of

if TYPE_CHECKING:
    from numba.core.base import BaseContext as CodeContext
    from numba.core.typing.context import BaseContext as TypingContext

    from .kernels import Writer


@instruction
def to_bf16(typing_context: TypingContext, number: types.Type) -> tuple[Signature, Writer]:
    """Round float32 to the nearest bfloat16, ties to even. NaN stays NaN."""

    def generate(
        context: CodeContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        i32, i16 = ir.IntType(32), ir.IntType(16)
        bits = builder.bitcast(arguments[0], i32)
        odd = builder.and_(builder.lshr(bits, ir.Constant(i32, 16)), ir.Constant(i32, 1))
        rounded = builder.lshr(builder.add(builder.add(bits, ir.Constant(i32, 0x7FFF)), odd), ir.Constant(i32, 16))
        is_nan = builder.fcmp_unordered("uno", arguments[0], arguments[0])
        return builder.trunc(builder.select(is_nan, ir.Constant(i32, 0x7FC0), rounded), i16)

    return types.uint16(types.float32), generate


@instruction
def from_bf16(typing_context: TypingContext, bits: types.Type) -> tuple[Signature, Writer]:
    """Return the float32 number of bfloat16's bits."""

    def generate(
        context: CodeContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        i32 = ir.IntType(32)
        wide = builder.shl(builder.zext(arguments[0], i32), ir.Constant(i32, 16))
        return builder.bitcast(wide, ir.FloatType())

    return types.float32(types.uint16), generate


@compiled(nogil=True)
def round_numbers(x: np.ndarray, out: np.ndarray) -> None:
    """Write float32 numbers (n,) rounded to bfloat16."""
    for place in range(len(x)):
        out[place] = to_bf16(x[place])


@compiled(nogil=True)
def widen_numbers(x: np.ndarray, out: np.ndarray) -> None:
    """Write bfloat16 numbers (n,) as float32."""
    for place in range(len(x)):
        out[place] = from_bf16(x[place])


@compiled(nogil=True, error_model="numpy", fastmath=EXACT_ORDER)
def bias_gelu(x: np.ndarray, bias: np.ndarray, out: np.ndarray, slope: np.ndarray) -> None:
    """Write gelu(x + bias) and its slope there, both bfloat16."""
    rows, columns = x.shape
    for row in range(rows):
        for column in range(columns):
            value, derivative = gelu_and_slope(x[row, column] + bias[column])
            out[row, column] = to_bf16(value)
            slope[row, column] = to_bf16(derivative)


@compiled(nogil=True, error_model="numpy", fastmath=EXACT_ORDER)
def bias_relu(x: np.ndarray, bias: np.ndarray, out: np.ndarray, slope: np.ndarray) -> None:
    """Write relu(x + bias) and its slope there, both bfloat16."""
    rows, columns = x.shape
    for row in range(rows):
        for column in range(columns):
            value = x[row, column] + bias[column]
            out[row, column] = to_bf16(np.float32(0) if value < np.float32(0) else value)  # NaN stays NaN
            slope[row, column] = to_bf16(np.float32(1) if value > np.float32(0) else np.float32(0))


@compiled(nogil=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def scale_backward(grad: np.ndarray, slope: np.ndarray, out: np.ndarray, sums: np.ndarray) -> None:
    """Write grad * slope as bfloat16, and add its columns to sums (float32)."""
    rows, columns = grad.shape
    for row in range(rows):
        for column in range(columns):
            value = grad[row, column] * from_bf16(slope[row, column])
            sums[column] += value
            out[row, column] = to_bf16(value)


@compiled(nogil=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def round_and_sum(x: np.ndarray, out: np.ndarray, sums: np.ndarray) -> None:
    """Write x (float32) as bfloat16, and add its columns to sums."""
    rows, columns = x.shape
    for row in range(rows):
        for column in range(columns):
            sums[column] += x[row, column]
            out[row, column] = to_bf16(x[row, column])


@compiled(nogil=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def column_sums(x: np.ndarray, sums: np.ndarray) -> None:
    """Add the columns of x (bfloat16) to sums (float32)."""
    rows, columns = x.shape
    for row in range(rows):
        for column in range(columns):
            sums[column] += from_bf16(x[row, column])


@compiled(nogil=True, error_model="numpy", fastmath=EXACT_ORDER)
def softmax_dropout(
    scores: np.ndarray,
    bias: np.ndarray,
    rows_a_bias: int,
    factor: np.float32,
    key: np.uint64,
    threshold: np.uint16,
    scale: np.float32,
    probabilities: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write softmax(scores * factor + bias), and dropout of it, both bfloat16.

    The float32 scores are overwritten. Each row of bias (B, columns) is added to rows_a_bias rows of scores.
    """
    rows, columns = scores.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        values, add, kept, result = scores[row], bias[row // rows_a_bias], probabilities[row], out[row]
        largest = largest_of(values, add, factor)
        for column in range(columns):
            values[column] = exp(values[column] * factor + add[column] - largest)
        inverse = np.float32(1) / sum_of(values)
        fill_bits(key, row, words)
        for column in range(columns):
            value = values[column] * inverse
            kept[column] = to_bf16(value)
            result[column] = to_bf16(value * scale) if bits[column] >= threshold else np.uint16(0)


@compiled(forceinline=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def _weighted_sum(values: np.ndarray, weights: np.ndarray) -> np.float32:
    total = np.float32(0)
    for column in range(len(values)):
        total += values[column] * from_bf16(weights[column])
    return total


@compiled(nogil=True, error_model="numpy")
def softmax_dropout_backward(
    grad: np.ndarray,
    probabilities: np.ndarray,
    factor: np.float32,
    key: np.uint64,
    threshold: np.uint16,
    scale: np.float32,
    out: np.ndarray,
) -> None:
    """Write the gradient of scores as bfloat16. The float32 gradient is overwritten."""
    rows, columns = grad.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        fill_bits(key, row, words)
        values, through, result = probabilities[row], grad[row], out[row]
        for column in range(columns):
            through[column] = through[column] * scale if bits[column] >= threshold else np.float32(0)
        mean = _weighted_sum(through, values)
        for column in range(columns):
            result[column] = to_bf16((through[column] - mean) * from_bf16(values[column]) * factor)


@compiled(nogil=True, error_model="numpy", fastmath=EXACT_ORDER)
def cross_entropy(
    scores: np.ndarray,
    bias: np.ndarray,
    labels: np.ndarray,
    slopes: np.ndarray,
    losses: np.ndarray,
    correct: np.ndarray,
) -> None:
    """Write the losses of rows, their slopes as bfloat16, and which are correct.

    A row is correct if the label has the first of the largest scores. The loss of a row is -log softmax(scores +
    bias)[label]; a row with a negative label has none. The float32 scores are overwritten.
    """
    rows, columns = scores.shape
    for row in range(rows):
        values, slope, label = scores[row], slopes[row], labels[row]
        if label < 0:
            slope[:] = np.uint16(0)
            losses[row], correct[row] = np.float32(0), False
            continue
        largest = largest_of(values, bias, np.float32(1))
        at_label = values[label] * np.float32(1) + bias[label]
        is_first = at_label == largest
        if is_first:
            for column in range(label):
                is_first &= values[column] * np.float32(1) + bias[column] < largest
        correct[row] = is_first
        for column in range(columns):
            values[column] = exp(values[column] + bias[column] - largest)
        total = sum_of(values)
        losses[row] = np.log(total) + largest - at_label
        inverse = np.float32(1) / total
        for column in range(columns):
            slope[column] = to_bf16(values[column] * inverse)
        slope[label] = to_bf16(values[label] * inverse - np.float32(1))


@compiled(nogil=True)
def add_rows(rows: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Add rows[i] to out[places[i]]; places may repeat."""
    for number in range(len(places)):
        into, row = out[places[number]], rows[number]
        for column in range(len(row)):
            into[column] += row[column]
