"""Examples of every task: texts and their labels. This module does not need Paddle."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ..errors import DataError


class TaskName(enum.StrEnum):
    """The tasks that have data sets. `task_table.TASKS` has the class of each."""

    SEQ_CLS = "seq-cls"  # a class for a text or a pair
    TOKEN_CLS = "token-cls"  # a label for every token
    QUESTION_ANSWERING = "question-answering"  # a part of a passage


@dataclass(frozen=True, kw_only=True)
class TextExample:
    """A text or a pair of texts. `label`: None in a split without labels."""

    example_id: str
    text: str
    text_pair: str | None = None
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class TokenExample:
    """Tokens (Chinese: characters).

    Attributes:
        labels: one per token; None in a split without labels.
        separator: the text between two tokens.
    """

    example_id: str
    tokens: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    separator: str = ""


class AnswerKind(enum.Enum):
    """The kind of an answer. Every kind except SPAN is about the whole passage."""

    SPAN = "span"
    YES = "yes"
    NO = "no"
    NONE = "none"  # the passage does not answer the question


@dataclass(frozen=True, kw_only=True)
class GoldAnswer:
    """An answer that a person gave.

    Attributes:
        text: the answer.
        characters: its position [start, end) in the context, corrected if the file has a wrong one. None if the
            context does not contain the answer.
        kind: the kind of the answer.
    """

    text: str
    characters: tuple[int, int] | None = None
    kind: AnswerKind = AnswerKind.SPAN


@dataclass(frozen=True, kw_only=True)
class QuestionExample:
    """A question, its passage (`context`), and the answers that people gave.

    Attributes:
        answers: empty in a split without labels. Training uses the first answer; metrics use the best match.
        extra: other entries that the result repeats, such as the caller's own id.
    """

    example_id: str
    question: str
    context: str
    answers: tuple[GoldAnswer, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)


Example = TextExample | TokenExample | QuestionExample


def has_label(example: Example) -> bool:
    """Return True if an example has a label, labels or an answer."""
    if isinstance(example, QuestionExample):
        return bool(example.answers)
    return (example.label if isinstance(example, TextExample) else example.labels) is not None


def label_numbers(labels: Sequence[Any]) -> dict[Any, int]:
    """Return the number of every label."""
    return {label: number for number, label in enumerate(labels)}


def label_number(example_id: str, label: str | None, numbers: dict[Any, int]) -> int:
    """Return the number of an example's label.

    Raises:
        DataError: the example has no label, or an unknown one.
    """
    if label is None:
        raise DataError(f"example {example_id}: has no label, so it cannot be trained on.")
    if label not in numbers:
        known = ", ".join(map(str, list(numbers)[:20]))
        raise DataError(
            f"example {example_id}: the label must be one of the model and the training split ({known}), but is "
            f"{label!r}."
        )
    return numbers[label]
