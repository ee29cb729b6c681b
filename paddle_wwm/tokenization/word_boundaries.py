"""Which piece starts a word: decided by character offsets alone, so no word is ever looked up or guessed again.

A piece starts a word exactly when a boundary of the segmenter lies between the end of the piece before it and its own
start, both included (removed characters, such as spaces, leave gaps between pieces); the first piece of a text always
does. A boundary in the inside of a piece (LAC cuts some English words into letters) cannot be kept: the piece ties
those words together. Pieces that share one span (the letters of a Hangul syllable) leave no room for a boundary
between them, so they stay in one word.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from .library import Pieces


def align(pieces: Pieces, *, boundaries: np.ndarray, report: Counter) -> np.ndarray:
    """Word starts of the pieces of a batch. bool, shape (num_pieces,).

    boundaries: bool, shape (num_characters,); True where a word starts, the texts laid end to end.
    Pieces whose offsets do not rise cannot be aligned with words: then every piece of that text is a word by itself,
    and the text is counted as "sentences_aligned_by_piece". "pieces_across_words" counts the pieces of all others that
    have a boundary in their inside.
    """
    boundaries_before = np.zeros(len(boundaries) + 1, np.int32)  # position p: how many boundaries lie before it
    np.cumsum(boundaries, out=boundaries_before[1:])
    up_to_start = boundaries_before[1:][pieces.starts]
    before_end = boundaries_before[pieces.ends]
    word_starts = np.ones(len(pieces), bool)
    # a boundary at the start counts, so "up to" it includes it; one at the end before does, too, so those before it
    # are taken off
    word_starts[1:] = up_to_start[1:] > before_end[:-1]
    sizes = np.diff(pieces.text_offsets)
    first_of_text = pieces.text_offsets[:-1][sizes > 0]
    word_starts[first_of_text] = True
    across = before_end > up_to_start

    falls = np.zeros(len(pieces), bool)
    falls[1:] = pieces.starts[1:] < pieces.starts[:-1]  # never from one text to the next: those lie end to end
    if falls.any():
        texts = np.unique(np.searchsorted(pieces.text_offsets, np.flatnonzero(falls), side="right") - 1)
        report["sentences_aligned_by_piece"] += len(texts)
        for text in texts.tolist():
            of_text = slice(*pieces.text_offsets[text : text + 2])
            word_starts[of_text], across[of_text] = True, False
    report["pieces_across_words"] += int(np.count_nonzero(across))
    return word_starts
