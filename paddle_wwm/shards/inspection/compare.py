"""Compare two shard sets: which documents are equal, and how far the words of equal tokens agree.

Documents are paired by their tokens, not by their numbers, so one missing document does not make all later ones
different. Pieces are compared as text, so sets with different vocabularies can be compared.

The two sets are called "here" and "there" in names and messages.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np

from ...progress import Counter, Progress, counted
from ...random_bits import GAMMA
from ...tokenization.vocab import Vocab
from ..reader import ShardSet
from .blocks import Block, BlockReader


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Counts of words of two sets over the same tokens.

    The first token of a sentence always starts a word, so it is not counted as a boundary.

    Attributes:
        num_tokens_where_agreed: Tokens that start a word in both sets or in neither.
        num_boundaries_here: Word starts within sentences; `_there` and `_in_both` in the same way.
        num_words_here: Words. `num_words_in_both` counts those that begin and end at the same tokens.
    """

    num_tokens: int = 0
    num_tokens_where_agreed: int = 0
    num_boundaries_here: int = 0
    num_boundaries_there: int = 0
    num_boundaries_in_both: int = 0
    num_words_here: int = 0
    num_words_there: int = 0
    num_words_in_both: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Numbers of documents by kind of difference, and the first difference.

    Attributes:
        first_difference: The number of a document here and of its counterpart there; None for a side without one.
            None: the sets are identical.
    """

    num_shared_entries: int
    num_identical: int  # tokens, words and sentences
    num_other_words: int  # the same tokens and sentences, other words
    num_other_sentences: int  # the same tokens, other sentences
    num_only_here: int
    num_only_there: int
    in_order: bool  # of the documents that are in both
    agreement: Agreement
    first_difference: tuple[int | None, int | None] | None

    @property
    def is_identical(self) -> bool:
        """True if both sets have the same documents in the same order."""
        return self.first_difference is None


def compare(
    here: ShardSet,
    there: ShardSet,
    *,
    here_vocab: Vocab,
    there_vocab: Vocab,
    progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Compare two shard sets.

    Both are read twice: first to pair the documents, then to compare the pairs.

    Raises:
        DataError: A set is damaged.
    """
    total = 2 * (here.manifest.num_tokens + there.manifest.num_tokens)
    translation = _translation(from_vocab=there_vocab, to_vocab=here_vocab)
    untranslated = np.arange(len(here_vocab), dtype=np.int64)
    with counted(progress, stage="compare", total=total, unit=" tokens") as compared:
        here_keys = _document_keys(here, untranslated, compared)
        there_keys = _document_keys(there, translation, compared)
        pairs = _pairs(here_keys, there_keys)
        agreement = Agreement()
        num_identical = num_other_sentences = 0
        first_differing: tuple[int | None, int | None] | None = None
        for here_block, there_block in _paired_blocks(here, there, pairs):
            agreement += _agreement(here_block, there_block)
            words, sentences = _differing_documents(here_block, there_block)
            num_identical += int(np.count_nonzero(~(words | sentences)))
            num_other_sentences += int(np.count_nonzero(sentences))
            if first_differing is None and (words | sentences).any():
                place = int(np.argmax(words | sentences))
                first_differing = (here_block.first_document + place, there_block.first_document + place)
            compared.update(len(here_block.ids) + len(there_block.ids))
    only_here = np.setdiff1d(np.arange(len(here_keys)), pairs[:, 0])
    only_there = np.setdiff1d(np.arange(len(there_keys)), pairs[:, 1])
    in_order = bool((np.diff(pairs[:, 1]) > 0).all())
    first = first_differing
    if len(only_here) and (first is None or only_here[0] < first[0]):
        number = int(only_here[0])
        first = (number, number if number < len(there_keys) else None)
    if first is None and len(only_there):
        number = int(only_there[0])
        first = (number if number < len(here_keys) else None, number)
    if first is None and not in_order:
        place = int(np.argmax(pairs[:, 0] != pairs[:, 1]))
        first = (place, place)
    return Comparison(
        num_shared_entries=int(np.count_nonzero(translation < len(here_vocab))),
        num_identical=num_identical,
        num_other_words=len(pairs) - num_identical - num_other_sentences,
        num_other_sentences=num_other_sentences,
        num_only_here=len(only_here),
        num_only_there=len(only_there),
        in_order=in_order,
        agreement=agreement,
        first_difference=first,
    )


def _translation(*, from_vocab: Vocab, to_vocab: Vocab) -> np.ndarray:
    """Return for every id of one vocabulary the id of the same piece in the other.

    Pieces that the other vocabulary does not have get ids beyond its end. int64, (len(from_vocab),).
    """
    return np.array(
        [to_vocab.ids.get(token, len(to_vocab) + number) for number, token in enumerate(from_vocab.tokens)], np.int64
    )


def _document_keys(shards: ShardSet, translation: np.ndarray, compared: Counter) -> np.ndarray:
    """Return a 64-bit hash of the pieces of every document. uint64, (num_documents,)."""
    keys = np.zeros(shards.num_documents, np.uint64)
    for block in BlockReader(shards).read():
        data = memoryview(translation[block.ids]).cast("B")
        ends = (block.document_offsets * 8).tolist()
        digests = [hashlib.blake2b(data[start:end], digest_size=8).digest() for start, end in zip(ends, ends[1:])]
        keys[block.first_document : block.first_document + block.num_documents] = np.frombuffer(
            b"".join(digests), np.uint64
        )
        compared.update(len(block.ids))
    return keys


def _pairs(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the numbers of the documents with the same tokens, sorted by those here.

    Among equal documents, the n-th here is paired with the n-th there. int64, (num_pairs, 2).
    """
    _, here_places, there_places = np.intersect1d(_distinct(here), _distinct(there), return_indices=True)
    pairs = np.stack([here_places, there_places], axis=1)
    return pairs[np.argsort(pairs[:, 0])]


def _distinct(keys: np.ndarray) -> np.ndarray:
    """Make the keys of equal documents distinct. uint64, same shape."""
    order = np.argsort(keys, kind="stable")
    is_first = np.concatenate([[True], keys[order][1:] != keys[order][:-1]])
    places = np.arange(len(keys))
    occurrence = places - np.maximum.accumulate(np.where(is_first, places, 0))
    distinct = keys.copy()
    distinct[order] += occurrence.astype(np.uint64) * GAMMA
    return distinct


def _paired_blocks(here: ShardSet, there: ShardSet, pairs: np.ndarray) -> Iterator[tuple[Block, Block]]:
    """Yield blocks of the pairs, split where documents are not consecutive."""
    here_reader, there_reader = BlockReader(here), BlockReader(there)
    breaks = np.flatnonzero((np.diff(pairs, axis=0) != 1).any(axis=1)) + 1
    for run in np.split(pairs, breaks):
        if not len(run):
            continue
        first, offset = int(run[0, 0]), int(run[0, 1] - run[0, 0])
        for block in here_reader.read(first=first, last=int(run[-1, 0]) + 1):
            start = block.first_document + offset
            yield block, there_reader.read_all(first=start, last=start + block.num_documents)


def _differing_documents(here: Block, there: Block) -> tuple[np.ndarray, np.ndarray]:
    """Find the documents that differ.

    Returns:
        Two masks, bool (num_documents,) each: documents with other words but the same sentences, and documents with
        other sentences.
    """
    other_sentences = _sentence_starts(here) != _sentence_starts(there)
    sentences = np.logical_or.reduceat(other_sentences, here.document_offsets[:-1])
    words = np.logical_or.reduceat(here.word_starts != there.word_starts, here.document_offsets[:-1])
    return words & ~sentences, sentences


def _sentence_starts(block: Block) -> np.ndarray:
    starts = np.zeros(len(block.ids), bool)
    starts[block.sentence_offsets[:-1]] = True
    return starts


def _agreement(here: Block, there: Block) -> Agreement:
    inside = ~(_sentence_starts(here) | _sentence_starts(there))
    both = here.word_starts & there.word_starts
    # Take the word starts of both sets together. Two neighbours enclose a common word if and only if each of them is
    # a start in both sets.
    in_both = both[here.word_starts | there.word_starts]
    return Agreement(
        num_tokens=len(here.ids),
        num_tokens_where_agreed=int(np.count_nonzero(here.word_starts == there.word_starts)),
        num_boundaries_here=int(np.count_nonzero(here.word_starts & inside)),
        num_boundaries_there=int(np.count_nonzero(there.word_starts & inside)),
        num_boundaries_in_both=int(np.count_nonzero(both & inside)),
        num_words_here=int(np.count_nonzero(here.word_starts)),
        num_words_there=int(np.count_nonzero(there.word_starts)),
        num_words_in_both=int(np.count_nonzero(in_both & np.append(in_both[1:], True))),
    )
