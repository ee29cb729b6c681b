"""Questions that no part of the passage answers: YES, NO and no answer. Without Paddle.

Two ways, by data set. A classifier over AnswerKind on [CLS] of every window, beside the logits of the span
(`kind_of_windows`; CJRC). Or SQuAD 2.0's: no answer is the span of [CLS] alone, and wins by more than a threshold that
a development set gives (`best_no_answer_threshold`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from .examples import AnswerKind, Example, GoldAnswer, QuestionExample

KINDS = tuple(AnswerKind)  # in the order of the classifier's logits
KIND_TEXTS = {
    AnswerKind.YES: "YES",
    AnswerKind.NO: "NO",
    AnswerKind.NONE: "",
}  # as CJRC's files and its scores write them


@dataclass(frozen=True, kw_only=True)
class NoAnswerThreshold:
    """value: for DecodingConfig.no_answer_threshold. score: the mean that it reaches on the questions it was
    found on.
    """

    value: float
    score: float


def training_answer(example: QuestionExample) -> GoldAnswer | None:
    """The first answer that can be taught: not a span, or a span whose place in the passage is known. None where there
    is none.
    """
    return next(
        (answer for answer in example.answers if answer.kind is not AnswerKind.SPAN or answer.characters is not None),
        None,
    )


def uses_kinds(examples: Sequence[Example]) -> bool:
    """Return True if training examples have answers other than parts of the passage."""
    answers = (training_answer(example) for example in examples if isinstance(example, QuestionExample))
    return any(answer is not None and answer.kind is not AnswerKind.SPAN for answer in answers)


def kind_of_windows(logits: Sequence[np.ndarray]) -> AnswerKind:
    """The kind of a question's answer. logits: an array (kinds,) for every window.

    A kind is as probable as in the window that is surest of it. That nothing answers takes every window's word: of
    NONE the lowest counts.
    """
    values = np.asarray(logits, np.float64)
    exponents = np.exp(values - values.max(axis=1, keepdims=True))
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    best = probabilities.max(axis=0)
    none = KINDS.index(AnswerKind.NONE)
    best[none] = probabilities[:, none].min()
    return KINDS[int(best.argmax())]


def best_no_answer_threshold(
    margins: np.ndarray, *, span_scores: np.ndarray, no_answer_scores: np.ndarray
) -> NoAnswerThreshold:
    """The threshold with the highest mean score on a development set; of equal ones that next to 0.

    margins: (questions,), `AnswersResult.no_answer_margin` of each; a question goes without an answer where its margin
    is above the threshold.
    span_scores, no_answer_scores: (questions,), what its best span and the empty answer would score. Raises ValueError
    without questions.
    """
    if not len(margins):
        raise ValueError("a threshold needs questions to be found on, but there are none.")
    order = np.argsort(margins, kind="stable")
    margins = np.asarray(margins, np.float64)[order]
    gains = (np.asarray(span_scores, np.float64) - np.asarray(no_answer_scores, np.float64))[order]
    margins = margins[np.isfinite(margins)]  # a question without any span has no answer, whatever the threshold
    if not len(margins):
        return NoAnswerThreshold(value=0.0, score=float(np.mean(no_answer_scores)))
    # totals[k]: with the first k margins at or below the threshold, so that their spans are taken
    totals = np.sum(no_answer_scores, dtype=np.float64) + np.concatenate([[0.0], np.cumsum(gains[: len(margins)])])
    below, above = np.concatenate([[margins[0] - 2], margins]), np.concatenate([margins, [margins[-1] + 2]])
    apart = below < above
    values = np.where((below <= 0) & (above > 0), 0.0, (below + above) / 2)[apart]
    reached = totals[apart]
    best = np.flatnonzero(reached >= reached.max() - 1e-9)
    chosen = best[np.abs(values[best]).argmin()]
    return NoAnswerThreshold(value=float(values[chosen]), score=float(reached[chosen] / len(order)))
