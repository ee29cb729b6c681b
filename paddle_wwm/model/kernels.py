"""Compiled loops for what Paddle's CPU kernels are slow at in a training step: one pass over memory where Paddle takes
three to six.

All arrays are float32, C-contiguous, and (rows, columns) unless said; ops.py wraps them as differentiable operations
and holds the definition in Paddle's own. What to know when reading them:

- Rows stay in the processor's first cache, and loops over one row are what the compiler turns into vector instructions.
- Dropout keeps nothing: its mask is 16 bits an element of a counter-based generator (`mask_bits`), computed again in
  the backward pass.
- numba has no vectorised exp: `_exp` is Cephes' polynomial. Its rounding trick does not survive `reassoc`, so
  functions that use it are compiled without; sums, which want it, are functions of their own.
- numba's cache does not notice changed global constants: what varies is an argument.
"""

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from ..compiled import compiled

# Sums may be reordered (vector instructions need it); NaN and infinity keep their meaning.
_FAST = {"reassoc", "nsz", "contract", "arcp"}
_EXACT_ORDER = {"contract", "nsz"}


@compiled(inline="always")
def _fill_bits(key, row, words):
    """The numbers of a row: those of splitmix64 with that key, from number row * len(words) on
    (pretraining_data/random_bits.py has the same).
    """
    first = np.uint64(row) * np.uint64(len(words))
    for place in range(len(words)):
        value = key + (first + np.uint64(place + 1)) * np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        words[place] = value ^ (value >> np.uint64(31))


@compiled(nogil=True)
def mask_bits(key, rows, columns):
    """What dropout compares with its threshold: uint16 (rows, columns), the 16-bit parts of each row's numbers."""
    out = np.empty((rows, columns), np.uint16)
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        _fill_bits(key, row, words)
        out[row] = bits[:columns]
    return out


@intrinsic
def _float_of_bits(typing_context, bits):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


@intrinsic
def _bits_of_float(typing_context, number):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), generate


@compiled(inline="always", fastmath=_EXACT_ORDER)
def _exp(x):
    """e**x in float32, wrong by at most 1e-7 of it; 0 below -87."""
    f = np.float32
    shifted = x * f(1.44269504) + f(12582912.0)  # adding 1.5 * 2**23 rounds to a whole number, in the last bits
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
def dropout(x, key, threshold, scale, out):
    """out = x * scale where the mask keeps, else 0. Its own derivative."""
    rows, columns = x.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        _fill_bits(key, row, words)
        for column in range(columns):
            out[row, column] = x[row, column] * scale if bits[column] >= threshold else np.float32(0)


@compiled(nogil=True, error_model="numpy", fastmath=_EXACT_ORDER)
def bias_gelu(x, bias, derivative):
    """x becomes gelu(x + bias), and derivative the slope there. Phi by Abramowitz and Stegun 7.1.26: wrong by at most
    7.5e-8.
    """
    f = np.float32
    rows, columns = x.shape
    for row in range(rows):
        for column in range(columns):
            value = x[row, column] + bias[column]
            e = _exp(f(-0.5) * value * value)
            t = f(1) / (f(1) + f(0.23164189) * abs(value))
            tail = (
                f(0.5)
                * t
                * (
                    f(0.254829592)
                    + t * (f(-0.284496736) + t * (f(1.421413741) + t * (f(-1.453152027) + t * f(1.061405429))))
                )
                * e
            )
            phi = f(1) - tail if value > f(0) else tail
            x[row, column] = value * phi
            derivative[row, column] = phi + value * e * f(0.3989422804)


@compiled(nogil=True, error_model="numpy", fastmath=_FAST)
def _normalize(row_values, epsilon):
    """The row becomes (row - mean) / deviation; returns 1 / deviation."""
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


@compiled(nogil=True, error_model="numpy", fastmath=_FAST)
def _normalize_backward(grad, normalized, inverse, weight, out, weight_grad, bias_grad):
    """A row's gradient before LayerNorm into out; the sums for weight and bias go on."""
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
def dropout_add_norm(x, bias, residual, key, threshold, scale, weight, norm_bias, epsilon, inverse, out):
    """out = LayerNorm(residual + dropout(x + bias)). x becomes the normalised rows; inverse (rows,) 1 / their
    deviations.
    """
    rows, columns = x.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        _fill_bits(key, row, words)
        values, kept = x[row], residual[row]
        for column in range(columns):
            value = (values[column] + bias[column]) * scale if bits[column] >= threshold else np.float32(0)
            values[column] = kept[column] + value
        inverse[row] = _normalize(values, epsilon)
        result = out[row]
        for column in range(columns):
            result[column] = values[column] * weight[column] + norm_bias[column]


@compiled(nogil=True, error_model="numpy")
def dropout_add_norm_backward(grad, normalized, inverse, key, threshold, scale, weight, x_grad, residual_grad, sums):
    """The gradients of x and residual; sums (3, columns), zeros at first: of weight, norm_bias and bias."""
    rows, columns = grad.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        _fill_bits(key, row, words)
        through, dropped, bias_sum = residual_grad[row], x_grad[row], sums[2]
        _normalize_backward(grad[row], normalized[row], inverse[row], weight, through, sums[0], sums[1])
        for column in range(columns):
            value = through[column] * scale if bits[column] >= threshold else np.float32(0)
            dropped[column] = value
            bias_sum[column] += value


@compiled(nogil=True, error_model="numpy")
def embed_norm(ids, types, words_table, positions, types_table, weight, norm_bias, epsilon, normalized, inverse, out):
    """out = LayerNorm(word + position + type). ids, types int64 (B, T); normalized, out (B * T, D)."""
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
def embed_norm_backward(grad, ids, types, normalized, inverse, weight, words_grad, positions_grad, types_grad, sums):
    """Adds to the gradients of the tables; sums (2, D), zeros at first: of weight and norm_bias."""
    length = ids.shape[1]
    through = np.empty(grad.shape[1], np.float32)
    for row in range(ids.size):
        _normalize_backward(grad[row], normalized[row], inverse[row], weight, through, sums[0], sums[1])
        word, position, kind = words_grad[ids.flat[row]], positions_grad[row % length], types_grad[types.flat[row]]
        for column in range(len(through)):
            word[column] += through[column]
            position[column] += through[column]
            kind[column] += through[column]


@compiled(nogil=True, error_model="numpy", fastmath=_FAST)
def _largest(values, bias, factor):
    """The largest of values * factor + bias."""
    largest = values[0] * factor + bias[0]
    for column in range(1, len(values)):
        largest = max(largest, values[column] * factor + bias[column])
    return largest


@compiled(nogil=True, error_model="numpy", fastmath=_FAST)
def _sum(values):
    total = np.float32(0)
    for column in range(len(values)):
        total += values[column]
    return total


@compiled(nogil=True, error_model="numpy", fastmath=_EXACT_ORDER)
def softmax_dropout(scores, bias, rows_a_bias, factor, key, threshold, scale, out):
    """scores become softmax(scores * factor + bias), out what dropout leaves of it. bias (B, columns) serves
    rows_a_bias rows each.
    """
    rows, columns = scores.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        values, add, result = scores[row], bias[row // rows_a_bias], out[row]
        largest = _largest(values, add, factor)
        for column in range(columns):
            values[column] = _exp(values[column] * factor + add[column] - largest)
        inverse = np.float32(1) / _sum(values)
        _fill_bits(key, row, words)
        for column in range(columns):
            value = values[column] * inverse
            values[column] = value
            result[column] = value * scale if bits[column] >= threshold else np.float32(0)


@compiled(nogil=True, error_model="numpy", fastmath=_FAST)
def _weighted_sum(values, weights):
    total = np.float32(0)
    for column in range(len(values)):
        total += values[column] * weights[column]
    return total


@compiled(nogil=True, error_model="numpy")
def softmax_dropout_backward(grad, probabilities, factor, key, threshold, scale, out):
    """The gradient of scores."""
    rows, columns = grad.shape
    words = np.empty((columns + 3) // 4, np.uint64)
    bits = words.view(np.uint16)
    for row in range(rows):
        _fill_bits(key, row, words)
        values, result = probabilities[row], out[row]
        for column in range(columns):
            result[column] = grad[row, column] * scale if bits[column] >= threshold else np.float32(0)
        mean = _weighted_sum(result, values)
        for column in range(columns):
            result[column] = (result[column] - mean) * values[column] * factor
