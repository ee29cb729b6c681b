"""BERT (Devlin et al. 2019) in Paddle.

Parameter names and shapes are those of PaddleNLP's BertModel, so each can open the checkpoints of the other.

Every `forward` calls its layers, so hooks run and a layer can be replaced (LoRA, quantisation). Where this makes no
difference, the same numbers are computed faster: see the uses of `uses_kernels`, and `shortcuts`.

Suffixes: B batch, T sequence, D hidden, N heads, H head size (D = N * H), P positions, F feed-forward.
"""

from __future__ import annotations

import paddle
import paddle.nn as nn

from ..compute import ops
from ..compute.choice import is_plain, made_of_layers, uses_kernels
from ..compute.dropout import dropout
from ..model_config import ModelConfig
from .shortcuts import layer_states, states_at


class BertEmbeddings(nn.Layer):
    """The sum of word, position and token type embeddings, normalised."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.dropout_rate = config.hidden_dropout_prob
        self.max_length = config.max_position_embeddings

    def forward(self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor) -> paddle.Tensor:
        """Map input_ids and token_type_ids, int64 (B, T), to (B, T, D)."""
        if paddle.in_dynamic_mode() and input_ids.shape[1] > self.max_length:
            raise ValueError(
                f"`input_ids` must have at most {self.max_length} columns (the model's positions), but has "
                f"{input_ids.shape[1]}."
            )
        tables = (self.word_embeddings, self.position_embeddings, self.token_type_embeddings)
        if ops.embeds_by_kernels(tables, norm=self.layer_norm, training=self.training):
            return ops.embed(
                input_ids,
                token_type_ids,
                tables=tables,
                norm=self.layer_norm,
                rate=self.dropout_rate,
                training=self.training,
            )
        words_BTD = self.word_embeddings(input_ids)
        positions_TD = self.position_embeddings(paddle.arange(input_ids.shape[1]))
        x_BTD = words_BTD + positions_TD + self.token_type_embeddings(token_type_ids)
        return dropout(self.layer_norm(x_BTD), self.dropout_rate, training=self.training)


@made_of_layers
class BertSelfAttention(nn.Layer):
    """Multi-head self-attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.head_size = config.hidden_size // config.num_attention_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout_rate = config.attention_probs_dropout_prob

    def forward(self, x_BTD: paddle.Tensor, attention_mask_BT: paddle.Tensor) -> paddle.Tensor:
        """Map (B, T, D) to (B, T, D).

        attention_mask_BT: bool, True = may be attended to.
        """
        heads = [0, -1, self.num_heads, self.head_size]  # 0 keeps the size
        q_BTNH = self.q_proj(x_BTD).reshape(heads)
        k_BTNH = self.k_proj(x_BTD).reshape(heads)
        v_BTNH = self.v_proj(x_BTD).reshape(heads)
        context_BTNH = ops.attend(
            q_BTNH, k_BTNH, v_BTNH, attention_mask_BT, rate=self.dropout_rate, training=self.training
        )
        return self.out_proj(context_BTNH.reshape([0, -1, self.num_heads * self.head_size]))


@made_of_layers
class BertLayer(nn.Layer):
    """Attention and feed-forward, each followed by dropout, residual and LayerNorm.

    LayerNorm comes after the residual (post-norm), as in BERT.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = BertSelfAttention(config)
        self.linear1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.linear2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.norm1 = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.norm2 = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.dropout_rate = config.hidden_dropout_prob
        self.activation = config.hidden_act

    def forward(self, x_BTD: paddle.Tensor, attention_mask_BT: paddle.Tensor) -> paddle.Tensor:
        """Map (B, T, D) to (B, T, D).

        attention_mask_BT: bool, True = may be attended to.
        """
        if uses_kernels(x_BTD, training=self.training) and is_plain(*self.children()):
            return layer_states(self, x_BTD, attention_mask_BT)
        attended_BTD = self.self_attn(x_BTD, attention_mask_BT)
        x_BTD = self.norm1(x_BTD + dropout(attended_BTD, self.dropout_rate, training=self.training))
        inner_BTF = ops.ACTIVATIONS[self.activation](self.linear1(x_BTD))
        return self.norm2(x_BTD + dropout(self.linear2(inner_BTF), self.dropout_rate, training=self.training))


@made_of_layers
class BertEncoder(nn.Layer):
    """The stack of layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.LayerList([BertLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, x_BTD: paddle.Tensor, attention_mask_BT: paddle.Tensor) -> paddle.Tensor:
        """Map (B, T, D) to (B, T, D).

        attention_mask_BT: bool, True = may be attended to.
        """
        for layer in self.layers:
            x_BTD = layer(x_BTD, attention_mask_BT)
        return x_BTD


@made_of_layers
class BertPooler(nn.Layer):
    """A dense layer and tanh on the hidden state of the first token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, first_BD: paddle.Tensor) -> paddle.Tensor:
        """Map the states of the first tokens, (B, D), to (B, D)."""
        return paddle.tanh(ops.linear(first_BD, self.dense))


@made_of_layers
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
    ) -> paddle.Tensor:
        """Compute the hidden states of the last layer. Callers apply the pooler.

        Args:
            input_ids, token_type_ids: int64, shape (B, T).
            attention_mask: bool, shape (B, T); True = may be attended to.
            flat_positions: int64, shape (P,), row * T + column: the positions to compute. The last layer skips all
                others.

        Returns:
            Shape (B, T, D), or (P, D) with flat_positions.
        """
        x_BTD = self.embeddings(input_ids, token_type_ids)
        if flat_positions is not None:
            return states_at(self.encoder, x_BTD, attention_mask, flat_positions)
        x_BTD = self.encoder(x_BTD, attention_mask)
        if not is_plain(self.pooler):
            self.pooler(x_BTD[:, 0])  # for hooks that observe or calibrate every layer
        return x_BTD


def initialize_weights(model: nn.Layer, config: ModelConfig) -> None:
    """Draw BERT's initial weights, with the state of paddle.seed.

    Weights come from a normal distribution that is cut at two standard deviations. Biases are 0. LayerNorm has weight 1
    and bias 0.

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
