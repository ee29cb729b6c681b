"""The base class of tasks. A task reads examples, makes the network, and defines the loss and the results.

Fine-tuning, evaluation and hub modules use the same class, so their numbers can be compared::

    examples ──► encode ──► rows ──► network ──► outputs_of_batch ──► combine ──► results
                   │                    │
                   └──► labels ──► loss_sum / num_targets

To add a task, write a subclass in a new file and add it to `task_table.TASKS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, Mapping, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..model_config import ModelConfig
from ..tokenization.vocab import IGNORED_LABEL
from ..tokenization.wordpiece import WordPieceTokenizer
from .entities import EncodedTokens
from .examples import Example
from .options import checked
from .reading_comprehension import DOC_STRIDE, MAX_ANSWER_LEN, MAX_QUESTION_LEN, DecodingConfig
from .results import Result
from .rows import MAX_BATCH_TOKENS, Batch, Row

# Takes the arrays of `Task.inputs` (input_ids, token_type_ids, attention_mask, …) and returns one array.
Program = Callable[..., np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The maximum lengths of the network's input, in pieces.

    Attributes:
        max_seq_length: the maximum tokens of a row.
        doc_stride, max_question_len: for reading comprehension; see `reading_comprehension.windows_of`.
    """

    max_seq_length: int = 256
    doc_stride: int = DOC_STRIDE
    max_question_len: int = MAX_QUESTION_LEN


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """Options of results.

    Attributes:
        top_k: candidates per [MASK], or answers per question.
        threshold: the minimum probability of a label, for multi-label.
        max_answer_len, no_answer_threshold: see `reading_comprehension.DecodingConfig`.

    Raises:
        ValueError: a value is out of range.
    """

    top_k: int = 1
    threshold: float = 0.5
    max_answer_len: int = MAX_ANSWER_LEN
    no_answer_threshold: float | None = None

    def __post_init__(self) -> None:
        checked(**vars(self))

    @property
    def decoding(self) -> DecodingConfig:
        """The options for answers."""
        return DecodingConfig(
            num_answers=self.top_k,
            max_answer_len=self.max_answer_len,
            no_answer_threshold=self.no_answer_threshold,
        )


@dataclass(frozen=True, kw_only=True)
class Features:
    """Examples as rows of ids.

    Attributes:
        rows: the inputs of the network. `owner` of a row is the index of its example.
        labels: one per row, or empty. The docstring of the task's class gives the shape.
        counts: how many examples were cut, read in windows or left out, by rule.
        tokens: for token labels only: the tokens of every example.
    """

    rows: Sequence[Row]
    labels: Sequence[np.ndarray | np.int64] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    tokens: Sequence[EncodedTokens] = ()


class Task:
    """The base class of all tasks. An instance holds labels and no state of a call.

    Args:
        labels: the names of the classes, in the order of their numbers.
        suffix: True if entity labels end with B, I, … instead of beginning with it.
    """

    name: ClassVar[str | None]
    architecture: ClassVar[str]  # the class of PaddleNLP for these weights
    has_classifier: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = True  # the classifier has one output per label
    num_texts: ClassVar[tuple[int, ...]] = (1, 2)  # allowed numbers of texts per example
    max_batch_tokens: ClassVar[int] = MAX_BATCH_TOKENS

    def __init__(self, *, labels: Sequence[Any] = (), suffix: bool = False) -> None:
        self.labels, self.suffix = tuple(labels), suffix

    # ---- The input of the network

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        """Turn examples into rows, with training labels if `with_labels`.

        Raises:
            DataError: an example is not valid, or has no known label.
        """
        raise NotImplementedError

    def inputs(self, batch: Batch, *, mask_id: int) -> tuple[np.ndarray, ...]:
        """Return the network's inputs: int64 (B, T), int64 (B, T), bool (B, T)."""
        return batch.input_ids, batch.token_type_ids, batch.attention_mask

    # ---- The network and its loss

    def make_network(self, config: ModelConfig) -> nn.Layer:
        """Make a network with random weights, drawn from the state of paddle.seed."""
        raise NotImplementedError

    @property
    def reads_pooler(self) -> bool:
        """True if the network reads the pooled state of [CLS].

        Only then does training change the pooler.
        """
        return False

    def unused_layers(self, network: nn.Layer) -> Sequence[nn.Layer]:
        """Return the layers that do not affect the network's outputs."""
        return () if self.reads_pooler else (network.bert.pooler,)

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Compute the network's output in training.

        Args:
            network: made by `make_network`.
            inputs: input_ids, token_type_ids, attention_mask, each (B, T). Two towers take all three twice.

        Returns:
            float32: (B, C) of texts, (B, T, C) of tokens.
        """
        return network(*inputs)

    def batch_labels(self, features: Features, batch: Batch) -> np.ndarray:
        """Return the labels of a batch's rows, int64 (B, …)."""
        return np.stack([features.labels[index] for index in batch.indices])

    def num_targets(self, labels: Any) -> Any:
        """Count the targets that the loss is averaged over.

        Args:
            labels: an array or a tensor, of a row or of a batch.
        """
        return (labels != IGNORED_LABEL).sum()

    def loss_sum(
        self, logits: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor | None
    ) -> paddle.Tensor:
        """Sum the loss over the targets of a batch.

        Padding does not change the sum. Labels of -100 are ignored.

        Args:
            logits: the network's output, float32.
            labels: int64, with the shape of `batch_labels`.
            attention_mask: bool (B, T), False at padding; None only if logits have no T.
        """
        return nn.functional.cross_entropy(
            logits.reshape([-1, logits.shape[-1]]), labels.reshape([-1]), ignore_index=IGNORED_LABEL, reduction="sum"
        )

    def loss(self, logits: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
        """Return the mean loss per target, float32 (); 0 for a batch without targets."""
        return self.loss_sum(logits, labels, attention_mask) / max(1.0, float(self.num_targets(labels)))

    # ---- From outputs to results

    def outputs_of_batch(
        self, outputs: np.ndarray, batch: Batch, *, mask_id: int, options: ResultOptions
    ) -> list[np.ndarray]:
        """Split the output of a batch, float32 (B, …), into one array per row."""
        return [self.row_output(output, length) for output, length in zip(outputs, batch.attention_mask.sum(axis=1))]

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        """Return what is kept of a row's output, (C,) or (T, C), with `length` tokens."""
        return output

    def output_shape(self, length: int) -> tuple[int, ...]:
        """Return the shape of `row_output`."""
        return (len(self.labels),)

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """Process the outputs of all rows together. Most tasks return them unchanged."""
        return outputs

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        """Compute one result per example from the outputs of all rows."""
        raise NotImplementedError

    # ---- For the Trainer of PaddleHub

    def probabilities(self, logits: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
        """Return the probabilities for the logits, of the same shape."""
        return nn.functional.softmax(logits)

    def batch_scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Score logits (B, …, C) and labels (B, …).

        hub.Trainer averages the scores and compares models by the first.
        """
        chosen = labels.reshape(-1) != IGNORED_LABEL
        right = logits.reshape(-1, logits.shape[-1]).argmax(-1)[chosen] == labels.reshape(-1)[chosen]
        return {"acc": float(right.mean()) if right.size else 0.0}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis; any shape (…, C)."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def rows_by_owner(features: Features, *, num_examples: int) -> list[list[int]]:
    """Return the indices of the rows of every example."""
    found: list[list[int]] = [[] for _ in range(num_examples)]
    for number, row in enumerate(features.rows):
        found[row.owner].append(number)
    return found
