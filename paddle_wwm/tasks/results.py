"""What a task says of an example: the same values whoever asks for them.

Every result has `shown` (what a hub module returns), `shown_probabilities` (what it adds on request) and, where a
metric exists, `predicted` (what evaluation writes to a file and scores).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Sequence

import numpy as np

from .examples import AnswerKind


class Result(Protocol):
    """What all results have."""

    @property
    def shown(self) -> Any: ...

    @property
    def shown_probabilities(self) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """The class of a text or a pair. probabilities: (C,), of every class."""

    label: Any
    probabilities: np.ndarray

    @property
    def shown(self) -> Any:
        return self.label

    @property
    def shown_probabilities(self) -> list[float]:
        return self.probabilities.tolist()

    @property
    def predicted(self) -> Any:
        return self.label


@dataclass(frozen=True, kw_only=True)
class LabelSetResult:
    """All classes that apply to a text or a pair. probabilities: (C,), of every class."""

    labels: tuple[Any, ...]
    probabilities: np.ndarray

    @property
    def shown(self) -> list[Any]:
        return list(self.labels)

    @property
    def shown_probabilities(self) -> list[float]:
        return self.probabilities.tolist()


@dataclass(frozen=True, kw_only=True)
class TokenLabelsResult:
    """The labels of a text's tokens, and what they label.

    Attributes:
        labels: one per token; `outside` for a token without pieces.
        characters: where each token stands in the text, [start, end).
        first_pieces: the number of the piece whose output gave the label, -1 for a token without pieces.
        probabilities: (pieces, C), of every piece of the text.
        outside: the label of what no piece stands for; None where no label means that.
        first_label: the label with number 0.
    """

    labels: tuple[Any, ...]
    characters: Sequence[tuple[int, int]]
    first_pieces: Sequence[int]
    probabilities: np.ndarray
    outside: Any
    first_label: Any

    @property
    def shown(self) -> list[Any]:
        return list(self.labels)

    @property
    def shown_probabilities(self) -> list[list[float] | None]:
        return [None if first < 0 else self.probabilities[first].tolist() for first in self.first_pieces]

    @property
    def predicted(self) -> tuple[Any, ...]:
        # a file of predictions must have a label for every token, and a metric compares it with the gold label
        return tuple(self.first_label if label is None else label for label in self.labels)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """context[start:end] == text. score: its probability among all answers that were allowed. No answer is the empty
    text at 0.
    """

    text: str
    score: float
    start: int
    end: int

    @property
    def plain(self) -> dict[str, Any]:
        return {"text": self.text, "score": self.score, "start": self.start, "end": self.end}


@dataclass(frozen=True, kw_only=True)
class AnswersResult:
    """The answers to a question, best first.

    Attributes:
        answers: parts of the passage; before them the answer of another kind, where the model says there is one.
        best_span: the best part of the passage, "" where there is none.
        no_answer_margin: by how much no answer beats the best part of the passage, in logits.
        kind: what the best answer is; None for a model without kinds of answers.
    """

    answers: tuple[Answer, ...]
    best_span: str
    no_answer_margin: float
    kind: AnswerKind | None = None

    @property
    def shown(self) -> dict[str, Any]:
        plain = [answer.plain for answer in self.answers]
        best = plain[0] if plain else Answer(text="", score=0.0, start=0, end=0).plain
        return {**best, **({} if self.kind is None else {"kind": self.kind.value}), "answers": plain}

    @property
    def shown_probabilities(self) -> list[float]:
        return [answer.score for answer in self.answers]

    @property
    def predicted(self) -> str:
        return self.answers[0].text if self.answers else ""


@dataclass(frozen=True, kw_only=True)
class FilledToken:
    """A candidate for a [MASK]. score: its probability over the whole vocabulary."""

    token: str
    score: float


@dataclass(frozen=True, kw_only=True)
class FilledTextResult:
    """A text with the best token for every [MASK]. masks: the candidates of each, best first."""

    text: str
    masks: tuple[tuple[FilledToken, ...], ...]

    @property
    def shown(self) -> dict[str, Any]:
        masks = [[{"token": one.token, "score": one.score} for one in candidates] for candidates in self.masks]
        return {"text": self.text, "masks": masks}

    @property
    def shown_probabilities(self) -> list[list[float]]:
        return [[one.score for one in candidates] for candidates in self.masks]


@dataclass(frozen=True, kw_only=True)
class StatesResult:
    """The encoder's states. pooled: (D,), None without a trained pooler; hidden: (T, D), with [CLS] and [SEP]."""

    pooled: np.ndarray | None
    hidden: np.ndarray

    @property
    def shown(self) -> list[Any]:
        return [self.pooled, self.hidden]

    @property
    def shown_probabilities(self) -> None:
        return None
