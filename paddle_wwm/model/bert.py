"""BERT (Devlin et al. 2019) in Paddle. Parameter names and shapes are those of PaddleNLP's BertModel, so checkpoints
open there as they are.

Letters in comments: B batch, T sequence, D hidden, N heads, H head size, P predictions, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from . import ops


def _apply(layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
    return ops.linear(x, layer.weight, layer.bias)


@dataclass(frozen=True, kw_only=True)
class ReadPositions:
    """The positions that are read of the last layer, for it to compute no others: of a batch of B x T, P = the
    predicted ones and, for next-sentence prediction, the first ones.

    flat: int64 (P,), row * T + column. queries: int64 (B, Q), the same by rows, and filled up with the rows' first
    positions; Q is the most of a row. places: int64 (P,), where in (B * Q) each one is. In a program that is exported,
    where positions are not numbers yet, queries is
    None: every position has its query, and Q is T.
    """

    flat: paddle.Tensor
    queries: paddle.Tensor | None
    places: paddle.Tensor

    @staticmethod
    def of(flat: paddle.Tensor, *, shape: list[int]) -> ReadPositions:
        """From flat positions in any order; `shape` is (B, T)."""
        if not paddle.in_dynamic_mode():
            return ReadPositions(flat=flat, queries=None, places=flat)
        num_rows, length = shape
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


class BertEmbeddings(nn.Layer):
    """Word, position and token type embeddings, summed and normalised. Output shape (B, T, D)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.dropout_rate = config.hidden_dropout_prob

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, tied: ops.TiedGradient | None = None
    ) -> paddle.Tensor:
        """input_ids, token_type_ids: int64 (B, T). tied: of the decoder that shares the word embeddings."""
        return ops.embed(
            input_ids,
            token_type_ids,
            tables=(self.word_embeddings, self.position_embeddings, self.token_type_embeddings),
            norm=self.layer_norm,
            rate=self.dropout_rate,
            training=self.training,
            tied=tied,
        )


class BertSelfAttention(nn.Layer):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.head_size = config.hidden_size // config.num_attention_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout_rate = config.attention_probs_dropout_prob

    def forward(
        self, x_BTD: paddle.Tensor, attention_mask: paddle.Tensor, read: ReadPositions | None = None
    ) -> paddle.Tensor:
        """The context before `out_proj`, shape (B, T, D), or (P, D) at the positions to read. attention_mask: bool (B,
        T).
        """
        heads = [0, -1, self.num_heads, self.head_size]  # 0: as many rows as there are
        q_x = x_BTD
        if read is not None and read.queries is not None:
            q_x = gather_positions(x_BTD, read.queries.flatten()).reshape([*read.queries.shape, -1])
        q_BQNH = _apply(self.q_proj, q_x).reshape(heads)
        k_BTNH, v_BTNH = _apply(self.k_proj, x_BTD).reshape(heads), _apply(self.v_proj, x_BTD).reshape(heads)
        context = ops.attend(q_BQNH, k_BTNH, v_BTNH, attention_mask, rate=self.dropout_rate, training=self.training)
        context_BQD = context.reshape([0, -1, self.num_heads * self.head_size])
        return context_BQD if read is None else gather_positions(context_BQD, read.places)


class BertLayer(nn.Layer):
    """Attention and feed-forward, each followed by dropout, residual and LayerNorm (post-norm, as BERT)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = BertSelfAttention(config)
        self.linear1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.linear2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.norm1 = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.norm2 = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.dropout_rate = config.hidden_dropout_prob
        self.activation = config.hidden_act

    def forward(
        self, x_BTD: paddle.Tensor, attention_mask: paddle.Tensor, read: ReadPositions | None = None
    ) -> paddle.Tensor:
        """Shape (B, T, D) in and out; with `read` only those positions are computed: shape (P, D)."""
        context = self.self_attn(x_BTD, attention_mask, read)
        x = x_BTD if read is None else gather_positions(x_BTD, read.flat)
        x = self._add_norm(context, self.self_attn.out_proj, x, self.norm1)
        return self._add_norm(ops.linear_activation(x, self.linear1, self.activation), self.linear2, x, self.norm2)

    def _add_norm(
        self, x: paddle.Tensor, layer: nn.Linear, residual: paddle.Tensor, norm: nn.LayerNorm
    ) -> paddle.Tensor:
        return ops.linear_add_norm(x, layer, residual, norm, rate=self.dropout_rate, training=self.training)


class BertEncoder(nn.Layer):
    """The stack of layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.LayerList([BertLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(
        self, x_BTD: paddle.Tensor, attention_mask: paddle.Tensor, read: ReadPositions | None = None
    ) -> paddle.Tensor:
        """Shape (B, T, D) in and out; with `read` the last layer is computed there only (a sixth of a step of 3 layers
        saved): (P, D).
        """
        *first_layers, last_layer = self.layers
        for layer in first_layers:
            x_BTD = layer(x_BTD, attention_mask)
        return last_layer(x_BTD, attention_mask, read)


class BertPooler(nn.Layer):
    """The first token's hidden state through a dense layer and tanh."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, first_BD: paddle.Tensor) -> paddle.Tensor:
        """The states of the first tokens, shape (B, D) in and out."""
        return paddle.tanh(_apply(self.dense, first_BD))


class BertModel(nn.Layer):
    """The encoder without heads."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config)

    def forward(
        self,
        input_ids: paddle.Tensor,
        token_type_ids: paddle.Tensor,
        attention_mask: paddle.Tensor,
        flat_positions: paddle.Tensor | None = None,
        tied: ops.TiedGradient | None = None,
    ) -> paddle.Tensor:
        """Hidden states of the last layer, shape (B, T, D), or (P, D) at flat_positions only.

        input_ids, token_type_ids: int64 (B, T). attention_mask: bool (B, T), True = may be attended to.
        flat_positions: int64 (P,), row * T + column. tied: of a decoder that shares the word embeddings.
        """
        read = None if flat_positions is None else ReadPositions.of(flat_positions, shape=input_ids.shape)
        return self.encoder(self.embeddings(input_ids, token_type_ids, tied), attention_mask, read)


def gather_positions(x_BTD: paddle.Tensor, flat_positions: paddle.Tensor) -> paddle.Tensor:
    """(B, T, D) to (P, D)."""
    return paddle.gather(x_BTD.reshape([-1, x_BTD.shape[-1]]), flat_positions)


def initialize_weights(model: nn.Layer, config: ModelConfig) -> None:
    """BERT's initialisation: a normal distribution cut at two standard deviations; biases 0, LayerNorm 1 and 0. Uses
    paddle.seed's state.

    Source: google-research/bert modeling.py, create_initializer.
    """
    std = config.initializer_range
    draw = nn.initializer.TruncatedNormal(
        mean=0.0, std=std, a=-2 * std, b=2 * std
    )  # Paddle's bounds are values, not multiples of std
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, (nn.Linear, nn.Embedding)):
            draw(layer.weight)
            if getattr(layer, "bias", None) is not None:
                layer.bias.set_value(paddle.zeros_like(layer.bias))
