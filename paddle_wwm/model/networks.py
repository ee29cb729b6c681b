"""BERT with the head of a task.

Parameter names are those of PaddleNLP's BertFor… classes, so the weights are interchangeable.

Every network maps (input_ids, token_type_ids, attention_mask), as BertModel takes them, to one tensor. B batch, T
sequence, D hidden, C classes.
"""

from __future__ import annotations

from typing import Any

import paddle
import paddle.nn as nn

from ..compute import ops
from ..compute.dropout import dropout
from ..model_config import ModelConfig
from .bert import BertModel, initialize_weights
from .config_keys import ANSWER_KINDS
from .shortcuts import first_states


class AllStates(nn.Layer):
    """The last hidden states, (B, T, D), of an encoder that another network owns."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return hidden states, shape (B, T, D)."""
        return self.bert(input_ids, token_type_ids, attention_mask)


class FirstStates(AllStates):
    """The last hidden states of the first tokens only, (B, D)."""

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return hidden states, shape (B, D)."""
        return first_states(self.bert, input_ids, token_type_ids, attention_mask)


def mean_states(hidden_BTD: paddle.Tensor, mask_BT: paddle.Tensor) -> paddle.Tensor:
    """Return the mean of the hidden states where the mask is True, shape (B, D)."""
    weights_BT1 = mask_BT.astype(hidden_BTD.dtype).unsqueeze(-1)
    return (hidden_BTD * weights_BT1).sum(axis=1) / weights_BT1.sum(axis=1)


class EncoderNetwork(nn.Layer):
    """The encoder without a head: hidden states (B, T, D)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = BertModel(config)
        initialize_weights(self, config)

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return hidden states, shape (B, T, D)."""
        return self.bert(input_ids, token_type_ids, attention_mask)


class _Classifier(nn.Layer):
    """The encoder, dropout, and a dense layer named `classifier`."""

    features_of_hidden = 1

    def __init__(self, config: ModelConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.bert = BertModel(config)
        self.classifier = nn.Linear(self.features_of_hidden * config.hidden_size, num_classes)
        initialize_weights(self, config)

    def classify(self, features: paddle.Tensor) -> paddle.Tensor:
        """Return the logits of features of shape (…, features)."""
        features = dropout(features, self.config.hidden_dropout_prob, training=self.training)
        return ops.linear(features, self.classifier)


class PooledNetwork(_Classifier):
    """A classifier of texts, or of pairs in one sequence: logits (B, C).

    It reads the pooled state of [CLS].
    """

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return logits, shape (B, C)."""
        return self.classify(self.bert.pooler(first_states(self.bert, input_ids, token_type_ids, attention_mask)))


class TokenNetwork(_Classifier):
    """A classifier of every token: logits (B, T, C)."""

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return logits, shape (B, T, C)."""
        return self.classify(self.bert(input_ids, token_type_ids, attention_mask))


class AnswerNetwork(TokenNetwork):
    """Reading comprehension where a question may have no answer in the passage.

    Every token has two logits (first and last token of the answer), as in TokenNetwork. The pooled state of [CLS] has
    the logits of ANSWER_KINDS.

    One tensor of shape (B, T + 2, 2) holds both: its last two rows are the four kinds. `split_kinds` separates them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, 2)
        self.kind_classifier = nn.Linear(config.hidden_size, len(ANSWER_KINDS))
        initialize_weights(self.kind_classifier, config)

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return logits, shape (B, T + 2, 2)."""
        hidden_BTD = self.bert(input_ids, token_type_ids, attention_mask)
        pooled_BD = dropout(self.bert.pooler(hidden_BTD[:, 0]), self.config.hidden_dropout_prob, training=self.training)
        kinds_B4 = ops.linear(pooled_BD, self.kind_classifier)
        return paddle.concat([self.classify(hidden_BTD), kinds_B4.reshape([-1, 2, 2])], axis=1)


def split_kinds(outputs: Any) -> tuple[Any, Any]:
    """Split the output of an AnswerNetwork, an array or a tensor (…, T + 2, 2).

    Returns:
        Logits of the tokens (…, T, 2), and of the kinds (…, 4).
    """
    return outputs[..., :-2, :], outputs[..., -2:, :].reshape([*outputs.shape[:-2], len(ANSWER_KINDS)])


class TowerNetwork(_Classifier):
    """Two texts, each read alone by the same encoder and averaged (Sentence-BERT).

    The classifier reads both means and their absolute difference.
    """

    features_of_hidden = 3

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Return the mean of the hidden states of one text, shape (B, D).

        [CLS] and [SEP] are included.
        """
        hidden = self.bert(input_ids, token_type_ids, attention_mask)
        return mean_states(dropout(hidden, self.config.hidden_dropout_prob, training=self.training), attention_mask)

    def compare(self, query_BD: paddle.Tensor, title_BD: paddle.Tensor) -> paddle.Tensor:
        """Return logits (B, C) from the means of both texts."""
        features = paddle.concat([query_BD, title_BD, (query_BD - title_BD).abs()], axis=-1)
        return ops.linear(features, self.classifier)
