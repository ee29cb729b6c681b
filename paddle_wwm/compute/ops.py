"""The operations of BERT. The definition calls Paddle's layers.

In training on the CPU in float32, `cpu_ops` computes plain layers instead. Its results are the same to 1e-5.

B batch, T sequence, Q queries (T or fewer), D hidden, N heads, H head size, P positions, V vocabulary; "…" any axes.
"""

from __future__ import annotations

import math
from typing import Callable, cast

import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from .bf16 import current_gemm
from .choice import is_plain, uses_kernels
from .dropout import draw_mask, dropout
from .memory import TiedGradient

ACTIVATIONS: dict[str, Callable[[paddle.Tensor], paddle.Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
}  # gelu with erf, as in BERT


# ---- Linear layers
# ----------------------------------------------------------------------------------------------------------------------


def linear(x: paddle.Tensor, layer: nn.Layer) -> paddle.Tensor:
    """Compute layer(x); shapes (…, in) and (…, out)."""
    if not (uses_kernels(x, training=False) and is_plain(layer)):
        return layer(x)
    return _linear(x, layer.weight, layer.bias, transpose=False, tied=None)


def linear_activation(x: paddle.Tensor, layer: nn.Layer, activation: str) -> paddle.Tensor:
    """Compute activation(layer(x)); shapes (…, in) and (…, out)."""
    is_fused = activation == "gelu" and current_gemm() is None
    if not (is_fused and uses_kernels(x, training=False) and is_plain(layer)):
        return ACTIVATIONS[activation](linear(x, layer))
    from . import cpu_ops

    return cpu_ops.LinearGelu.apply(x, layer.weight, layer.bias)


def linear_add_norm(
    x: paddle.Tensor, layer: nn.Layer, residual: paddle.Tensor, norm: nn.Layer, *, rate: float, training: bool
) -> paddle.Tensor:
    """Compute norm(residual + dropout(layer(x))).

    x: (…, in). residual and the result: (…, out).
    """
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
    """Return True if `embed` may compute these layers.

    They must be plain, not frozen, and in training on the CPU.
    """
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
    """Compute dropout(norm(words + positions + types)) by kernels; shape (B, T, D).

    ids: int64 (B, T). tables: of words, positions and types.
    """
    from . import cpu_ops

    weights = [table.weight for table in tables]
    settings = (norm._epsilon, draw_mask(rate, training=training), TiedGradient.current)
    return cpu_ops.Embed.apply(input_ids, token_type_ids, *weights, norm.weight, norm.bias, *settings)


def decode(x_PD: paddle.Tensor, word_embeddings_VD: paddle.Tensor, bias_V: paddle.Tensor) -> paddle.Tensor:
    """Return the product with the word embeddings, plus a bias; shape (P, V)."""
    if not uses_kernels(x_PD, training=False):
        return paddle.matmul(x_PD, word_embeddings_VD, transpose_y=True) + bias_V
    return _linear(x_PD, word_embeddings_VD, bias_V, transpose=True, tied=TiedGradient.current)


def masked_loss(
    x_PD: paddle.Tensor,
    word_embeddings_VD: paddle.Tensor,
    bias_V: paddle.Tensor,
    labels_P: paddle.Tensor,
    *,
    ignored: int,
) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return the summed cross-entropy of `decode`, and which predictions are right.

    These are a scalar and bool (P,). A prediction is right if the label has the highest score. A row with the label
    `ignored`, a negative number, has no loss.
    """
    gemm = current_gemm()
    if gemm is not None and uses_kernels(x_PD, training=False):
        from .bf16_loss import MaskedLoss

        return MaskedLoss.apply(x_PD, word_embeddings_VD, bias_V, labels_P, TiedGradient.current, gemm)
    scores_PV = decode(x_PD, word_embeddings_VD, bias_V)
    loss = F.cross_entropy(scores_PV, labels_P, ignore_index=ignored, reduction="sum")
    return loss, scores_PV.detach().argmax(-1) == labels_P


def _linear(
    x: paddle.Tensor, weight: paddle.Tensor, bias: paddle.Tensor, *, transpose: bool, tied: TiedGradient | None
) -> paddle.Tensor:
    from . import bf16_ops, cpu_ops

    gemm = current_gemm()
    if gemm is not None:
        return bf16_ops.Linear.apply(x, weight, bias, transpose, tied, gemm)
    return cpu_ops.Linear.apply(x, weight, bias, transpose, tied)


# ---- Attention
# ----------------------------------------------------------------------------------------------------------------------


def attention_bias(attention_mask_BT: paddle.Tensor, *, dtype: paddle.dtype) -> paddle.Tensor:
    """Convert a bool mask (B, T) to 0 and -inf, shape (B, 1, 1, T).

    No other function converts a mask to minus infinity.
    """
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
    """Compute dropout(softmax(q k / sqrt(H))) v, shape (B, Q, N, H).

    attention_mask_BT: bool (B, T), True = may be attended to. On GPUs, Paddle's fused attention computes it.
    """
    if paddle.in_dynamic_mode() and not q_BQNH.place.is_cpu_place():
        draw_mask(rate, training=training)  # GPUs draw their own masks, but the counter is part of a checkpoint
        return fused_attention(q_BQNH, k_BTNH, v_BTNH, attention_mask_BT, rate=rate, training=training)
    bias_B11T, factor = attention_bias(attention_mask_BT, dtype=q_BQNH.dtype), 1.0 / math.sqrt(q_BQNH.shape[-1])
    if paddle.in_dynamic_mode() and not paddle.is_grad_enabled():
        # einsum moves the axes by copies. By default, Paddle's transpose returns a view, which matmul copies slowly:
        # this saves a fifth of the time of the whole encoder.
        scores_BNQT = cast(paddle.Tensor, paddle.einsum("bqnh,btnh->bnqt", q_BQNH * factor, k_BTNH)) + bias_B11T
        weights_BNQT = dropout(F.softmax(scores_BNQT), rate, training=training)
        return cast(paddle.Tensor, paddle.einsum("bnqt,btnh->bqnh", weights_BNQT, v_BTNH))
    q_BNQH, k_BNTH, v_BNTH = (x.transpose([0, 2, 1, 3]) for x in (q_BQNH, k_BTNH, v_BTNH))
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
    """Compute `attend` by Paddle's scaled_dot_product_attention.

    This is flash attention if the build and the precision support it, else plain products.
    """
    mask_B1QT = attention_mask_BT.unsqueeze([1, 2]).expand([-1, 1, q_BTNH.shape[1], -1])
    return F.scaled_dot_product_attention(
        q_BTNH, k_BTNH, v_BTNH, attn_mask=mask_B1QT, dropout_p=rate, training=training
    )
