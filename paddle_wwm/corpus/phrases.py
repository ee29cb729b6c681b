"""Find all occurrences of the phrases of a dictionary in texts."""

from __future__ import annotations

from typing import Iterable, Iterator, Sequence

import numpy as np

from .lac_model import NUM_CODE_POINTS

NUM_PAIRS = 1 << 22  # size of the table of the first two characters of phrases; equal places only cost time


# the start and the end in the concatenated texts, the number of the phrase, and the end of its text
Occurrence = tuple[int, int, int, int]


class PhraseIndex:
    """An index of phrases for finding all their occurrences in a text."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {}  # of phrases; -1 for the beginnings of phrases that are no phrases
        self._alone = np.zeros(NUM_CODE_POINTS, bool)
        self._pairs = np.zeros(NUM_PAIRS, bool)
        for number, phrase in enumerate(phrases):
            for length in range(1, len(phrase)):
                self._numbers.setdefault(phrase[:length], -1)
            self._numbers[phrase] = number
        first = np.array([ord(phrase[0]) for phrase in self._numbers if len(phrase) == 2], np.uint32)
        second = np.array([ord(phrase[1]) for phrase in self._numbers if len(phrase) == 2], np.uint32)
        self._pairs[_places(first, second)] = True
        self._alone[[ord(phrase) for phrase, number in self._numbers.items() if len(phrase) == 1 and number >= 0]] = (
            True
        )

    def occurrences(self, texts: Sequence[str]) -> Iterator[Occurrence]:
        """Yield all occurrences, in the order of their starts, short ones first.

        They may overlap.
        """
        joined = "".join(texts)
        code_points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        begins = self._alone[code_points]
        begins[:-1] |= self._pairs[_places(code_points[:-1], code_points[1:])]
        starts = np.flatnonzero(begins)
        ends_of_texts = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        limits = ends_of_texts[np.searchsorted(ends_of_texts, starts, side="right")]
        for start, limit in zip(starts.tolist(), limits.tolist()):
            for end in range(start + 1, limit + 1):
                number = self._numbers.get(joined[start:end])
                if number is None:
                    break
                if number >= 0:
                    yield start, end, number, limit


def _places(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * np.uint32(2654435761) ^ second * np.uint32(40503)) % np.uint32(NUM_PAIRS)
