"""The task text-matching: a class for two texts, each encoded separately."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..model.networks import TowerNetwork
from ..model_config import ModelConfig
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example, TextExample
from .rows import Row, row_of_texts
from .task import Features, Reading
from .text_classification import TextClassification


class TextMatching(TextClassification):
    """A class for two texts that are encoded separately (two towers, as in PaddleHub).

    The vector of a text does not depend on the other text. seq-cls reads both texts as one sequence and is more
    accurate.
    """

    name = "text-matching"
    architecture = "BertModel"
    num_texts = (2,)

    @property
    def reads_pooler(self) -> bool:
        return False

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        """Make two rows per example. This task has no data sets, so it has no labels."""
        assert not with_labels
        pairs = [(one.text, one.text_pair or "") for one in examples if isinstance(one, TextExample)]
        pieces = tokenizer.encode([text for pair in pairs for text in pair])
        rows: list[Row] = []
        num_cut = 0
        for number in range(2 * len(pairs)):
            ids = pieces.ids_of_text(number).tolist()
            row, is_cut = row_of_texts(number // 2, ids, vocab=tokenizer.vocab, limit=reading.max_seq_length)
            rows.append(row)
            num_cut += is_cut
        return Features(rows=rows, counts={"texts_cut": num_cut})

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return TowerNetwork(config, len(self.labels))

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """Compute the logits of each pair from its two vectors."""
        if not outputs:
            return []
        queries, titles = (paddle.to_tensor(np.stack(outputs[tower::2])) for tower in (0, 1))
        return list(network.compare(queries, titles).numpy())

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        return network.compare(network(*inputs[:3]), network(*inputs[3:]))
