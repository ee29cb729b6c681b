"""The pretraining heads: masked language model (tied to the word embeddings) and next-sentence prediction."""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn as nn

from ..compute import ops
from ..compute.memory import TiedGradient
from ..model_config import ModelConfig
from ..tokenization.vocab import IGNORED_LABEL
from .bert import BertModel, initialize_weights


class BertLMPredictionHead(nn.Layer):
    """Dense, activation, LayerNorm, the transposed word embeddings, and a bias."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = config.hidden_act
        self.layer_norm = nn.LayerNorm(config.hidden_size, epsilon=config.layer_norm_eps)
        self.decoder_bias = self.create_parameter([config.vocab_size], is_bias=True)

    def forward(
        self, hidden_PD: paddle.Tensor, word_embeddings_VD: paddle.Tensor, labels_P: paddle.Tensor | None = None
    ) -> paddle.Tensor | tuple[paddle.Tensor, paddle.Tensor]:
        """Return scores of every vocabulary entry, shape (P, V).

        With labels: the summed loss, and which predictions are right; see `ops.masked_loss`.
        """
        hidden_PD = self.layer_norm(ops.linear_activation(hidden_PD, self.transform, self.activation))
        if labels_P is None:
            return ops.decode(hidden_PD, word_embeddings_VD, self.decoder_bias)
        return ops.masked_loss(hidden_PD, word_embeddings_VD, self.decoder_bias, labels_P, ignored=IGNORED_LABEL)


class BertPretrainingHeads(nn.Layer):
    """Both heads, with PaddleNLP's names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.predictions = BertLMPredictionHead(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)

    def forward(
        self,
        hidden_PD: paddle.Tensor,
        pooled_BD: paddle.Tensor | None,
        word_embeddings_VD: paddle.Tensor,
        labels_P: paddle.Tensor | None = None,
    ) -> tuple[Any, paddle.Tensor | None]:
        """Return scores of every vocabulary entry, and of the next sentence or None.

        Shapes (P, V) and (B, 2). With labels: the first are those of BertLMPredictionHead.
        """
        scores_PV = self.predictions(hidden_PD, word_embeddings_VD, labels_P)
        return scores_PV, None if pooled_BD is None else self.seq_relationship(pooled_BD)


class BertForPretraining(nn.Layer):
    """BERT with both pretraining heads.

    Scores of masked words are computed only at the requested positions. The encoder is `.bert`. A new object has random
    weights; `load_model` returns one with trained weights.

    Args:
        config: The sizes of the model.

    Returns:
        A call returns the scores of every vocabulary entry at the requested positions, shape (P, vocab_size), and the
        next-sentence scores, shape (batch_size, 2), or None. See `forward`.

    Raises:
        ValueError: From ModelConfig, if sizes do not fit each other.

    Source:
        Devlin et al., "BERT" (arXiv 1810.04805); the parameter names are PaddleNLP's.

    Example:
        >>> import paddle
        >>> from paddle_wwm import BertForPretraining
        >>> from paddle_wwm.model_config import ModelConfig
        >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        >>> model = BertForPretraining(ModelConfig(vocab_size=100, **sizes))
        >>> ids = paddle.ones([2, 8], dtype="int64")
        >>> scores, relations = model(ids, paddle.zeros_like(ids), ids > 0, paddle.to_tensor([3, 9]), True)
        >>> list(scores.shape), list(relations.shape)
        ([2, 100], [2, 2])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = BertModel(config)
        self.cls = BertPretrainingHeads(config)
        initialize_weights(self, config)

    def forward(
        self,
        input_ids: paddle.Tensor,
        token_type_ids: paddle.Tensor,
        attention_mask: paddle.Tensor,
        flat_positions: paddle.Tensor,
        with_next_sentence: bool,
        labels: paddle.Tensor | None = None,
    ) -> tuple[Any, paddle.Tensor | None]:
        """Compute scores at some positions of a batch.

        Args:
            input_ids: int64, shape (B, T).
            token_type_ids: int64, shape (B, T).
            attention_mask: bool, shape (B, T); True where a token may be attended to.
            flat_positions: int64, shape (P,): row * T + column of each requested position.
            with_next_sentence: Whether to compute the next-sentence scores.
            labels: int64, shape (P,): the right entries, for training; IGNORED_LABEL where there is no loss.

        Returns:
            Scores of every vocabulary entry, shape (P, V), and next-sentence scores, shape (B, 2), or None. With
            `labels`, two tensors instead of the scores: the sum of the losses, and True where the entry with the
            highest score is right, shape (P,). Training uses this, because it can do without the matrix of scores.
        """
        rows, columns = input_ids.shape
        if with_next_sentence:  # first positions for the pooler come first
            flat_positions = paddle.concat([paddle.arange(0, rows * columns, columns), flat_positions])
        with TiedGradient():
            hidden = self.bert(input_ids, token_type_ids, attention_mask, flat_positions)
            first_BD, hidden_PD = (hidden[:rows], hidden[rows:]) if with_next_sentence else (None, hidden)
            pooled_BD = self.bert.pooler(first_BD) if with_next_sentence else None
            words_VD = self.bert.embeddings.word_embeddings.weight
            scores_PV, relations_B2 = self.cls(hidden_PD, pooled_BD, words_VD, labels)
        return scores_PV, relations_B2
