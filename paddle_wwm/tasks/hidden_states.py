"""No task: the encoder's states of texts."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..model.networks import EncoderNetwork
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example
from .results import Result, StatesResult
from .task import Features, Reading, ResultOptions, Task
from .text_classification import encode_texts


class HiddenStates(Task):
    """The pooled state of a text or a pair, and the hidden states of its tokens with [CLS] and [SEP].

    The pooled state is None where the weights have no trained pooler.
    """

    name = None
    architecture = "BertModel"
    has_classifier = needs_labels = False

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        assert not with_labels
        rows, num_cut = encode_texts(examples, tokenizer=tokenizer, max_seq_length=reading.max_seq_length)
        return Features(rows=rows, counts={"texts_cut": num_cut})

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return EncoderNetwork(config)

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        return output[:length].copy()

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """Add the pooled state of each row."""
        if not outputs or not network.bert.has_pooler:
            return [(None, hidden) for hidden in outputs]
        pooled = network.bert.pooler(paddle.to_tensor(np.stack([hidden[0] for hidden in outputs]))).numpy()
        return list(zip(pooled, outputs))

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        return [StatesResult(pooled=pooled, hidden=hidden) for pooled, hidden in outputs]
