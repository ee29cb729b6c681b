"""The results of a task. Hub modules and evaluation use the same classes.

Every result has `shown` (what a hub module returns) and `shown_probabilities` (what it adds on request). If the task
has a metric, the result also has `predicted` (what evaluation writes to a file and scores).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Mapping, Protocol, Sequence

import numpy as np

from .entities import EncodedTokens, LabelScheme, entities_of
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


class TextLabels(list):
    """The labels of a text, one per token: an ordinary list that also knows the text.

    It is equal to a plain list of the labels, and JSON and pickle write it as one: a reader may lack this class, which
    is in the module's copy of the code. Copies keep the attributes.

    Attributes:
        offsets: for each label the characters [start, end) that it labels.
        pieces: the pieces that the model read, such as "##ing".
        piece_offsets: for each piece its characters [start, end).
        entities: the entities in the labels: {"start", "end", "text", "label", "score"}, in the order of the text.
            `score` is the mean probability of the labels of the entity's pieces.
    """

    def __init__(
        self,
        labels: Sequence[Any],
        *,
        offsets: Sequence[tuple[int, int]],
        pieces: Sequence[str],
        piece_offsets: Sequence[tuple[int, int]],
        entities: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__(labels)
        self.offsets, self.pieces, self.piece_offsets = list(offsets), list(pieces), list(piece_offsets)
        self.entities = list(entities)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)

    def __copy__(self) -> TextLabels:
        return TextLabels(self, **vars(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> TextLabels:
        return TextLabels(self, **copy.deepcopy(vars(self), memo))

    @property
    def with_entities(self) -> dict[str, Any]:
        """The labels with their offsets and the entities, for JSON."""
        return {"labels": list(self), "offsets": self.offsets, "entities": self.entities}


@dataclass(frozen=True, kw_only=True)
class TokenLabelsResult:
    """The labels of a text's tokens.

    Attributes:
        tokens: the tokens and the pieces of the text.
        labels: one per token.
        pieces: the text of every piece.
        labels_of_pieces: the label of every piece.
        probabilities: (pieces, C), for every piece.
        scheme: the scheme of the labels.
        labels_of_ends: the labels of [CLS] and [SEP].
        probabilities_of_ends: (2, C).
        classes: all labels of the model, in the order of their numbers.
    """

    tokens: EncodedTokens
    labels: tuple[Any, ...]
    pieces: Sequence[str]
    labels_of_pieces: Sequence[Any]
    probabilities: np.ndarray
    scheme: LabelScheme
    labels_of_ends: tuple[Any, Any]
    probabilities_of_ends: np.ndarray
    classes: tuple[Any, ...]

    @property
    def characters(self) -> Sequence[tuple[int, int]]:
        """The characters [start, end) of each token in the text."""
        return self.tokens.characters

    @property
    def shown(self) -> TextLabels:
        entities = entities_of(
            self.tokens,
            self.labels_of_pieces,
            scores_of_pieces=self.probabilities.max(axis=-1, initial=0.0).tolist(),
            scheme=self.scheme,
        )
        return TextLabels(
            self.labels,
            offsets=self.characters,
            pieces=self.pieces,
            piece_offsets=[(start, end) for start, end in self.tokens.piece_places.tolist()],
            entities=[dict(vars(entity)) for entity in entities],
        )

    @property
    def shown_probabilities(self) -> list[list[float]]:
        """The probabilities of the classes, one list per label.

        A token without pieces has its label by a rule: probability 1; 0 for all classes, if its label is None.
        """
        by_rule = {label: row.tolist() for label, row in zip(self.classes, np.eye(len(self.classes)))}
        nothing = [0.0] * len(self.classes)
        return [
            by_rule.get(label, nothing) if first < 0 else self.probabilities[first].tolist()
            for first, label in zip(self.tokens.first_pieces, self.labels)
        ]

    @property
    def predicted(self) -> tuple[Any, ...]:
        # a prediction file must have a label for every token; the metric compares it with the gold label
        return tuple(self.classes[0] if label is None else label for label in self.labels)


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
        extra: what the caller wrote into the question besides the question and the context, such as its id.
    """

    answers: tuple[Answer, ...]
    best_span: str
    no_answer_margin: float
    kind: AnswerKind | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> dict[str, Any]:
        plain = [answer.plain for answer in self.answers]
        best = plain[0] if plain else Answer(text="", score=0.0, start=0, end=0).plain
        return {**self.extra, **best, **({} if self.kind is None else {"kind": self.kind.value}), "answers": plain}

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
class MaskPlace:
    """The place of a [MASK].

    `text[start:end]` of the caller's text is "[MASK]"; `text[filled_start:filled_end]` of the result is its best token.
    """

    start: int
    end: int
    filled_start: int
    filled_end: int


@dataclass(frozen=True, kw_only=True)
class FilledTextResult:
    """A text with the best token in the place of every [MASK].

    `masks` has the candidates for each [MASK], best first, and `places` its place.
    """

    text: str
    masks: tuple[tuple[FilledToken, ...], ...]
    places: tuple[MaskPlace, ...]

    @property
    def shown(self) -> dict[str, Any]:
        masks = [[{"token": one.token, "score": one.score} for one in candidates] for candidates in self.masks]
        return {"text": self.text, "masks": masks, "places": [dict(vars(place)) for place in self.places]}

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
