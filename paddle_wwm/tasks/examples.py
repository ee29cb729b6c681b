"""What is read and labelled: examples of every task. Texts are Python strings; no Paddle."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Sequence

from ..errors import DataError


class TaskName(enum.StrEnum):
    """The tasks that data sets are read for; `task_table.TASKS` has the class of each."""

    SEQ_CLS = "seq-cls"  # a class of a text or a pair
    TOKEN_CLS = "token-cls"  # a label of every token
    QUESTION_ANSWERING = "question-answering"  # a part of a passage


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


def has_label(example: Example) -> bool:
    """Return True if an example has what is to be predicted."""
    if isinstance(example, QuestionExample):
        return bool(example.answers)
    return (example.label if isinstance(example, TextExample) else example.labels) is not None


def label_numbers(labels: Sequence[Any]) -> dict[Any, int]:
    """Return the number of every label."""
    return {label: number for number, label in enumerate(labels)}


def label_number(example_id: str, label: str | None, numbers: dict[Any, int]) -> int:
    """Return the number of an example's label. Raises DataError where it has none, or one that is unknown."""
    if label is None:
        raise DataError(f"example {example_id}: has no label, so it cannot be trained on.")
    if label not in numbers:
        known = ", ".join(map(str, list(numbers)[:20]))
        raise DataError(
            f"example {example_id}: the label {label!r} is none of those of the model and the training split: {known}."
        )
    return numbers[label]
