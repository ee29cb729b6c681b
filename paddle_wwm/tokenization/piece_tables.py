"""What the fast tokenizer remembers: what every character is, and the pieces of the runs of letters seen before.

Nothing here knows BERT's rules. Both tables ask the library (`library.py`) when they meet something new, so they
cannot say anything else.
"""

from __future__ import annotations

import sys
from typing import Sequence

import numpy as np

from .library import LibraryTokenizer, blocks_of, offsets_of

# Entries of the table of code points below 0; an entry from 0 on is the id of a character that is always a piece by
# itself.
SEPARATOR, RUN, UNSEEN = -1, -2, -3
NUM_CODE_POINTS = sys.maxunicode + 1
# Runs in the cache have up to so many characters together: some 150,000 of them, 30 MB.
MAX_CACHED_CHARACTERS = 1 << 20
# What goes to the library at once has about so many characters: it takes some hundred bytes for each.
LIBRARY_CHARACTERS = 1 << 16


class CodePointTable:
    """For every code point, whether its pieces depend on its neighbours.

    BERT treats a text character by character (removes it, puts spaces around it, decomposes, strips and lower-cases
    it), then cuts at white space and around punctuation. So a character that cuts a word in two, in the probe "a?a",
    does so between any neighbours:

    - it leaves nothing itself: SEPARATOR, white space;
    - it is a word: the id of its piece. Chinese characters and punctuation;
    - all else is RUN: its pieces depend on what stands before and behind, and the library has to see all of it at
      once. That is letters, digits, marks, and characters that are removed, by which their neighbours become one word.

    Canonical decomposition sorts marks that follow each other, which looks further than one character. It never looks
    past one that the
    probe finds to cut: that one begins with no mark, and ends with none except such as are stripped.
    """

    def __init__(self, library: LibraryTokenizer) -> None:
        self._library = library
        self._entries = np.full(NUM_CODE_POINTS, UNSEEN, np.int32)

    def __getitem__(self, codes: np.ndarray) -> np.ndarray:
        """The entries of code points. int32, the shape of `codes`."""
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
        # how many words begin at each of the four characters of a probe; a word longer than one character counts as
        # too many
        begins = np.zeros((len(codes), 4), np.int64)
        np.add.at(begins, (words.starts // 4, words.starts % 4), np.where(words.ends - words.starts == 1, 1, 9))
        cuts = (begins[:, [0, 2, 3]] == [1, 1, 0]).all(axis=1)
        entries = np.full(len(codes), RUN, np.int32)
        entries[cuts & (begins[:, 1] == 0)] = SEPARATOR
        single = np.flatnonzero(cuts & (begins[:, 1] == 1))
        # one character is all there is to such a word, so it is one piece
        entries[single] = self._library.encode_one(" ".join(characters[index] for index in single)).ids
        self._entries[codes] = entries


class RunCache:
    """The pieces of runs, kept until they have MAX_CACHED_CHARACTERS; then the cache starts again, so its memory is
    bounded.

    Run i of the cache has the pieces [firsts[i], firsts[i + 1]) of `ids` (int32), `starts` and `ends` (int32, counted
    from the run's first character). Numbers are good until the next call of `numbers_of`.
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
        """The number of every run. int64, shape (num_runs,)."""
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
        begins = offsets_of([len(run) + 1 for run in runs])  # in the runs put together, a space after each
        pieces = self._library.encode_one(" ".join(runs))
        owners = np.searchsorted(begins, pieces.starts, side="right") - 1
        self.ids = np.concatenate([self.ids, pieces.ids])
        self.starts = np.concatenate([self.starts, (pieces.starts - begins[owners]).astype(np.int32)])
        self.ends = np.concatenate([self.ends, (pieces.ends - begins[owners]).astype(np.int32)])
        counts = np.bincount(owners, minlength=len(runs))
        self.firsts = np.concatenate([self.firsts, self.firsts[-1] + np.cumsum(counts)])
        self._numbers.update(zip(runs, range(len(self._numbers), len(self._numbers) + len(runs))))
        self._num_characters += int(begins[-1])
