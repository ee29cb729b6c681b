"""Count the words of texts as BERT sees them, to build a vocabulary.

Every Chinese character and every punctuation mark is a word; other words end at white space. The counts of the parts of
a corpus add up to the counts of the whole, in any order. Memory grows with the number of different words, not with the
size of the corpus.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Iterable, Sequence

import numpy as np

from ..optional import need_package
from .library import LONE_SURROGATE, REPLACEMENT

if TYPE_CHECKING:
    from tokenizers import BertWordPieceTokenizer

NUM_CODE_POINTS = sys.maxunicode + 1
BLOCK_CHARACTERS = 1 << 20  # of texts that are counted together
IN_RUN, CUTS, UNSEEN = 0, 1, 2


@dataclass(kw_only=True)
class RawCounts:
    """Counts of text before BERT's normalization.

    Attributes:
        characters: Characters that are words of their own.
        runs: The longest strings between them.
    """

    characters: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)

    def merge(self, other: RawCounts) -> None:
        """Add the counts of other texts."""
        self.characters.update(other.characters)
        self.runs.update(other.runs)


class WordCounter:
    """Counter of the words of texts.

    It is many times as fast as one call of the library per text.

    Most characters of Chinese text cut: BERT makes each of them a word of its own, or ends a word there, whatever its
    neighbours are (`piece_tables.py` explains why one probe shows it). They are counted as code points. The runs
    between them are counted as strings. Only the different runs and characters go through the library, at the end.

    Args:
        do_lower_case: Convert the text to lower case and strip accents.
    """

    def __init__(self, *, do_lower_case: bool) -> None:
        self._tokenizer = make_tokenizer(do_lower_case=do_lower_case)
        self._kinds = np.full(NUM_CODE_POINTS, UNSEEN, np.uint8)
        self._characters = np.zeros(NUM_CODE_POINTS, np.int64)
        self._runs: Counter[str] = Counter()
        self._waiting: list[str] = []
        self._num_waiting = 0

    def add(self, texts: Iterable[str]) -> None:
        """Count the words of texts. A word never crosses two texts."""
        for text in texts:
            self._waiting.append(text)
            self._num_waiting += len(text) + 1
            if self._num_waiting >= BLOCK_CHARACTERS:
                self._count()

    def counts(self) -> RawCounts:
        """Return the counts of all texts."""
        self._count()
        found = np.flatnonzero(self._characters)
        characters = Counter({chr(code): int(self._characters[code]) for code in found.tolist()})
        return RawCounts(characters=characters, runs=self._runs)

    def _count(self) -> None:
        block = LONE_SURROGATE.sub(REPLACEMENT, "\n".join(self._waiting))
        self._waiting, self._num_waiting = [], 0
        codes = np.frombuffer(block.encode("utf-32-le"), np.uint32)
        self._learn(np.unique(codes))
        cuts = self._kinds[codes] == CUTS
        self._characters += np.bincount(codes[cuts], minlength=NUM_CODE_POINTS)
        self._characters[ord("\n")] = 0  # between the texts; white space has no words
        edges = np.flatnonzero(np.diff(~cuts, prepend=False, append=False)).tolist()
        self._runs.update(block[start:end] for start, end in zip(edges[::2], edges[1::2]))

    def _learn(self, codes: np.ndarray) -> None:
        for code in codes[self._kinds[codes] == UNSEEN].tolist():
            words = words_of(f"a{chr(code)}a", self._tokenizer)
            self._kinds[code] = CUTS if words[:1] == ["a"] and words[-1:] == ["a"] and len(words) > 1 else IN_RUN


def make_tokenizer(*, do_lower_case: bool) -> BertWordPieceTokenizer:
    """Return BERT's tokenizer without a vocabulary."""
    need_package("tokenizers", purpose="building a vocabulary")
    from tokenizers import BertWordPieceTokenizer

    return BertWordPieceTokenizer(lowercase=do_lower_case)


def words_of(text: str, tokenizer: BertWordPieceTokenizer) -> list[str]:
    """Return the words of a text as BERT sees them."""
    normalized = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]


def normalized_counts(counts: Sequence[RawCounts], *, do_lower_case: bool) -> Counter[str]:
    """Return how often every word occurs, after BERT's normalization."""
    tokenizer = make_tokenizer(do_lower_case=do_lower_case)
    words: Counter[str] = Counter()
    for part in counts:
        for texts in (part.characters, part.runs):
            for text, count in texts.items():
                for word in words_of(text, tokenizer):
                    words[word] += count
    return words
