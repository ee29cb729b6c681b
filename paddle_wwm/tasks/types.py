"""Types of the evaluation tasks that cross files: what a task is, its examples, and what was read. Texts are Python
strings; no Paddle.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Mapping


class TaskKind(enum.Enum):
    """What is predicted: a class of a text or a pair; a label of every token; a part of a passage."""

    CLASSIFICATION = "classification"
    TOKEN_LABELS = "token-labels"
    READING_COMPREHENSION = "reading-comprehension"


@dataclass(frozen=True, kw_only=True)
class TextExample:
    """A text, or a pair of texts in one sequence. label: None in a split without labels."""

    example_id: str
    text: str
    text_pair: str | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class TokenExample:
    """Tokens (of Chinese: characters) with a label each, or none in a split without labels."""

    example_id: str
    tokens: tuple[str, ...]
    labels: tuple[str, ...] | None = None


class AnswerKind(enum.Enum):
    """What the answer to a question is. All but SPAN stand for the whole passage."""

    SPAN = "span"
    YES = "yes"
    NO = "no"
    NONE = "none"  # the passage does not answer the question


@dataclass(frozen=True, kw_only=True)
class GoldAnswer:
    """An answer as a person gave it. characters: its place [start, end) in the context, repaired where the file's was
    wrong; None: not in it.
    """

    text: str
    characters: tuple[int, int] | None = None
    kind: AnswerKind = AnswerKind.SPAN


@dataclass(frozen=True, kw_only=True)
class QuestionExample:
    """A question, its passage, and the answers of all who were asked, none without labels; training takes the first,
    scores take the best.
    """

    example_id: str
    question: str
    context: str
    answers: tuple[GoldAnswer, ...] = ()


Example = TextExample | TokenExample | QuestionExample


@dataclass(frozen=True, kw_only=True)
class Split:
    """A split as it was read. counts: what was repaired or left out, by rule, 0 included; sha256: of the file's
    bytes.
    """

    name: str
    path: str
    sha256: str
    examples: tuple[Example, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_labels(self) -> bool:
        """Whether every example has what is to be predicted."""
        return all(
            (example.answers if isinstance(example, QuestionExample) else _labels(example)) for example in self.examples
        )


def _labels(example: TextExample | TokenExample) -> bool:
    return (example.label if isinstance(example, TextExample) else example.labels) is not None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One row of the table of tasks.

    name: for --task. title: as in the authors' tables. files: the names that a split's file may have, by split, the
    first that is there counts.
    reader: a name of `readers.READERS`. columns: what is what in it, by field ("text", "text_pair", "label", "tokens",
    "labels"), as a column's name or number. labels: in the order of their numbers; empty: those of the training split,
    sorted. metric: a name of `metrics.METRICS`; dev's main value (`main_score` of it) chooses the best checkpoint.
    learning_rates: the authors' best by family of models ("bert", "ernie", "bert-wwm"); learning_rate: where the model
    is of none.
    """

    name: str
    title: str
    kind: TaskKind
    files: Mapping[str, tuple[str, ...]]
    reader: str
    columns: Mapping[str, str | int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    metric: str = "accuracy"
    max_seq_length: int = 256
    batch_size: int = 64
    num_epochs: int = 3
    learning_rate: float = 3e-5
    learning_rates: Mapping[str, float] = field(default_factory=dict)


# scores of a set of predictions, in percent, by metric: {"accuracy": 94.7} or {"exact_match": 66.3, "f1": 85.6}
ScoreValues = Mapping[str, float]
