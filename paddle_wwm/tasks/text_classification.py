"""Classify texts and pairs of texts: seq-cls (one class) and multi-label (any number of classes)."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..model.networks import PooledNetwork
from ..model_config import ModelConfig
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example, TextExample, label_number, label_numbers
from .results import ClassResult, LabelSetResult, Result
from .rows import row_of_texts
from .task import Features, Reading, ResultOptions, Task, softmax


def encode_texts(
    examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, max_seq_length: int
) -> tuple[list[Any], int]:
    """Return a row for every text or pair, and how many of them were cut."""
    texts = [example for example in examples if isinstance(example, TextExample)]
    pieces = tokenizer.encode([example.text for example in texts])
    pairs = tokenizer.encode([example.text_pair or "" for example in texts])
    rows, num_cut = [], 0
    for owner, example in enumerate(texts):
        second = None if example.text_pair is None else pairs.ids_of_text(owner).tolist()
        row, is_cut = row_of_texts(
            owner, pieces.ids_of_text(owner).tolist(), second, vocab=tokenizer.vocab, limit=max_seq_length
        )
        rows.append(row)
        num_cut += is_cut
    return rows, num_cut


class TextClassification(Task):
    """One class for a text or a pair. The encoder reads a pair as one sequence.

    Training labels: int64 (), the number of the class.
    """

    name = "seq-cls"
    architecture = "BertForSequenceClassification"

    @property
    def reads_pooler(self) -> bool:
        return True

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        rows, num_cut = encode_texts(examples, tokenizer=tokenizer, max_seq_length=reading.max_seq_length)
        numbers = label_numbers(self.labels)
        texts = [example for example in examples if isinstance(example, TextExample)] if with_labels else []
        labels = [np.int64(label_number(example.example_id, example.label, numbers)) for example in texts]
        return Features(rows=rows, labels=labels, counts={"texts_cut": num_cut})

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return PooledNetwork(config, len(self.labels))

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        probabilities = [softmax(logits) for logits in outputs]
        return [ClassResult(label=self.labels[int(each.argmax())], probabilities=each) for each in probabilities]


class MultiLabel(TextClassification):
    """Any number of classes for a text or a pair.

    A class applies if its probability is at least `threshold`.

    Training labels: float (C,), 1.0 where a class applies.
    """

    name = "multi-label"

    def num_targets(self, labels: Any) -> Any:
        return labels.shape[0]

    def loss_sum(
        self, logits: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor | None
    ) -> paddle.Tensor:
        """Sum the loss of the rows; the loss of a row is the mean over the classes."""
        if list(labels.shape) != list(logits.shape):
            raise ValueError(
                f"`labels` of multi-label must have the shape {list(logits.shape)}, with 0 or 1 for each class, but "
                f"have {list(labels.shape)}."
            )
        losses = nn.functional.binary_cross_entropy_with_logits(logits, labels.astype(logits.dtype), reduction="none")
        return losses.mean(axis=-1).sum()

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        probabilities = [1.0 / (1.0 + np.exp(-logits.astype(np.float64))) for logits in outputs]
        return [
            LabelSetResult(
                labels=tuple(label for label, value in zip(self.labels, values) if value >= options.threshold),
                probabilities=values,
            )
            for values in probabilities
        ]

    def probabilities(self, logits: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
        return nn.functional.sigmoid(logits)

    def batch_scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Return f1: F1 over all decisions of the batch, with a threshold of 0.5."""
        found, wanted = logits > 0, labels > 0.5
        num_either = int(found.sum() + wanted.sum())
        return {"f1": 2.0 * int((found & wanted).sum()) / num_either if num_either else 1.0}
