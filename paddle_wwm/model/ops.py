"""The operations that BERT is made of, in Paddle's own terms: the definition, and what runs in inference, on GPUs and
in other precisions.

In training on the CPU in float32, `cpu_ops` computes the same functions faster. `exact` switches that off; tests
compare the two.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from ..random_bits import mix

ACTIVATIONS: dict[str, Callable[[paddle.Tensor], paddle.Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
}  # gelu with erf, as BERT has it

_exact = False
_dropout_key, _num_dropouts = 0, 0


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Inside, Paddle's own operations are used."""
    global _exact
    before, _exact = _exact, True
    try:
        yield
    finally:
        _exact = before


def _is_fast(x: paddle.Tensor, *, training: bool) -> bool:
    # inference stays with Paddle: its callers need neither numba nor the seconds that a first compilation takes
    is_trained = training or paddle.is_grad_enabled()
    return (
        is_trained and not _exact and paddle.in_dynamic_mode() and x.place.is_cpu_place() and x.dtype == paddle.float32
    )


# ---- Dropout
# ----------------------------------------------------------------------------------------------------------------------


def seed_dropout(key: int) -> None:
    """Make all masks drawn from here on a function of `key` (64 bits), on a GPU, too."""
    set_dropout_state((key, 0))
    paddle.seed(key % (1 << 31))


def dropout_state() -> tuple[int, int]:
    """The key, and how many masks were drawn with it (the state of a GPU's generator is not part of it)."""
    return _dropout_key, _num_dropouts


def set_dropout_state(state: tuple[int, int]) -> None:
    """Go on where `dropout_state` stood: the same masks are drawn again."""
    global _dropout_key, _num_dropouts
    _dropout_key, _num_dropouts = state


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """One mask on the CPU, stored as what it is computed from: an element stays where 16 random bits are at least
    `threshold`.

    So the rate is rounded to a multiple of 2**-16; the scale is that of the rounded rate, and the mean stays exact.
    """

    key: int = 0
    threshold: int = 0
    scale: float = 1.0

    def factors(self, shape: list[int]) -> np.ndarray:
        """The mask times the scale, float32."""
        from . import kernels

        bits = kernels.mask_bits(np.uint64(self.key), math.prod(shape[:-1]), shape[-1])
        return np.where(bits >= self.threshold, np.float32(self.scale), np.float32(0)).reshape(shape)


@paddle.jit.not_to_static  # it counts, which the transcription into a program cannot
def _draw(rate: float, *, training: bool) -> Dropout:
    """The next mask."""
    global _num_dropouts
    if not training or rate == 0.0:
        return Dropout()
    _num_dropouts += 1
    threshold = round(rate * 65536)
    return Dropout(
        key=_scatter(_dropout_key + _scatter(_num_dropouts)), threshold=threshold, scale=65536 / (65536 - threshold)
    )


def _scatter(value: int) -> int:
    # neighbours get keys that have nothing to do with each other
    return int(mix(np.array([value % (1 << 64)], np.uint64))[0])


def _drop(x: paddle.Tensor, mask: Dropout, *, rate: float, training: bool) -> paddle.Tensor:
    if not training or rate == 0.0:
        return x
    if not x.place.is_cpu_place():
        return F.dropout(x, rate)
    return x * paddle.to_tensor(mask.factors(x.shape), dtype=x.dtype)


def dropout(x: paddle.Tensor, rate: float, *, training: bool) -> paddle.Tensor:
    """`x` with a share of `rate` of its elements at 0 and the others scaled, in training."""
    return _drop(x, _draw(rate, training=training), rate=rate, training=training)


# ---- Layers
# ----------------------------------------------------------------------------------------------------------------------


class TiedGradient:
    """Where the decoder leaves its gradient of the word embeddings, for the embeddings to add theirs in place: the sum
    of two dense gradients of 21,128 x 768 takes 70 ms of a step, and 130 MB. One for each forward pass; the decoder's
    backward always comes before the embeddings'.
    """

    value: paddle.Tensor | None = None
    is_awaited = False  # the embeddings say so, when they are computed in a way that takes it

    def take(self) -> paddle.Tensor | None:
        """The gradient, once."""
        value, self.value = self.value, None
        return value


def embed(
    input_ids: paddle.Tensor,
    token_type_ids: paddle.Tensor,
    *,
    tables: tuple[nn.Embedding, nn.Embedding, nn.Embedding],
    norm: nn.LayerNorm,
    rate: float,
    training: bool,
    tied: TiedGradient | None,
) -> paddle.Tensor:
    """dropout(LayerNorm(words + positions + types)), shape (B, T, D). ids: int64 (B, T); tables: of words, positions
    and types.
    """
    mask = _draw(rate, training=training)
    words, positions, types = tables
    if paddle.in_dynamic_mode() and input_ids.shape[1] > positions.weight.shape[0]:
        raise ValueError(
            f"`input_ids` must have at most {positions.weight.shape[0]} columns (the model's positions), but "
            f"has {input_ids.shape[1]}."
        )
    parameters = [words.weight, positions.weight, types.weight, norm.weight, norm.bias]
    if _is_fast(words.weight, training=training) and not any(
        parameter is None or parameter.stop_gradient for parameter in parameters
    ):
        from . import cpu_ops

        return cpu_ops.Embed.apply(input_ids, token_type_ids, *parameters, norm._epsilon, mask, tied)
    embedded = words(input_ids) + positions.weight[: input_ids.shape[1]] + types(token_type_ids)
    return _drop(norm(embedded), mask, rate=rate, training=training)


def linear(
    x: paddle.Tensor,
    weight: paddle.Tensor,
    bias: paddle.Tensor,
    *,
    transpose: bool = False,
    tied: TiedGradient | None = None,
) -> paddle.Tensor:
    """x @ weight + bias; shapes (…, in), (in, out) or, with `transpose`, (out, in), and (out,). tied: where the
    weight's gradient goes.
    """
    if not _is_fast(x, training=False):
        return paddle.matmul(x, weight, transpose_y=transpose) + bias
    from . import cpu_ops

    return cpu_ops.Linear.apply(x, weight, bias, transpose, tied)


def linear_activation(x: paddle.Tensor, layer: nn.Linear, activation: str) -> paddle.Tensor:
    """activation(x @ weight + bias)."""
    if activation != "gelu" or not _is_fast(x, training=False):
        return ACTIVATIONS[activation](linear(x, layer.weight, layer.bias))
    from . import cpu_ops

    return cpu_ops.LinearGelu.apply(x, layer.weight, layer.bias)


def linear_add_norm(
    x: paddle.Tensor, layer: nn.Linear, residual: paddle.Tensor, norm: nn.LayerNorm, *, rate: float, training: bool
) -> paddle.Tensor:
    """LayerNorm(residual + dropout(x @ weight + bias)), of residual's shape."""
    mask = _draw(rate, training=training)
    if not _is_fast(x, training=training):
        return norm(residual + _drop(linear(x, layer.weight, layer.bias), mask, rate=rate, training=training))
    from . import cpu_ops

    return cpu_ops.LinearAddNorm.apply(
        x, layer.weight, layer.bias, residual, norm.weight, norm.bias, norm._epsilon, mask
    )


def attention_bias(attention_mask: paddle.Tensor, *, dtype: paddle.dtype) -> paddle.Tensor:
    """The one place where a mask becomes minus infinity: bool (B, T) to 0 and -inf, shape (B, 1, 1, T)."""
    bias = paddle.where(attention_mask, paddle.zeros([], dtype), paddle.full([], -math.inf, dtype))
    return bias.unsqueeze([1, 2])


def attend(
    q_BQNH: paddle.Tensor,
    k_BTNH: paddle.Tensor,
    v_BTNH: paddle.Tensor,
    attention_mask: paddle.Tensor,
    *,
    rate: float,
    training: bool,
) -> paddle.Tensor:
    """dropout(softmax(q k / sqrt(H))) v, shape (B, Q, N, H). attention_mask: bool (B, T), True = may be attended to.

    On GPUs it is Paddle's fused attention, which has the same arguments.
    """
    mask = _draw(rate, training=training)
    if paddle.in_dynamic_mode() and not q_BQNH.place.is_cpu_place():
        return fused_attention(q_BQNH, k_BTNH, v_BTNH, attention_mask, rate=rate, training=training)
    q_BNQH, k_BNTH, v_BNTH = (x.transpose([0, 2, 1, 3]) for x in (q_BQNH, k_BTNH, v_BTNH))
    bias_B11T, factor = attention_bias(attention_mask, dtype=q_BQNH.dtype), 1.0 / math.sqrt(q_BQNH.shape[-1])
    if _is_fast(q_BNQH, training=training):
        from . import cpu_ops

        weights_BNQT = cpu_ops.SoftmaxDropout.apply(
            paddle.matmul(q_BNQH, k_BNTH, transpose_y=True), bias_B11T, factor, mask
        )
    else:
        scores_BNQT = paddle.matmul(q_BNQH * factor, k_BNTH, transpose_y=True) + bias_B11T
        weights_BNQT = _drop(F.softmax(scores_BNQT), mask, rate=rate, training=training)
    return paddle.matmul(weights_BNQT, v_BNTH).transpose([0, 2, 1, 3])


def fused_attention(
    q_BTNH: paddle.Tensor,
    k_BTNH: paddle.Tensor,
    v_BTNH: paddle.Tensor,
    attention_mask: paddle.Tensor,
    *,
    rate: float,
    training: bool,
) -> paddle.Tensor:
    """The same by Paddle's scaled_dot_product_attention: flash attention where the build and the precision have it,
    plain products elsewhere.
    """
    mask_B1QT = attention_mask.unsqueeze([1, 2]).expand([-1, 1, q_BTNH.shape[1], -1])
    return F.scaled_dot_product_attention(
        q_BTNH, k_BTNH, v_BTNH, attn_mask=mask_B1QT, dropout_p=rate, training=training
    )
