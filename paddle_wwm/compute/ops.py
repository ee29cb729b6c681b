"""The operations that BERT is made of. The definition calls Paddle's layers; in training on the CPU in float32, plain
layers are computed by `cpu_ops`, which gives the same numbers to 1e-5.

B batch, T sequence, Q queries (T, or fewer), D hidden, N heads, H head size, P positions, V vocabulary; "…" any axes.
"""

from __future__ import annotations

import math
from typing import Callable

import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from .choice import is_plain, uses_kernels
from .dropout import draw_mask, dropout
from .memory import TiedGradient

ACTIVATIONS: dict[str, Callable[[paddle.Tensor], paddle.Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
}  # gelu with erf, as BERT has it


# ---- Linear layers
# ----------------------------------------------------------------------------------------------------------------------


def linear(x: paddle.Tensor, layer: nn.Layer) -> paddle.Tensor:
    """layer(x); shapes (…, in) and (…, out)."""
    if not (uses_kernels(x, training=False) and is_plain(layer)):
        return layer(x)
    from . import cpu_ops

    return cpu_ops.Linear.apply(x, layer.weight, layer.bias, False, None)


def linear_activation(x: paddle.Tensor, layer: nn.Layer, activation: str) -> paddle.Tensor:
    """activation(layer(x)); shapes (…, in) and (…, out)."""
    if not (activation == "gelu" and uses_kernels(x, training=False) and is_plain(layer)):
        return ACTIVATIONS[activation](linear(x, layer))
    from . import cpu_ops

    return cpu_ops.LinearGelu.apply(x, layer.weight, layer.bias)


def linear_add_norm(
    x: paddle.Tensor, layer: nn.Layer, residual: paddle.Tensor, norm: nn.Layer, *, rate: float, training: bool
) -> paddle.Tensor:
    """norm(residual + dropout(layer(x))), of residual's shape (…, out); x: (…, in)."""
    if not (uses_kernels(x, training=training) and is_plain(layer, norm)):
        return norm(residual + dropout(linear(x, layer), rate, training=training))
    from . import cpu_ops

    mask = draw_mask(rate, training=training)
    return cpu_ops.LinearAddNorm.apply(
        x, layer.weight, layer.bias, residual, norm.weight, norm.bias, norm._epsilon, mask
    )


# ---- Embeddings, and the decoder that shares them
# ----------------------------------------------------------------------------------------------------------------------


def embeds_by_kernels(tables: tuple[nn.Layer, nn.Layer, nn.Layer], *, norm: nn.Layer, training: bool) -> bool:
    """Return True if `embed` is for these layers: plain ones in training on the CPU, of which none is frozen."""
    return (
        is_plain(*tables, norm)
        and uses_kernels(tables[0].weight, training=training)
        and not any(parameter.stop_gradient for layer in (*tables, norm) for parameter in layer.parameters())
    )


def embed(
    input_ids: paddle.Tensor,
    token_type_ids: paddle.Tensor,
    *,
    tables: tuple[nn.Layer, nn.Layer, nn.Layer],
    norm: nn.Layer,
    rate: float,
    training: bool,
) -> paddle.Tensor:
    """dropout(norm(words + positions + types)), shape (B, T, D), by kernels only. ids: int64 (B, T); tables: of words,
    positions and types.
    """
    from . import cpu_ops

    weights = [table.weight for table in tables]
    settings = (norm._epsilon, draw_mask(rate, training=training), TiedGradient.current)
    return cpu_ops.Embed.apply(input_ids, token_type_ids, *weights, norm.weight, norm.bias, *settings)


def decode(x_PD: paddle.Tensor, word_embeddings_VD: paddle.Tensor, bias_V: paddle.Tensor) -> paddle.Tensor:
    """The product with the word embeddings, plus a bias: shape (P, V)."""
    if not uses_kernels(x_PD, training=False):
        return paddle.matmul(x_PD, word_embeddings_VD, transpose_y=True) + bias_V
    from . import cpu_ops

    return cpu_ops.Linear.apply(x_PD, word_embeddings_VD, bias_V, True, TiedGradient.current)


# ---- Attention
# ----------------------------------------------------------------------------------------------------------------------


def attention_bias(attention_mask_BT: paddle.Tensor, *, dtype: paddle.dtype) -> paddle.Tensor:
    """The one place where a mask becomes minus infinity: bool (B, T) to 0 and -inf, shape (B, 1, 1, T)."""
    bias_BT = paddle.where(attention_mask_BT, paddle.zeros([], dtype), paddle.full([], -math.inf, dtype))
    return bias_BT.unsqueeze([1, 2])


def attend(
    q_BQNH: paddle.Tensor,
    k_BTNH: paddle.Tensor,
    v_BTNH: paddle.Tensor,
    attention_mask_BT: paddle.Tensor,
    *,
    rate: float,
    training: bool,
) -> paddle.Tensor:
    """dropout(softmax(q k / sqrt(H))) v, shape (B, Q, N, H). attention_mask_BT: bool (B, T), True = may be attended to.

    On GPUs it is Paddle's fused attention, which has the same arguments.
    """
    if paddle.in_dynamic_mode() and not q_BQNH.place.is_cpu_place():
        draw_mask(rate, training=training)  # GPUs have masks of their own; the counter is part of a checkpoint
        return fused_attention(q_BQNH, k_BTNH, v_BTNH, attention_mask_BT, rate=rate, training=training)
    q_BNQH, k_BNTH, v_BNTH = (x.transpose([0, 2, 1, 3]) for x in (q_BQNH, k_BTNH, v_BTNH))
    bias_B11T, factor = attention_bias(attention_mask_BT, dtype=q_BQNH.dtype), 1.0 / math.sqrt(q_BQNH.shape[-1])
    if uses_kernels(q_BNQH, training=training):
        from . import cpu_ops

        mask = draw_mask(rate, training=training)

        weights_BNQT = cpu_ops.SoftmaxDropout.apply(
            paddle.matmul(q_BNQH, k_BNTH, transpose_y=True), bias_B11T, factor, mask
        )
    else:
        scores_BNQT = paddle.matmul(q_BNQH * factor, k_BNTH, transpose_y=True) + bias_B11T
        weights_BNQT = dropout(F.softmax(scores_BNQT), rate, training=training)
    return paddle.matmul(weights_BNQT, v_BNTH).transpose([0, 2, 1, 3])


def fused_attention(
    q_BTNH: paddle.Tensor,
    k_BTNH: paddle.Tensor,
    v_BTNH: paddle.Tensor,
    attention_mask_BT: paddle.Tensor,
    *,
    rate: float,
    training: bool,
) -> paddle.Tensor:
    """The same by Paddle's scaled_dot_product_attention: flash attention where the build and the precision have it,
    plain products elsewhere.
    """
    mask_B1QT = attention_mask_BT.unsqueeze([1, 2]).expand([-1, 1, q_BTNH.shape[1], -1])
    return F.scaled_dot_product_attention(
        q_BTNH, k_BTNH, v_BTNH, attn_mask=mask_B1QT, dropout_p=rate, training=training
    )
