"""Which piece starts a word: decided by character offsets alone, so no word is ever looked up or guessed again.

The boundaries are the positions at which the segmenter's words begin. A piece starts a word exactly when a boundary lies between the end
of the piece before it and its own start, both included (removed characters, such as spaces, leave gaps between pieces). A boundary in
the inside of a piece (LAC cuts some English words into letters) cannot be kept: the piece ties those words together.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np


def word_starts(*, piece_spans: Sequence[tuple[int, int]], word_spans: Sequence[tuple[int, int]]) -> np.ndarray:
    """bool, shape (num_pieces,): True where a piece starts a word. The first piece always does."""
    if not piece_spans:
        return np.zeros(0, bool)
    pieces = np.asarray(piece_spans, np.int64)
    boundaries = np.asarray([start for start, _ in word_spans], np.int64)
    starts = np.ones(len(pieces), bool)
    previous_ends = pieces[:-1, 1]
    next_boundary = np.searchsorted(boundaries, previous_ends, side="left")
    found = next_boundary < len(boundaries)
    starts[1:] = found & (boundaries[np.minimum(next_boundary, len(boundaries) - 1)] <= pieces[1:, 0])
    return starts


def num_pieces_across_words(*, piece_spans: Sequence[tuple[int, int]], word_spans: Sequence[tuple[int, int]]) -> int:
    """How many pieces have a word boundary in their inside."""
    if not piece_spans:
        return 0
    pieces = np.asarray(piece_spans, np.int64)
    boundaries = np.asarray([start for start, _ in word_spans], np.int64)
    first_inside = np.searchsorted(boundaries, pieces[:, 0], side="right")
    return int((first_inside < np.searchsorted(boundaries, pieces[:, 1], side="left")).sum())
