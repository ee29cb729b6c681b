"""Which kind of answer a question has, from what a network says of each of its windows. Without Paddle."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from .types import AnswerKind

KINDS = tuple(AnswerKind)  # in the order of a network's logits
KIND_TEXTS = {AnswerKind.YES: "YES", AnswerKind.NO: "NO", AnswerKind.NONE: ""}  # as CJRC's files and its scores write them


def kind_of_windows(logits: Sequence[np.ndarray]) -> AnswerKind:
    """logits: one array (4,) a window. A kind is as probable as in the window that is surest of it; that there is no answer, as in the one that
    is least sure: a window without the answer says nothing about the others."""
    values = np.asarray(logits, np.float64)
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=-1, keepdims=True)
    scores = probabilities.max(axis=0)
    scores[KINDS.index(AnswerKind.NONE)] = probabilities[:, KINDS.index(AnswerKind.NONE)].min()
    return KINDS[int(scores.argmax())]
