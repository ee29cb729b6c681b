"""question-answering: the start and the end of an answer in a passage. The network and its training; predicting needs windows and their answers."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..errors import HubModuleError
from .inputs import Row, RowEncoder
from .networks import TokenNetwork
from .task import PredictOptions, Task


class QuestionAnswering(Task):
    """Every token to two logits: that it is the first, and that it is the last of the answer. In training, labels are int64 (batch_size, 2)."""

    name = "question-answering"
    architecture = "BertForQuestionAnswering"

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return TokenNetwork(config, 2)

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        raise HubModuleError("predict of question-answering is not there yet; `forward` returns the probabilities of starts and ends.")

    def probabilities(self, logits: paddle.Tensor) -> paddle.Tensor:
        """Over the tokens, shape (B, T, 2)."""
        return nn.functional.softmax(logits, axis=1)

    def loss(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        return super().loss(logits.transpose([0, 2, 1]), labels)

    def metrics(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """acc: both ends right."""
        return {"acc": float((logits.argmax(axis=1) == labels).all(axis=1).mean())}
