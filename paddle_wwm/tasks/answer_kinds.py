"""Answers that are not a part of the passage: YES, NO and no answer. This module does not need Paddle.

There are two methods, by data set:

- CJRC: a classifier over AnswerKind reads [CLS] of every window, in addition to the span logits (`kind_of_windows`).
- SQuAD 2.0: "no answer" is the span of [CLS] alone. It wins if its logit is higher than that of the best span by more
  than a threshold, which is chosen on a development set (`best_no_answer_threshold`).
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
}  # the texts in CJRC's files and in its metric


@dataclass(frozen=True, kw_only=True)
class NoAnswerThreshold:
    """A threshold for `DecodingConfig.no_answer_threshold`.

    Attributes:
        value: the threshold.
        score: the mean score with this threshold on the questions that it was chosen on.
    """

    value: float
    score: float


def training_answer(example: QuestionExample) -> GoldAnswer | None:
    """Return the first answer that training can use, or None.

    An answer can be used if it is not a span, or if the position of the span in the passage is known.
    """
    return next(
        (answer for answer in example.answers if answer.kind is not AnswerKind.SPAN or answer.characters is not None),
        None,
    )


def uses_kinds(examples: Sequence[Example]) -> bool:
    """Return True if training examples have answers that are not spans."""
    answers = (training_answer(example) for example in examples if isinstance(example, QuestionExample))
    return any(answer is not None and answer.kind is not AnswerKind.SPAN for answer in answers)


def kind_of_windows(logits: Sequence[np.ndarray]) -> AnswerKind:
    """Return the kind of a question's answer.

    The probability of a kind is the highest over all windows. For NONE it is the lowest, because a passage has no
    answer only if no window has one.

    Args:
        logits: an array of shape (kinds,) for every window.
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
    """Return the threshold with the highest mean score on a development set.

    If several thresholds are equally good, the one nearest to 0 is returned.

    Args:
        margins: (questions,), `AnswersResult.no_answer_margin`. If the margin of a question is above the threshold,
            the prediction is "no answer".
        span_scores: (questions,), the score of each question's best span.
        no_answer_scores: (questions,), the score of the empty answer.

    Raises:
        ValueError: there are no questions.
    """
    if not len(margins):
        raise ValueError("a threshold must be chosen on at least one question, but there are 0.")
    order = np.argsort(margins, kind="stable")
    margins = np.asarray(margins, np.float64)[order]
    gains = (np.asarray(span_scores, np.float64) - np.asarray(no_answer_scores, np.float64))[order]
    margins = margins[np.isfinite(margins)]  # without any span the prediction is "no answer" for every threshold
    if not len(margins):
        return NoAnswerThreshold(value=0.0, score=float(np.mean(no_answer_scores)))
    # totals[k]: the score if the first k margins are at or below the threshold, so that their spans are predicted
    totals = np.sum(no_answer_scores, dtype=np.float64) + np.concatenate([[0.0], np.cumsum(gains[: len(margins)])])
    below, above = np.concatenate([[margins[0] - 2], margins]), np.concatenate([margins, [margins[-1] + 2]])
    apart = below < above
    values = np.where((below <= 0) & (above > 0), 0.0, (below + above) / 2)[apart]
    reached = totals[apart]
    best = np.flatnonzero(reached >= reached.max() - 1e-9)
    chosen = best[np.abs(values[best]).argmin()]
    return NoAnswerThreshold(value=float(values[chosen]), score=float(reached[chosen] / len(order)))
