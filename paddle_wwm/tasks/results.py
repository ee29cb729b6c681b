"""The results of a task. Hub modules and evaluation use the same classes.

Every result has `shown` (what a hub module returns) and `shown_probabilities` (what it adds on request). If the task
has a metric, the result also has `predicted` (what evaluation writes to a file and scores).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Sequence

import numpy as np

from .examples import AnswerKind


class Result(Protocol):
    """The interface of all results."""

    @property
    def shown(self) -> Any: ...

    @property
    def shown_probabilities(self) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """The class of a text or a pair. `probabilities`: (C,), one per class."""

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
    """The classes that apply to a text or pair. `probabilities`: (C,), one per class."""

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
    """The labels of a text's tokens, and the positions of the tokens.

    Attributes:
        labels: one per token; `outside` for a token without pieces.
        characters: the characters [start, end) of each token in the text.
        first_pieces: the index of the piece that gave the label; -1 for a token without pieces.
        probabilities: (pieces, C), for every piece of the text.
        outside: the label of a token without pieces; None if the labels have no "O".
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
        # a prediction file must have a label for every token; the metric compares it with the gold label
        return tuple(self.first_label if label is None else label for label in self.labels)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer: `context[start:end] == text`. "No answer" is the empty text at 0.

    `score` is its probability among all allowed answers.
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
        answers: parts of the passage; the answer YES, NO or none comes first, if the model predicts that kind.
        best_span: the best part of the passage; "" if there is no span.
        no_answer_margin: the logit of "no answer" minus the logit of the best span.
        kind: the kind of the best answer; None for a model without kinds.
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
    """A candidate for a [MASK]. `score`: its probability over the whole vocabulary."""

    token: str
    score: float


@dataclass(frozen=True, kw_only=True)
class FilledTextResult:
    """A text with the best token in the place of every [MASK].

    `masks` has the candidates for each [MASK], best first.
    """

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
    """The encoder's states of a text.

    Attributes:
        pooled: (D,); None without a trained pooler.
        hidden: (T, D), with [CLS] and [SEP].
    """

    pooled: np.ndarray | None
    hidden: np.ndarray

    @property
    def shown(self) -> list[Any]:
        return [self.pooled, self.hidden]

    @property
    def shown_probabilities(self) -> None:
        return None
