"""Statistics of a shard set. Its bytes are read once, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from ...tokenization.pieces import join_pieces
from ...tokenization.vocab import Vocab
from ..reader import ShardSet
from .blocks import Block, BlockReader

# Smaller values are counted in a table with one entry per value, which is ten times faster than sorting.
MAX_TABLE_VALUE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How often each value occurs.

    Attributes:
        values: int64, (num_different,), sorted.
        counts: int64, (num_different,).
    """

    values: np.ndarray
    counts: np.ndarray

    @property
    def num(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return float(self.values @ self.counts) / self.num

    def percentile(self, percent: float) -> int:
        """Return the smallest value that `percent` % of the values do not exceed.

        0 returns the minimum and 100 the maximum.
        """
        ends = np.cumsum(self.counts)
        return int(self.values[np.searchsorted(ends, max(percent / 100 * ends[-1], 1), side="left")])

    def share(self, value: int) -> float:
        """Return the share of values that equal `value`."""
        return float(self.counts[self.values == value].sum()) / self.num


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Counts and distributions of a set.

    Attributes:
        num_used_entries: Vocabulary entries that occur.
        num_tokens_of_long_words: Tokens in words of several pieces. Whole word masking masks these together.
        chars_per_word: Characters of the pieces of a word; [UNK] counts as one.
        longest_word: Text of the longest word.
        longest_word_document: Number of the document that contains it.
    """

    num_documents: int
    num_sentences: int
    num_words: int
    num_tokens: int
    num_unknown_tokens: int
    num_used_entries: int
    num_tokens_of_long_words: int
    num_shard_bytes: int
    sentences_per_document: Distribution
    tokens_per_document: Distribution
    tokens_per_sentence: Distribution
    words_per_sentence: Distribution
    pieces_per_word: Distribution
    chars_per_word: Distribution
    longest_word: str
    longest_word_document: int


class _Counter:
    """Counter of a distribution.

    Memory grows with the number of different values. A corpus of n tokens has at most sqrt(2n) different lengths.
    """

    def __init__(self) -> None:
        self._table = np.zeros(0, np.int64)
        self._large = (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def add(self, values: np.ndarray) -> None:
        is_large = values >= MAX_TABLE_VALUE
        if is_large.any():
            new, counts = np.unique(values[is_large], return_counts=True)
            merged, places = np.unique(np.concatenate([self._large[0], new]), return_inverse=True)
            totals = np.zeros(len(merged), np.int64)
            np.add.at(totals, places, np.concatenate([self._large[1], counts]))
            self._large = merged, totals
            values = values[~is_large]
        counted = np.bincount(values, minlength=len(self._table))
        counted[: len(self._table)] += self._table
        self._table = counted

    def distribution(self) -> Distribution:
        values = np.flatnonzero(self._table)
        return Distribution(
            values=np.concatenate([values, self._large[0]]),
            counts=np.concatenate([self._table[values], self._large[1]]),
        )


class _Counting:
    """Statistics of the blocks so far."""

    def __init__(self, vocab: Vocab) -> None:
        self._vocab = vocab
        pieces = [token[2:] if token.startswith("##") and len(token) > 2 else token for token in vocab.tokens]
        self._chars = np.array([len(piece) for piece in pieces], np.int64)
        self._chars[vocab.unk_id] = 1
        self.uses = np.zeros(len(vocab), np.int64)
        self.num_tokens_of_long_words = 0
        names = (
            "sentences_per_document",
            "tokens_per_document",
            "tokens_per_sentence",
            "words_per_sentence",
            "pieces_per_word",
            "chars_per_word",
        )
        self.counters = {name: _Counter() for name in names}
        self._longest = 0
        self.longest_word, self.longest_word_document = "", 0

    def add(self, block: Block) -> None:
        starts = np.flatnonzero(block.word_starts)
        pieces = np.diff(np.append(starts, len(block.ids)))
        chars = np.add.reduceat(self._chars[block.ids], starts)
        self.uses += np.bincount(block.ids, minlength=len(self.uses))
        self.num_tokens_of_long_words += int(pieces[pieces > 1].sum())
        values = {
            "sentences_per_document": block.num_sentences,
            "tokens_per_document": np.diff(block.document_offsets),
            "tokens_per_sentence": np.diff(block.sentence_offsets),
            "words_per_sentence": np.add.reduceat(block.word_starts, block.sentence_offsets[:-1], dtype=np.int64),
            "pieces_per_word": pieces,
            "chars_per_word": chars,
        }
        for name, counter in self.counters.items():
            counter.add(values[name])
        longest = int(np.argmax(chars))
        if chars[longest] > self._longest:
            self._longest = int(chars[longest])
            start = int(starts[longest])
            ids = block.ids[start : start + int(pieces[longest])]
            self.longest_word = join_pieces([self._vocab.tokens[number] for number in ids])
            self.longest_word_document = (
                block.first_document + int(np.searchsorted(block.document_offsets, start, side="right")) - 1
            )


def statistics_of(
    shards: ShardSet, *, vocab: Vocab, on_tokens: Callable[[int], object] = lambda num_tokens: None
) -> Statistics:
    """Read a whole set and return its statistics.

    Args:
        shards: The set.
        vocab: Its vocabulary.
        on_tokens: Called with the number of tokens of every block.

    Raises:
        DataError: The shards break a rule of their format.
    """
    counting = _Counting(vocab)
    for block in BlockReader(shards).read():
        counting.add(block)
        on_tokens(len(block.ids))
    distributions = {name: counter.distribution() for name, counter in counting.counters.items()}
    return Statistics(
        num_documents=distributions["tokens_per_document"].num,
        num_sentences=distributions["tokens_per_sentence"].num,
        num_words=distributions["pieces_per_word"].num,
        num_tokens=int(counting.uses.sum()),
        num_unknown_tokens=int(counting.uses[vocab.unk_id]),
        num_used_entries=int(np.count_nonzero(counting.uses)),
        num_tokens_of_long_words=counting.num_tokens_of_long_words,
        num_shard_bytes=sum((shards.directory / record.file).stat().st_size for record in shards.manifest.shards),
        longest_word=counting.longest_word,
        longest_word_document=counting.longest_word_document,
        **distributions,
    )
