"""The tables of the fast tokenizer: the kind of every character, and the pieces of earlier runs of letters.

This file does not contain BERT's rules. Both tables get new entries from the library (`library.py`), so they agree
with it.
"""

from __future__ import annotations

import sys
from typing import Sequence

import numpy as np

from .library import LibraryTokenizer, blocks_of, offsets_of

# The negative entries of the table of code points. Other entries are the id of a character that is always a separate
# piece.
SEPARATOR, RUN, UNSEEN = -1, -2, -3
NUM_CODE_POINTS = sys.maxunicode + 1
# The limit on the characters of all runs in the cache. This is about 150,000 runs and 30 MB.
MAX_CACHED_CHARACTERS = 1 << 20
# The approximate number of characters per call of the library, which needs hundreds of bytes for each.
LIBRARY_CHARACTERS = 1 << 16


class CodePointTable:
    """A table of code points whose pieces do not depend on their neighbours.

    BERT normalizes a text character by character (it removes, decomposes, strips or lower-cases a character, or puts
    spaces around it). Then it cuts at white space and around punctuation. So if a character X cuts the probe "aXa" into
    two words, it does so between all neighbours. There are three kinds of entries:

    - SEPARATOR: X cuts and has no piece. This is white space.
    - an id: X cuts and is a word of one piece. These are Chinese characters and punctuation.
    - RUN: the pieces depend on the neighbours, so the library must see the whole run at once. These are letters,
      digits, marks, and characters that are removed, so that their neighbours become one word.

    Canonical decomposition sorts consecutive marks, so its result depends on more than one character. The sorting
    stops at a character that cuts, because such a character does not begin with a mark, and ends only with marks that
    are stripped.
    """

    def __init__(self, library: LibraryTokenizer) -> None:
        self._library = library
        self._entries = np.full(NUM_CODE_POINTS, UNSEEN, np.int32)

    def __getitem__(self, codes: np.ndarray) -> np.ndarray:
        """Return the entries of code points. int32, the shape of `codes`."""
        entries = self._entries[codes]
        unseen = entries == UNSEEN
        if unseen.any():
            new = np.unique(codes[unseen])
            for first in range(0, len(new), LIBRARY_CHARACTERS // 4):
                self._learn(new[first : first + LIBRARY_CHARACTERS // 4])
            entries = self._entries[codes]
        return entries

    def _learn(self, codes: np.ndarray) -> None:
        characters = [chr(code) for code in codes.tolist()]
        words = self._library.words_of("".join(f"a{character}a " for character in characters))
        # The number of words that begin at each of the four characters of a probe. A word of more than one character
        # counts 9, so that no comparison below matches it.
        begins = np.zeros((len(codes), 4), np.int64)
        np.add.at(begins, (words.starts // 4, words.starts % 4), np.where(words.ends - words.starts == 1, 1, 9))
        cuts = (begins[:, [0, 2, 3]] == [1, 1, 0]).all(axis=1)
        entries = np.full(len(codes), RUN, np.int32)
        entries[cuts & (begins[:, 1] == 0)] = SEPARATOR
        single = np.flatnonzero(cuts & (begins[:, 1] == 1))
        # these words have one character, so they are one piece
        entries[single] = self._library.encode_one(" ".join(characters[index] for index in single)).ids
        self._entries[codes] = entries


class RunCache:
    """A cache of the pieces of runs.

    It is cleared when it has more than MAX_CACHED_CHARACTERS, so its memory is bounded.

    Run i has the pieces [firsts[i], firsts[i + 1]) of `ids`, `starts` and `ends` (all int32). `starts` and `ends` count
    from the first character of the run. The numbers of runs are valid until the next call of `numbers_of`.
    """

    def __init__(self, library: LibraryTokenizer) -> None:
        self._library = library
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}
        self._num_characters = 0
        self.ids = self.starts = self.ends = np.zeros(0, np.int32)
        self.firsts = np.zeros(1, np.int64)

    def numbers_of(self, runs: Sequence[str]) -> np.ndarray:
        """Return the number of every run in the cache. int64, shape (num_runs,)."""
        new = set(runs).difference(self._numbers)
        if new:
            if self._num_characters > MAX_CACHED_CHARACTERS:
                self._forget()
                new = set(runs)
            found = list(new)
            for first, last in blocks_of(offsets_of([len(run) + 1 for run in found]), max_size=LIBRARY_CHARACTERS):
                self._learn(found[first:last])
        return np.fromiter(map(self._numbers.__getitem__, runs), np.int64, len(runs))

    def _learn(self, runs: list[str]) -> None:
        begins = offsets_of([len(run) + 1 for run in runs])  # in the joined runs, with a space after each
        pieces = self._library.encode_one(" ".join(runs))
        owners = np.searchsorted(begins, pieces.starts, side="right") - 1
        self.ids = np.concatenate([self.ids, pieces.ids])
        self.starts = np.concatenate([self.starts, (pieces.starts - begins[owners]).astype(np.int32)])
        self.ends = np.concatenate([self.ends, (pieces.ends - begins[owners]).astype(np.int32)])
        counts = np.bincount(owners, minlength=len(runs))
        self.firsts = np.concatenate([self.firsts, self.firsts[-1] + np.cumsum(counts)])
        self._numbers.update(zip(runs, range(len(self._numbers), len(self._numbers) + len(runs))))
        self._num_characters += int(begins[-1])
