"""The last hidden states of the first tokens, for classifiers and embeddings that read no others.

The last layer has one query a text there, so its keys and values need not be made: with x the layer's input, q (x
Wk)^T = (q Wk^T) x^T, and the weights' sum over (x Wv) is their sum over x, times Wv. Two products of (T, D) with (D,
D) become two of (N, D) with (D, T), N the heads: of 3 layers an eighth of all work is saved, beside what the rest of
the layer at T - 1 tokens would cost. The keys' bias moves all scores of a query alike and drops out of the softmax;
the values' bias is added once, since the weights sum to one.

Letters: B batch, T sequence, D hidden, N heads, H head size.
"""

from __future__ import annotations

import math

import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from . import ops
from .bert import BertModel


def first_states(
    bert: BertModel, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
) -> paddle.Tensor:
    """Shape (B, D). In training by the layers themselves: there, every parameter is to have its gradient, and dropout
    its place.
    """
    if bert.training:
        rows, columns = paddle.shape(input_ids)[0], paddle.shape(input_ids)[1]
        return bert(
            input_ids, token_type_ids, attention_mask, paddle.arange(rows, dtype="int64") * columns.astype("int64")
        )
    hidden_BTD = bert.embeddings(input_ids, token_type_ids)
    *first_layers, last_layer = bert.encoder.layers
    for layer in first_layers:
        hidden_BTD = layer(hidden_BTD, attention_mask)
    bias_B1T = ops.attention_bias(attention_mask, dtype=hidden_BTD.dtype).squeeze(1)
    return _last_layer(last_layer, hidden_BTD, bias_B1T)


def _last_layer(layer: nn.Layer, x_BTD: paddle.Tensor, bias_B1T: paddle.Tensor) -> paddle.Tensor:
    attention, first_BD = layer.self_attn, x_BTD[:, 0]
    heads, size = attention.num_heads, attention.head_size
    hidden = heads * size
    q_NBH = (attention.q_proj(first_BD) * (1.0 / math.sqrt(size))).reshape([-1, heads, size]).transpose([1, 0, 2])
    keys_NHD = attention.k_proj.weight.reshape([hidden, heads, size]).transpose([1, 2, 0])
    values_NDH = attention.v_proj.weight.reshape([hidden, heads, size]).transpose([1, 0, 2])
    queries_BND = paddle.matmul(q_NBH, keys_NHD).transpose([1, 0, 2])
    weights_BNT = F.softmax(paddle.matmul(queries_BND, x_BTD, transpose_y=True) + bias_B1T)
    sums_NBD = paddle.matmul(weights_BNT, x_BTD).transpose([1, 0, 2])
    # the bias before the heads are put side by side: Paddle's oneDNN passes take the two steps after a product for
    # one, and add it to the wrong shape
    context_NBH = paddle.matmul(sums_NBD, values_NDH) + attention.v_proj.bias.reshape([heads, 1, size])
    context_BD = context_NBH.transpose([1, 0, 2]).reshape([-1, hidden])
    x_BD = layer.norm1(first_BD + attention.out_proj(context_BD))
    return layer.norm2(x_BD + layer.linear2(ops.ACTIVATIONS[layer.activation](layer.linear1(x_BD))))
