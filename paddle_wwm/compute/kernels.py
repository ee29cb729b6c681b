"""Compiled loops for the parts of a training step that Paddle's CPU kernels compute slowly.

They read memory once where Paddle reads it three to six times. All arrays are float32, C-contiguous and (rows,
columns) unless stated otherwise. cpu_ops.py wraps the loops as differentiable operations, and ops.py has the definition
in Paddle's own. Notes for readers:

- A row stays in the processor's L1 cache, and the compiler turns loops over one row into vector instructions.
- Dropout stores nothing. Its mask is 16 bits per element from a counter-based generator (`mask_bits`), computed again
  in the backward pass.
- numba has no vectorised exp, so `_exp` is Cephes' polynomial. Its rounding trick breaks with `reassoc`, so functions
  that use it are compiled without `reassoc`. Sums need it for speed, so they are functions of their own.
- numba's cache does not notice changed global constants, so values that can change are arguments. It does not notice a
  change of another file either: if `fill_bits` changes, norm_kernels.py must change too.
- A compiled function that calls another one must inline it (`forceinline` or `inline`). Otherwise there are two copies
  of the called function, optimised differently: the process that compiles uses one, and later processes use the other.
  Their sums differed in the last bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Sequence

import numpy as np
from numba.core import types
from numba.core.typing.templates import Signature

from ..compiled import compiled, instruction
from ..random_bits import GAMMA, mix

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext as CodeContext
    from numba.core.typing.context import BaseContext as TypingContext

    Writer = Callable[[CodeContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]

# Sums may be reordered (vector instructions need it). NaN and infinity keep their meaning.
SUMS_MAY_BE_REORDERED = {"reassoc", "nsz", "contract", "arcp"}
EXACT_ORDER = {"contract", "nsz"}
_mix = compiled(inline="always")(mix)


@compiled(inline="always")
def fill_bits(key: np.uint64, row: int, words: np.ndarray) -> None:
    """Fill `words` with the random numbers of a row.

    They are the numbers of `random_bits` with that key, starting at row * len(words).
    """
    first = np.uint64(row) * np.uint64(len(words))
    for place in range(len(words)):
        words[place] = _mix(key + (first + np.uint64(place + 1)) * GAMMA)


@compiled(nogil=True)
def mask_bits(key: np.uint64, rows: int, columns: int) -> np.ndarray:
    """Return the bits that dropout compares with its threshold.

    They are the 16-bit parts of each row's random numbers; uint16 (rows, columns).
    """
    out = np.empty((rows, columns), np.uint16)
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        fill_bits(key, row, words)
        out[row] = bits[:columns]
    return out


@instruction
def _float_of_bits(typing_context: TypingContext, bits: types.Type) -> tuple[Signature, Writer]:
    def generate(
        context: CodeContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@instruction
def _bits_of_float(typing_context: TypingContext, number: types.Type) -> tuple[Signature, Writer]:
    def generate(
        context: CodeContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@compiled(inline="always", fastmath=EXACT_ORDER)
def exp(x: np.float32) -> np.float32:
    """Return e**x in float32, with a relative error of at most 1e-7; 0 below -87."""
    f = np.float32
    shifted = x * f(1.44269504) + f(12582912.0)  # adding 1.5 * 2**23 leaves the rounded integer in the last bits
    whole = shifted - f(12582912.0)
    rest = x - whole * f(0.693359375) + whole * f(2.12194440e-4)
    p = f(1.9875691500e-4)
    p = p * rest + f(1.3981999507e-3)
    p = p * rest + f(8.3334519073e-3)
    p = p * rest + f(4.1665795894e-2)
    p = p * rest + f(1.6666665459e-1)
    p = p * rest + f(5.0000001201e-1)
    p = p * rest * rest + rest + f(1)
    power = _float_of_bits((_bits_of_float(shifted) << np.int32(23)) + np.int32(0x3F800000))
    return f(0) if x < f(-87) else p * power  # in this order NaN stays NaN


@compiled(nogil=True, error_model="numpy")
def dropout(x: np.ndarray, key: np.uint64, threshold: np.uint16, scale: np.float32, out: np.ndarray) -> None:
    """Write x * scale where the mask keeps, else 0. It is its own derivative."""
    rows, columns = x.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        fill_bits(key, row, words)
        for column in range(columns):
            out[row, column] = x[row, column] * scale if bits[column] >= threshold else np.float32(0)


@compiled(inline="always", error_model="numpy", fastmath=EXACT_ORDER)
def gelu_and_slope(value: np.float32) -> tuple[np.float32, np.float32]:
    """Return gelu of a number, and its slope there.

    Phi is Abramowitz and Stegun 7.1.26, with an error of at most 7.5e-8.
    """
    f = np.float32
    e = exp(f(-0.5) * value * value)
    t = f(1) / (f(1) + f(0.23164189) * abs(value))
    tail = (
        f(0.5)
        * t
        * (f(0.254829592) + t * (f(-0.284496736) + t * (f(1.421413741) + t * (f(-1.453152027) + t * f(1.061405429)))))
        * e
    )
    phi = f(1) - tail if value > f(0) else tail
    return value * phi, phi + value * e * f(0.3989422804)


@compiled(nogil=True, error_model="numpy", fastmath=EXACT_ORDER)
def bias_gelu(x: np.ndarray, bias: np.ndarray, derivative: np.ndarray) -> None:
    """Replace x by gelu(x + bias), and write the slope there to derivative."""
    rows, columns = x.shape
    for row in range(rows):
        for column in range(columns):
            x[row, column], derivative[row, column] = gelu_and_slope(x[row, column] + bias[column])


@compiled(forceinline=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def largest_of(values: np.ndarray, bias: np.ndarray, factor: np.float32) -> np.float32:
    """Return the largest of values * factor + bias."""
    largest = values[0] * factor + bias[0]
    for column in range(1, len(values)):
        largest = max(largest, values[column] * factor + bias[column])
    return largest


@compiled(forceinline=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def sum_of(values: np.ndarray) -> np.float32:
    total = np.float32(0)
    for column in range(len(values)):
        total += values[column]
    return total


@compiled(nogil=True, error_model="numpy", fastmath=EXACT_ORDER)
def softmax_dropout(
    scores: np.ndarray,
    bias: np.ndarray,
    rows_a_bias: int,
    factor: np.float32,
    key: np.uint64,
    threshold: np.uint16,
    scale: np.float32,
    out: np.ndarray,
) -> None:
    """Replace scores by softmax(scores * factor + bias); write dropout of it to out.

    Each row of bias (B, columns) is added to rows_a_bias rows of scores.
    """
    rows, columns = scores.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        values, add, result = scores[row], bias[row // rows_a_bias], out[row]
        largest = largest_of(values, add, factor)
        for column in range(columns):
            values[column] = exp(values[column] * factor + add[column] - largest)
        inverse = np.float32(1) / sum_of(values)
        fill_bits(key, row, words)
        for column in range(columns):
            value = values[column] * inverse
            values[column] = value
            result[column] = value * scale if bits[column] >= threshold else np.float32(0)


@compiled(forceinline=True, error_model="numpy", fastmath=SUMS_MAY_BE_REORDERED)
def _weighted_sum(values: np.ndarray, weights: np.ndarray) -> np.float32:
    total = np.float32(0)
    for column in range(len(values)):
        total += values[column] * weights[column]
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
    """Write the gradient of scores to out."""
    rows, columns = grad.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        fill_bits(key, row, words)
        values, result = probabilities[row], out[row]
        for column in range(columns):
            result[column] = grad[row, column] * scale if bits[column] >= threshold else np.float32(0)
        mean = _weighted_sum(result, values)
        for column in range(columns):
            result[column] = (result[column] - mean) * values[column] * factor
