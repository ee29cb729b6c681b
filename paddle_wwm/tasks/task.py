"""What a task is: one class that reads examples, makes the network, and defines its loss and its results.

Fine-tuning, evaluation and hub modules use the same class, so a number means the same in each of them::

    examples ──► encode ──► rows ──► network ──► outputs_of_batch ──► combine ──► results
                   │                    │
                   └──► labels ──► loss_sum / num_targets

A new task is a file with a subclass and a row of `task_table.TASKS`.
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
from .examples import Example
from .reading_comprehension import DOC_STRIDE, MAX_ANSWER_LEN, MAX_QUESTION_LEN, DecodingConfig
from .results import Result
from .rows import MAX_BATCH_TOKENS, Batch, Row

# Arrays in, one array out: input_ids, token_type_ids, attention_mask, and what else `Task.inputs` gives it.
Program = Callable[..., np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How long what the network reads may be, in pieces; doc_stride and max_question_len are of passages."""

    max_seq_length: int = 256
    doc_stride: int = DOC_STRIDE
    max_question_len: int = MAX_QUESTION_LEN


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """What a caller may ask of results. Raises ValueError for a number out of range.

    Attributes:
        top_k: candidates per [MASK], or answers per question.
        threshold: the least probability of a label of multi-label.
        max_answer_len, no_answer_threshold: see `reading_comprehension.DecodingConfig`.
    """

    top_k: int = 1
    threshold: float = 0.5
    max_answer_len: int = MAX_ANSWER_LEN
    no_answer_threshold: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.top_k, int) or isinstance(self.top_k, bool) or self.top_k < 1:
            raise ValueError(f"`top_k` must be at least 1, but is {self.top_k!r}.")
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"`threshold` must be between 0 and 1, but is {self.threshold!r}.")
        _ = self.decoding  # checks the others

    @property
    def decoding(self) -> DecodingConfig:
        """The options of answers."""
        return DecodingConfig(
            num_answers=self.top_k,
            max_answer_len=self.max_answer_len,
            no_answer_threshold=self.no_answer_threshold,
        )


@dataclass(frozen=True, kw_only=True)
class Features:
    """Examples as rows of ids.

    Attributes:
        rows: what the network reads; a row's `owner` is the number of its example.
        labels: one per row, empty without labels; the shape is that of the task's `encode`.
        counts: how many examples were cut, read in windows or left out, by rule.
        tokens: of token labels only, the tokens of every example.
    """

    rows: Sequence[Row]
    labels: Sequence[np.ndarray | np.int64] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    tokens: Sequence[EncodedTokens] = ()


@dataclass(frozen=True, kw_only=True)
class EncodedTokens:
    """The tokens of a text that get a label each.

    Attributes:
        num_pieces: pieces of the whole text.
        first_pieces: the number of each token's first piece, -1 for a token without pieces.
        characters: where each token stands in the text, [start, end).
    """

    num_pieces: int
    first_pieces: Sequence[int]
    characters: Sequence[tuple[int, int]]


class Task:
    """The base of all tasks. An object holds its labels and nothing of a single call.

    Args:
        labels: the names of the classes, in the order of their numbers.
        suffix: entity labels end in B, I, … instead of beginning with them.
    """

    name: ClassVar[str | None]
    architecture: ClassVar[str]  # PaddleNLP's class for such weights
    has_classifier: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = True  # the classifier has an output per label
    num_texts: ClassVar[tuple[int, ...]] = (1, 2)  # texts of an example
    max_batch_tokens: ClassVar[int] = MAX_BATCH_TOKENS

    def __init__(self, *, labels: Sequence[Any] = (), suffix: bool = False) -> None:
        self.labels, self.suffix = tuple(labels), suffix

    # ---- What the network reads

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        """Turn examples into rows, with labels to train on where they are asked for.

        Raises:
            DataError: an example cannot be read, or lacks a label that the task knows.
        """
        raise NotImplementedError

    def inputs(self, batch: Batch, *, mask_id: int) -> tuple[np.ndarray, ...]:
        """Return the arrays that the network's program takes for a batch."""
        return batch.input_ids, batch.token_type_ids, batch.attention_mask

    # ---- The network and its loss

    def make_network(self, config: ModelConfig) -> nn.Layer:
        """Make a network whose weights are random, drawn from paddle.seed's state."""
        raise NotImplementedError

    def unused_layers(self, network: nn.Layer) -> Sequence[nn.Layer]:
        """Return the layers that the network's outputs do not depend on."""
        return ()

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Compute the network's output in training.

        Args:
            network: one of `make_network`.
            inputs: input_ids, token_type_ids, attention_mask, each (B, T); of two towers twice.
        """
        return network(*inputs)

    def batch_labels(self, features: Features, batch: Batch) -> np.ndarray:
        """Return the labels of a batch's rows, int64 (B, …)."""
        return np.stack([features.labels[index] for index in batch.indices])

    def num_targets(self, labels: Any) -> Any:
        """Count what the loss of these labels (array or tensor, of a row or a batch) is a mean over."""
        return (labels != IGNORED_LABEL).sum()

    def loss_sum(
        self, logits: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor | None
    ) -> paddle.Tensor:
        """Sum the loss over the targets of a batch. It does not depend on padding; a label of -100 is left out.

        Args:
            logits: the network's output.
            labels: int64, of the shape of `batch_labels`.
            attention_mask: bool (B, T), False at padding; None only where logits have no T.
        """
        return nn.functional.cross_entropy(
            logits.reshape([-1, logits.shape[-1]]), labels.reshape([-1]), ignore_index=IGNORED_LABEL, reduction="sum"
        )

    def loss(self, logits: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
        """Return the mean loss per target, 0 for a batch without targets."""
        return self.loss_sum(logits, labels, attention_mask) / max(1.0, float(self.num_targets(labels)))

    # ---- From outputs to results

    def outputs_of_batch(
        self, outputs: np.ndarray, batch: Batch, *, mask_id: int, options: ResultOptions
    ) -> list[np.ndarray]:
        """Cut a batch's output into one array per row, without padding."""
        return [self.row_output(output, length) for output, length in zip(outputs, batch.attention_mask.sum(axis=1))]

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        """Return what counts of the output of a row with `length` tokens."""
        return output

    def output_shape(self, length: int) -> tuple[int, ...]:
        """Return the shape of `row_output`."""
        return (len(self.labels),)

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """Let the network make more of the outputs of all rows; most tasks need no more."""
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
        """Return one result per example, from the outputs of all rows."""
        raise NotImplementedError

    # ---- While PaddleHub's Trainer trains

    def probabilities(self, logits: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
        """Return the probabilities that the logits stand for."""
        return nn.functional.softmax(logits)

    def batch_scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Score a batch; hub.Trainer averages the scores and compares models by the first."""
        chosen = labels.reshape(-1) != IGNORED_LABEL
        right = logits.reshape(-1, logits.shape[-1]).argmax(-1)[chosen] == labels.reshape(-1)[chosen]
        return {"acc": float(right.mean()) if right.size else 0.0}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def rows_by_owner(features: Features, *, num_examples: int) -> list[list[int]]:
    """Return the numbers of the rows of every example."""
    found: list[list[int]] = [[] for _ in range(num_examples)]
    for number, row in enumerate(features.rows):
        found[row.owner].append(number)
    return found
