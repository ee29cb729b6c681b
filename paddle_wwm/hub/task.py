"""What a task is to a module: how data become rows, what the network makes of a batch, how that becomes results, and
how it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, ClassVar, Mapping, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..tasks.network.rows import MAX_BATCH_TOKENS, Batch, Row
from ..tokenization.vocab import IGNORED_LABEL
from .inputs import RowEncoder

# Arrays in, one array out: input_ids, token_type_ids, attention_mask, and what else a task's `run` gives it (see
# program.py).
Program = Callable[..., np.ndarray]


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What a caller of `predict` may ask for, beside his data."""

    split_char: str = "\002"
    top_k: int = 5
    threshold: float = 0.5
    doc_stride: int = 128
    max_question_len: int = 64
    max_answer_len: int = 64
    no_answer_threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """One result an item of the caller's data, and the probabilities behind each."""

    results: list[Any]
    probabilities: list[Any]


class Task:
    """The base of all tasks; a task holds its labels and nothing of a single call."""

    name: ClassVar[str | None]
    architecture: ClassVar[str]  # PaddleNLP's class for such weights
    has_classifier: ClassVar[bool] = True
    max_batch_tokens: ClassVar[int] = MAX_BATCH_TOKENS

    def __init__(self, *, label_map: Mapping[int, Any], suffix: bool = False) -> None:
        self.suffix = suffix
        self.labels = [label_map[number] for number in range(len(label_map))]

    def make_network(self, config: ModelConfig) -> nn.Layer:
        """A network whose head is new."""
        raise NotImplementedError

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        """The caller's data, checked, as what the network reads."""
        raise NotImplementedError

    def run(self, program: Program, batch: Batch, *, encoder: RowEncoder, options: PredictOptions) -> list[np.ndarray]:
        """The network's output for every row of a batch, padding cut off."""
        return list(program(batch.input_ids, batch.token_type_ids, batch.attention_mask))

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """What the network makes of the outputs of several rows, or of one more layer; most tasks have none."""
        return outputs

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        """The outputs of all rows as results, in the order of the caller's data."""
        raise NotImplementedError

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """The network's output in training; `inputs` are (input_ids, token_type_ids, attention_mask), once or, for two
        towers, twice.
        """
        return network(*inputs)

    def probabilities(self, logits: paddle.Tensor) -> paddle.Tensor:
        """What `forward` returns for the logits."""
        return nn.functional.softmax(logits)

    def loss(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """The mean over the batch; a label of -100 is passed over."""
        flat, labels = logits.reshape([-1, logits.shape[-1]]), labels.reshape([-1])
        # not cross_entropy's own mean: with a negative ignore_index it divides by all positions
        losses = nn.functional.cross_entropy(flat, labels, ignore_index=IGNORED_LABEL, reduction="none").reshape([-1])
        num_labels = (labels != IGNORED_LABEL).astype(losses.dtype).sum()
        return losses.sum() / paddle.clip(num_labels, min=1.0)

    def metrics(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Scores of a batch; hub.Trainer averages them, and compares models by the first."""
        chosen = labels.reshape(-1) != IGNORED_LABEL
        right = logits.reshape(-1, logits.shape[-1]).argmax(-1)[chosen] == labels.reshape(-1)[chosen]
        return {"acc": float(right.mean()) if right.size else 0.0}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
