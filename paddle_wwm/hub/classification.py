"""Texts and pairs of texts to classes: seq-cls (one class), multi-label (any number), text-matching (two towers)."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..errors import HubModuleError
from ..model.finetuned import HEADS
from ..model.networks import PooledNetwork, TowerNetwork
from ..tasks.network.rows import Row
from .inputs import RowEncoder, texts_of
from .task import Predictions, PredictOptions, Task, softmax


class SequenceClassification(Task):
    """One class for a text, or for a pair of texts that the encoder reads as one sequence. Results: labels."""

    name = "seq-cls"
    architecture = HEADS[name]

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return PooledNetwork(config, len(self.labels))

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        return encoder.rows_of_texts(data)

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        probabilities = [softmax(logits) for logits in outputs]
        return Predictions(
            results=[self.labels[int(values.argmax())] for values in probabilities],
            probabilities=[values.tolist() for values in probabilities],
        )


class MultiLabel(SequenceClassification):
    """Any number of classes for a text or a pair. Results: the list of the labels with a probability of at least
    `threshold`.

    In training, labels are float (batch_size, num_classes), 1.0 where a class applies.
    """

    name = "multi-label"
    architecture = HEADS[name]

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        if not 0.0 < options.threshold < 1.0:
            raise HubModuleError(f"`threshold` must be between 0 and 1, but is {options.threshold!r}.")
        probabilities = [1.0 / (1.0 + np.exp(-logits.astype(np.float64))) for logits in outputs]
        return Predictions(
            results=[
                [label for label, value in zip(self.labels, values) if value >= options.threshold]
                for values in probabilities
            ],
            probabilities=[values.tolist() for values in probabilities],
        )

    def probabilities(self, logits: paddle.Tensor) -> paddle.Tensor:
        return nn.functional.sigmoid(logits)

    def loss(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        if list(labels.shape) != list(logits.shape):
            raise HubModuleError(
                f"`labels` of multi-label must have the shape {list(logits.shape)}, 0 or 1 a class, but have "
                f"{list(labels.shape)}."
            )
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.astype(logits.dtype))

    def metrics(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """f1: over all decisions of the batch at a probability of 0.5."""
        found, wanted = logits > 0, labels > 0.5
        num_either = int(found.sum() + wanted.sum())
        return {"f1": 2.0 * int((found & wanted).sum()) / num_either if num_either else 1.0}


class TextMatching(SequenceClassification):
    """Two texts, each encoded alone (PaddleHub's two towers): a text's vector does not depend on its partner. Results:
    labels.

    For a pair in one sequence, which is more accurate, use seq-cls.
    """

    name = "text-matching"
    architecture = HEADS[name]

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return TowerNetwork(config, len(self.labels))

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        """Two rows an item, one after the other."""
        items = texts_of(data, num_texts=(2,), wanted="a list of two texts")
        pieces = encoder.pieces([text for texts in items for text in texts])
        return [encoder.row(number // 2, ids) for number, ids in enumerate(pieces)]

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """Both vectors of each pair to its logits."""
        if not outputs:
            return []
        queries, titles = (paddle.to_tensor(np.stack(outputs[tower::2])) for tower in (0, 1))
        return list(network.compare(queries, titles).numpy())

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        return network.compare(network(*inputs[:3]), network(*inputs[3:]))
