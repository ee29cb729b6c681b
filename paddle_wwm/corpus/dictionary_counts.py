"""Count how many phrases of a dictionary occur in texts, and how many of them became the words of the dictionary.

Phrases are found within sentences, so the counts do not depend on how a corpus is divided into tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Protocol, Sequence

import numpy as np

from .counts import CorpusReport
from .phrases import Occurrence
from .user_dictionary import UserDictionary

PHRASES = "dictionary_phrases"
ABSENT, OVERRULED = "dictionary_phrases_absent", "dictionary_phrases_overruled"
FOUND, APPLIED = "dictionary_occurrences", "dictionary_occurrences_as_words"


@dataclass(kw_only=True)
class PhraseCounts:
    """How often the phrases of a dictionary occur in texts.

    The keys are the numbers of the phrases.

    Attributes:
        found: Occurrences in the text.
        applied: Occurrences whose words are those of the dictionary.
    """

    found: dict[int, int] = field(default_factory=dict)
    applied: dict[int, int] = field(default_factory=dict)

    def add(self, dictionary: UserDictionary, occurrences: Iterable[Occurrence], starts: np.ndarray) -> None:
        """Count the occurrences in texts that were segmented with a dictionary.

        Args:
            dictionary: The dictionary.
            occurrences: Those of its phrases in the texts.
            starts: bool, shape (num_characters,), the word starts of the concatenated texts.
        """
        flags, wanted = starts.tobytes(), dictionary.start_flags
        entries = list(dictionary.entries.values())
        for start, end, number, limit in occurrences:
            self.found[number] = self.found.get(number, 0) + 1
            is_as_wanted = flags[start:end] == wanted[number] and (end == limit or flags[end] == 1)
            if is_as_wanted != entries[number].is_unwanted:
                self.applied[number] = self.applied.get(number, 0) + 1

    def merge(self, other: PhraseCounts) -> None:
        """Add the counts of other texts."""
        for mine, theirs in ((self.found, other.found), (self.applied, other.applied)):
            for number, count in theirs.items():
                mine[number] = mine.get(number, 0) + count

    def to_json(self) -> list[list[int]]:
        """Return one row per phrase that occurs: its number and both counts."""
        return [[number, count, self.applied.get(number, 0)] for number, count in sorted(self.found.items())]

    @classmethod
    def from_json(cls, rows: Sequence[Sequence[int]]) -> PhraseCounts:
        """Return the counts that `to_json` was called on."""
        applied = {number: count for number, _, count in rows if count}
        return cls(found={number: count for number, count, _ in rows}, applied=applied)

    def report(self, dictionary: UserDictionary, report: CorpusReport) -> None:
        """Write the counts into a report, with samples of phrases without effect."""
        report.counts[PHRASES] += len(dictionary.entries)
        report.counts[FOUND] += sum(self.found.values())
        report.counts[APPLIED] += sum(self.applied.values())
        for number, (phrase, place) in enumerate(dictionary.places.items()):
            if number not in self.applied:
                report.add(OVERRULED if number in self.found else ABSENT, place=place, text=phrase, removed=0)
        for remark in dictionary.remarks:
            report.add(remark.rule, place=remark.place, text=remark.text, removed=0)


class DictionarySegmenter(Protocol):
    """A `Segmenter` that takes a user dictionary and can count its phrases."""

    name: str
    model_sha256: str
    description: str
    dictionary: UserDictionary | None

    def word_starts(self, texts: Sequence[str], *, counts: PhraseCounts | None = None) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `Segmenter`.

        Args:
            texts: The texts.
            counts: The phrases of the dictionary in the texts are added to these counts.
        """
        ...


class CountingSegmenter:
    """A segmenter that also counts the phrases in the texts that it segments."""

    def __init__(self, segmenter: DictionarySegmenter, *, counts: PhraseCounts) -> None:
        self.name, self.model_sha256 = segmenter.name, segmenter.model_sha256
        self.description = segmenter.description
        self._segmenter, self._counts = segmenter, counts

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `Segmenter`."""
        return self._segmenter.word_starts(texts, counts=self._counts)
