"""Compute an encoder with less work, for layers that are plain (see `is_plain`).

- `layer_states`: the products and loops of a BertLayer in fewer operations, for training on the CPU.
- `states_at`: the last layer only at the positions that are read. This saves a sixth of a step of 3 layers.
- `first_states`: the same for the first tokens outside of training, without keys and values of the last layer.

If a layer was replaced or has a hook, the encoder is called.

Suffixes: B batch, T sequence, Q queries (T or fewer), D hidden, N heads, H head size (D = N * H), P positions.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from ..compute import ops
from ..compute.bf16 import current_gemm
from ..compute.choice import is_plain, is_plain_outside, uses_kernels
from ..compute.dropout import draw_mask


@dataclass(frozen=True, kw_only=True)
class ReadPositions:
    """The positions of a batch (B, T) at which the last layer is read.

    They are the predicted positions and, for next-sentence prediction, the first positions. In an exported program the
    positions are not known yet: `queries=None`, every position has its query, and Q is T.

    Attributes:
        flat: int64 (P,), row * T + column.
        queries: int64 (B, Q), the same by rows, padded with the first position of the row. Q is the maximum per row.
        places: int64 (P,), the place of each position in (B * Q).
    """

    flat: paddle.Tensor
    queries: paddle.Tensor | None
    places: paddle.Tensor

    @staticmethod
    def of(flat: paddle.Tensor, *, shape: list[int]) -> ReadPositions:
        """Build from flat positions in any order.

        shape: begins with (B, T).
        """
        if not paddle.in_dynamic_mode():
            return ReadPositions(flat=flat, queries=None, places=flat)
        num_rows, length = shape[:2]
        positions = flat.numpy()
        rows = positions // length
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=num_rows)
        rank = np.empty(len(rows), np.int64)
        rank[order] = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows[order]]
        queries = np.repeat(np.arange(num_rows)[:, None] * length, max(1, counts.max()), axis=1)
        queries[rows, rank] = positions
        return ReadPositions(
            flat=flat, queries=paddle.to_tensor(queries), places=paddle.to_tensor(rows * queries.shape[1] + rank)
        )


def gather_positions(x_BTD: paddle.Tensor, flat_positions: paddle.Tensor) -> paddle.Tensor:
    """Return the states at flat positions: (B, T, D) to (P, D)."""
    return paddle.gather(x_BTD.reshape([-1, x_BTD.shape[-1]]), flat_positions)


def layer_states(
    layer: nn.Layer, x_BTD: paddle.Tensor, attention_mask_BT: paddle.Tensor, read: ReadPositions | None = None
) -> paddle.Tensor:
    """Compute a BertLayer: (B, T, D) to (B, T, D).

    With `read`, compute it only at those positions: (P, D).
    """
    if current_gemm() is not None and uses_kernels(x_BTD, training=layer.training):
        return _layer_states_in_bf16(layer, x_BTD, attention_mask_BT, read)
    attention, heads = layer.self_attn, [0, -1, layer.self_attn.num_heads, layer.self_attn.head_size]
    residual, x_BQD = x_BTD, x_BTD
    if read is not None:
        residual = gather_positions(x_BTD, read.flat)
        if read.queries is not None:
            x_BQD = gather_positions(x_BTD, read.queries.flatten()).reshape([*read.queries.shape, -1])
    q_BQNH = ops.linear(x_BQD, attention.q_proj).reshape(heads)
    k_BTNH = ops.linear(x_BTD, attention.k_proj).reshape(heads)
    v_BTNH = ops.linear(x_BTD, attention.v_proj).reshape(heads)
    context_BQNH = ops.attend(
        q_BQNH, k_BTNH, v_BTNH, attention_mask_BT, rate=attention.dropout_rate, training=attention.training
    )
    context = context_BQNH.reshape([0, -1, attention.num_heads * attention.head_size])
    if read is not None:
        context = gather_positions(context, read.places)
    settings = {"rate": layer.dropout_rate, "training": layer.training}
    x = ops.linear_add_norm(context, attention.out_proj, residual, layer.norm1, **settings)
    inner = ops.linear_activation(x, layer.linear1, layer.activation)
    return ops.linear_add_norm(inner, layer.linear2, x, layer.norm2, **settings)


def _layer_states_in_bf16(
    layer: nn.Layer, x_BTD: paddle.Tensor, attention_mask_BT: paddle.Tensor, read: ReadPositions | None
) -> paddle.Tensor:
    """Compute `layer_states` with products of bfloat16 numbers."""
    from ..compute.bf16_attention import AttentionBlock, Queries
    from ..compute.bf16_ops import FeedForwardBlock

    gemm, attention = current_gemm(), layer.self_attn
    masks = (
        draw_mask(attention.dropout_rate, training=attention.training),
        draw_mask(layer.dropout_rate, training=layer.training),
    )
    queries = None
    if read is not None:
        assert read.queries is not None
        queries = Queries(flat=read.flat.numpy(), queries=read.queries.numpy(), places=read.places.numpy())
    linears = (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj, layer.norm1)
    x = AttentionBlock.apply(
        x_BTD,
        ops.attention_bias(attention_mask_BT, dtype=x_BTD.dtype),
        queries,
        attention.num_heads,
        masks,
        layer.norm1._epsilon,
        gemm,
        *(parameter for part in linears for parameter in (part.weight, part.bias)),
    )
    mask = draw_mask(layer.dropout_rate, training=layer.training)
    parts = (layer.linear1, layer.linear2, layer.norm2)
    return FeedForwardBlock.apply(
        x,
        layer.activation,
        mask,
        layer.norm2._epsilon,
        gemm,
        *(parameter for part in parts for parameter in (part.weight, part.bias)),
    )


def states_at(
    encoder: nn.Layer, x_BTD: paddle.Tensor, attention_mask_BT: paddle.Tensor, flat_positions: paddle.Tensor
) -> paddle.Tensor:
    """Return the encoder's states at flat positions, shape (P, D).

    flat_positions: int64 (P,), row * T + column.
    """
    *first_layers, last_layer = encoder.layers
    if not (is_plain_outside(encoder) and is_plain(last_layer)):
        return gather_positions(encoder(x_BTD, attention_mask_BT), flat_positions)
    read = ReadPositions.of(flat_positions, shape=x_BTD.shape)
    for layer in first_layers:
        x_BTD = layer(x_BTD, attention_mask_BT)
    run = functools.partial(layer_states, last_layer)
    if hasattr(last_layer, "recomputed_by"):  # runs/fleet.py: activations are recomputed, not kept
        return last_layer.recomputed_by(run, x_BTD, attention_mask_BT, read)
    return run(x_BTD, attention_mask_BT, read)


def first_states(
    bert: nn.Layer, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
) -> paddle.Tensor:
    """Return the last hidden states of the first tokens, shape (B, D).

    The arguments are those of BertModel, (B, T).

    The last layer has only one query per text here, so its keys and values are not needed. With x the layer's input, q
    (x Wk)^T = (q Wk^T) x^T. The weighted sum over (x Wv) is the weighted sum over x, times Wv. So two products of (T,
    D) with (D, D) become two of (N, D) with (D, T). For 3 layers this saves an eighth of all work, in addition to the
    rest of the layer at T - 1 tokens. The bias of the keys shifts all scores of a query equally, so softmax removes it.
    The bias of the values is added once, because the weights sum to one.
    """
    # training needs the gradients of all parameters, and dropout
    is_called = bert.training or not (is_plain_outside(bert) and is_plain_outside(bert.encoder))
    if is_called or not is_plain(bert.encoder.layers[-1]):
        rows, columns = paddle.shape(input_ids)[0], paddle.shape(input_ids)[1]
        return bert(
            input_ids, token_type_ids, attention_mask, paddle.arange(rows, dtype="int64") * columns.astype("int64")
        )
    x_BTD = bert.embeddings(input_ids, token_type_ids)
    *first_layers, last_layer = bert.encoder.layers
    for layer in first_layers:
        x_BTD = layer(x_BTD, attention_mask)
    bias_B1T = ops.attention_bias(attention_mask, dtype=x_BTD.dtype).squeeze(1)
    return _first_states_of(last_layer, x_BTD, bias_B1T)


def _first_states_of(layer: nn.Layer, x_BTD: paddle.Tensor, bias_B1T: paddle.Tensor) -> paddle.Tensor:
    """Compute a BertLayer at the first tokens: (B, T, D) to (B, D)."""
    attention, first_BD = layer.self_attn, x_BTD[:, 0]
    heads, size = attention.num_heads, attention.head_size
    hidden = heads * size
    q_NBH = (attention.q_proj(first_BD) * (1.0 / math.sqrt(size))).reshape([-1, heads, size]).transpose([1, 0, 2])
    keys_NHD = attention.k_proj.weight.reshape([hidden, heads, size]).transpose([1, 2, 0])
    values_NDH = attention.v_proj.weight.reshape([hidden, heads, size]).transpose([1, 0, 2])
    queries_BND = paddle.matmul(q_NBH, keys_NHD).transpose([1, 0, 2])
    weights_BNT = F.softmax(paddle.matmul(queries_BND, x_BTD, transpose_y=True) + bias_B1T)
    sums_NBD = paddle.matmul(weights_BNT, x_BTD).transpose([1, 0, 2])
    # add the bias before joining the heads: Paddle's oneDNN passes fuse a product with the two steps after it, and
    # would add the bias to the wrong shape
    context_NBH = paddle.matmul(sums_NBD, values_NDH) + attention.v_proj.bias.reshape([heads, 1, size])
    context_BD = context_NBH.transpose([1, 0, 2]).reshape([-1, hidden])
    x_BD = layer.norm1(first_BD + attention.out_proj(context_BD))
    return layer.norm2(x_BD + layer.linear2(ops.ACTIVATIONS[layer.activation](layer.linear1(x_BD))))
