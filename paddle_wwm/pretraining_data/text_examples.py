"""Make examples of texts: pairs, cuts that leave no part of a word, special tokens."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..errors import DataError
from ..tokenization.vocab import Vocab
from .examples import PretrainExample
from .segments import NO_PAIR


def group_of(text: Any, *, number: int) -> tuple[str, ...]:
    """Return a text as a tuple of one, or a pair as a tuple of two."""
    group = tuple(text) if isinstance(text, (tuple, list)) else (text,)
    if len(group) not in (1, 2) or not all(isinstance(part, str) for part in group):
        raise DataError(f"text {number} must be a str or a pair of str, but is {text!r}.")
    return group


def cut_sizes(sizes: Sequence[int], *, max_pieces: int) -> list[int]:
    """Return the sizes after cutting, so that all texts fit.

    The longer text of a pair is cut first.
    """
    if len(sizes) == 1:
        return [min(sizes[0], max_pieces)]
    second = min(sizes[1], max(max_pieces // 2, max_pieces - sizes[0]))
    return [min(sizes[0], max_pieces - second), second]


def whole_words(starts: np.ndarray, size: int) -> np.ndarray:
    """Return the word starts of the first `size` pieces; bool, shape (at most size,).

    A last word that would be cut is left out. A word that is longer than `size` leaves pieces without a start, which
    are not selected.
    """
    if size == len(starts) or starts[size]:
        return starts[:size]
    last = int(np.flatnonzero(starts[:size])[-1])
    return starts[:last] if last else np.zeros(size, bool)


def example_of(ids: Sequence[np.ndarray], starts: Sequence[np.ndarray], *, vocab: Vocab) -> PretrainExample:
    """Make [CLS] first [SEP], or [CLS] first [SEP] second [SEP].

    Args:
        ids: The ids of one or two texts, int (T,) each.
        starts: bool (T,) each, True where a piece starts a word.
        vocab: The vocabulary of the ids.
    """
    special, types = [np.array([True])], [np.array([0])]
    for number, part in enumerate(ids):
        special += [np.zeros(len(part), bool), np.array([True])]
        types.append(np.full(len(part) + 1, number))
    return PretrainExample(
        input_ids=np.concatenate([[vocab.cls_id], *(np.append(part, vocab.sep_id) for part in ids)]).astype(np.int64),
        token_type_ids=np.concatenate(types).astype(np.int64),
        word_starts=np.concatenate([[False], *(np.append(part, False) for part in starts)]).astype(bool),
        special_tokens_mask=np.concatenate(special),
        next_sentence_label=NO_PAIR,
    )
