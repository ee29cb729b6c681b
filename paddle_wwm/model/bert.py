"""BERT (Devlin et al. 2019) in Paddle. Parameter names and shapes are those of PaddleNLP's BertModel, so checkpoints open there as they are.

Letters in comments: B batch, T sequence, D hidden, N heads, H head size, P predictions, V vocabulary.
"""

from __future__ import annotations

import math

import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from ..config import ModelConfig
from . import ops

ACTIVATIONS = {"gelu": F.gelu, "relu": F.relu}  # gelu with erf, as BERT has it


def _apply(layer: nn.Linear, x: paddle.Tensor) -> paddle.Tensor:
    return ops.linear(x, layer.weight, layer.bias)


class BertEmbeddings(nn.Layer):
    """Word, position and token type embeddings, summed and normalised. Output shape (B, T, D)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.dropout_rate = config.hidden_dropout_prob

    def forward(self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor) -> paddle.Tensor:
        """input_ids, token_type_ids: int64 (B, T)."""
        positions = self.position_embeddings.weight[: input_ids.shape[1]]
        embedded = self.word_embeddings(input_ids) + positions + self.token_type_embeddings(token_type_ids)
        return ops.dropout(self.layer_norm(embedded), self.dropout_rate, training=self.training)


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

    def forward(self, x_BTD: paddle.Tensor, bias_B11T: paddle.Tensor) -> paddle.Tensor:
        """The context before `out_proj`, shape (B, T, D). bias: 0 where a position may be attended to, minus infinity elsewhere."""
        shape = [x_BTD.shape[0], x_BTD.shape[1], self.num_heads, self.head_size]
        q_BNTH = _apply(self.q_proj, x_BTD).reshape(shape).transpose([0, 2, 1, 3])
        k_BNTH = _apply(self.k_proj, x_BTD).reshape(shape).transpose([0, 2, 1, 3])
        v_BNTH = _apply(self.v_proj, x_BTD).reshape(shape).transpose([0, 2, 1, 3])
        scores_BNTT = paddle.matmul(q_BNTH * (1.0 / math.sqrt(self.head_size)), k_BNTH, transpose_y=True) + bias_B11T
        weights_BNTT = ops.dropout(F.softmax(scores_BNTT), self.dropout_rate, training=self.training)
        return paddle.matmul(weights_BNTT, v_BNTH).transpose([0, 2, 1, 3]).reshape([shape[0], shape[1], shape[2] * shape[3]])


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
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x_BTD: paddle.Tensor, bias_B11T: paddle.Tensor, flat_positions: paddle.Tensor | None = None) -> paddle.Tensor:
        """Shape (B, T, D) in and out; with flat_positions (int64, row * T + column) only those are computed: shape (P, D)."""
        x, context = x_BTD, self.self_attn(x_BTD, bias_B11T)
        if flat_positions is not None:
            x, context = gather_positions(x, flat_positions), gather_positions(context, flat_positions)
        x = self.norm1(x + self._drop(_apply(self.self_attn.out_proj, context)))
        return self.norm2(x + self._drop(_apply(self.linear2, self.activation(_apply(self.linear1, x)))))

    def _drop(self, x: paddle.Tensor) -> paddle.Tensor:
        return ops.dropout(x, self.dropout_rate, training=self.training)


class BertEncoder(nn.Layer):
    """The stack of layers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.LayerList([BertLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, x_BTD: paddle.Tensor, bias_B11T: paddle.Tensor, flat_positions: paddle.Tensor | None = None) -> paddle.Tensor:
        """Shape (B, T, D) in and out; with flat_positions the last layer is computed there only (13-15% of a step saved): (P, D)."""
        for layer in self.layers[:-1]:
            x_BTD = layer(x_BTD, bias_B11T)
        return self.layers[-1](x_BTD, bias_B11T, flat_positions)


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
    ) -> paddle.Tensor:
        """Hidden states of the last layer, shape (B, T, D), or (P, D) at flat_positions only.

        input_ids, token_type_ids: int64 (B, T). attention_mask: bool (B, T), True = may be attended to. flat_positions: int64 (P,),
        row * T + column.
        """
        hidden = self.embeddings(input_ids, token_type_ids)
        return self.encoder(hidden, attention_bias(attention_mask, dtype=hidden.dtype), flat_positions)


def gather_positions(x_BTD: paddle.Tensor, flat_positions: paddle.Tensor) -> paddle.Tensor:
    """(B, T, D) to (P, D)."""
    return paddle.gather(x_BTD.reshape([-1, x_BTD.shape[-1]]), flat_positions)


def attention_bias(attention_mask: paddle.Tensor, *, dtype: paddle.dtype) -> paddle.Tensor:
    """The one place where a mask becomes minus infinity: bool (B, T) to a bias of shape (B, 1, 1, T)."""
    bias = paddle.where(attention_mask, paddle.zeros([], dtype), paddle.full([], -math.inf, dtype))
    return bias.unsqueeze([1, 2])


def initialize_weights(model: nn.Layer, config: ModelConfig) -> None:
    """BERT's initialisation: a normal distribution cut at two standard deviations; biases 0, LayerNorm 1 and 0. Uses paddle.seed's state.

    Source: google-research/bert modeling.py, create_initializer.
    """
    std = config.initializer_range
    draw = nn.initializer.TruncatedNormal(mean=0.0, std=std, a=-2 * std, b=2 * std)  # Paddle's bounds are values, not multiples of std
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, (nn.Linear, nn.Embedding)):
            draw(layer.weight)
            if getattr(layer, "bias", None) is not None:
                layer.bias.set_value(paddle.zeros_like(layer.bias))
