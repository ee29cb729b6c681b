"""Decide which pieces start a word, from character offsets only.

A piece starts a word if and only if a boundary of the segmenter lies between the end of the piece before it and its
own start, both included. (There are gaps between pieces where characters, such as spaces, were removed.) The first
piece of a text always starts a word.

A boundary inside a piece cannot be kept, so the words on both sides become one word. This happens because LAC cuts
some English words into letters. There is no boundary between pieces that share one span (the letters of a Hangul
syllable), so they stay in one word.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from .library import Pieces


def align(pieces: Pieces, *, boundaries: np.ndarray, report: Counter) -> np.ndarray:
    """Return which pieces of a batch start a word. bool, shape (num_pieces,).

    If the offsets of the pieces of a text decrease, they cannot be aligned with words. Then every piece of that text
    is a word.

    Args:
        pieces: The pieces of the texts.
        boundaries: bool, shape (num_characters,), True where a word starts in the concatenated texts.
        report: "sentences_aligned_by_piece" counts the texts that could not be aligned. "pieces_across_words" counts
            the pieces of all other texts with a boundary inside the piece.
    """
    boundaries_before = np.zeros(len(boundaries) + 1, np.int32)  # for each position, the number of boundaries before it
    np.cumsum(boundaries, out=boundaries_before[1:])
    up_to_start = boundaries_before[1:][pieces.starts]
    before_end = boundaries_before[pieces.ends]
    word_starts = np.ones(len(pieces), bool)
    # a boundary at the start of the piece counts, and so does a boundary at the end of the piece before it
    word_starts[1:] = up_to_start[1:] > before_end[:-1]
    sizes = np.diff(pieces.text_offsets)
    first_of_text = pieces.text_offsets[:-1][sizes > 0]
    word_starts[first_of_text] = True
    across = before_end > up_to_start

    falls = np.zeros(len(pieces), bool)
    # never True at the first piece of a text, because spans count in the concatenated texts
    falls[1:] = pieces.starts[1:] < pieces.starts[:-1]
    if falls.any():
        texts = np.unique(np.searchsorted(pieces.text_offsets, np.flatnonzero(falls), side="right") - 1)
        report["sentences_aligned_by_piece"] += len(texts)
        for text in texts.tolist():
            of_text = slice(*pieces.text_offsets[text : text + 2])
            word_starts[of_text], across[of_text] = True, False
    report["pieces_across_words"] += int(np.count_nonzero(across))
    return word_starts
