"""Read a whole shard set in blocks of complete documents, and check every rule of the format.

The memory is that of one block and the index of one shard, for a set of any size. A document that is larger than a
block is held in memory as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np

from ...errors import DataError
from ..reader import Shard, ShardSet
from ..shard_format import LENGTH_ESCAPE, decode_lengths, token_bits

TOKENS_PER_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Block:
    """Consecutive documents of a set.

    Attributes:
        first_document: Number of the first document.
        ids: uint16 or uint32, (num_tokens,).
        word_starts: bool, (num_tokens,).
        document_offsets: int64, (num_documents + 1,), where each document begins in the tokens, then the end.
        sentence_offsets: int64, (total number of sentences + 1,), where each sentence begins, then the end.
        num_sentences: int64, (num_documents,), sentences per document.
    """

    first_document: int
    ids: np.ndarray
    word_starts: np.ndarray
    document_offsets: np.ndarray
    sentence_offsets: np.ndarray
    num_sentences: np.ndarray

    @property
    def num_documents(self) -> int:
        """Number of documents in the block."""
        return len(self.num_sentences)


@dataclass(frozen=True, kw_only=True)
class _OpenShard:
    path: Path
    shard: Shard
    first_document: int
    index: np.ndarray  # int64, (num_documents + 1, 2)


class BlockReader:
    """Reader of blocks. At most one shard is open at a time."""

    def __init__(self, shards: ShardSet) -> None:
        self._shards = shards
        self._manifest = shards.manifest
        self._open: _OpenShard | None = None

    def read(
        self, *, first: int = 0, last: int | None = None, tokens_per_block: int = TOKENS_PER_BLOCK
    ) -> Iterator[Block]:
        """Yield the documents [first, last) in blocks.

        All documents of a block are in a single shard.

        Raises:
            DataError: A document breaks a rule of the format. The message names the file and the document.
        """
        last = self._shards.num_documents if last is None else last
        shard_first = 0
        for number, record in enumerate(self._manifest.shards):
            shard_last = shard_first + record.num_documents
            place = max(first, shard_first)
            while place < min(last, shard_last):
                opened = self._opened(number, shard_first)
                starts = opened.index[:, 0]
                limit = starts[place - shard_first] + tokens_per_block
                end = shard_first + int(np.searchsorted(starts, limit, side="right")) - 1
                end = min(max(end, place + 1), last, shard_last)
                yield self._block(opened, place - shard_first, end - shard_first)
                place = end
            shard_first = shard_last

    def read_all(self, *, first: int, last: int) -> Block:
        """Return the documents [first, last) as one block."""
        return _joined(list(self.read(first=first, last=last, tokens_per_block=1 << 62)))

    def _opened(self, number: int, first_document: int) -> _OpenShard:
        path = self._shards.directory / self._manifest.shards[number].file
        if self._open is None or self._open.path != path:
            shard = Shard(path, bits=token_bits(self._manifest.vocab_size))
            index = shard.index.astype(np.int64)
            ends = [shard.num_tokens, len(shard.lengths)]
            if index[0].any() or index[-1].tolist() != ends or (np.diff(index, axis=0) <= 0).any():
                raise _damaged(
                    path,
                    (
                        f"the offsets of its documents must rise from 0 to {ends[0]} tokens and {ends[1]} lengths, "
                        f"but do not"
                    ),
                )
            self._open = _OpenShard(path=path, shard=shard, first_document=first_document, index=index)
        return self._open

    def _block(self, opened: _OpenShard, first: int, last: int) -> Block:
        """Check and return the documents [first, last) of a shard."""
        number = opened.first_document + first
        (token_start, length_start), (token_end, length_end) = opened.index[first].tolist(), opened.index[last].tolist()
        document_offsets = opened.index[first : last + 1, 0] - token_start
        entries = np.array(opened.shard.lengths[length_start:length_end])
        length_offsets = opened.index[first : last + 1, 1] - length_start

        def check(is_bad: np.ndarray, offsets: np.ndarray, rule: str) -> None:
            """Raise DataError for the first place where `is_bad`; `offsets` give its document."""
            if is_bad.any():
                document = number + int(np.searchsorted(offsets, int(np.argmax(is_bad)), side="right")) - 1
                raise _damaged(opened.path, f"document {document}: {rule}")

        ends_sentence = entries != LENGTH_ESCAPE
        documents = np.arange(last - first + 1)
        check(~ends_sentence[length_offsets[1:] - 1], documents, "its last sentence must have a length, but has none")
        lengths = decode_lengths(entries)
        num_sentences = np.add.reduceat(ends_sentence, length_offsets[:-1], dtype=np.int64)
        sentence_offsets = np.concatenate([[0], np.cumsum(lengths)])
        first_sentences = np.concatenate([[0], np.cumsum(num_sentences)])
        check(lengths <= 0, first_sentences, "its sentences must have tokens, but one has none")
        ends_differ = sentence_offsets[first_sentences] != document_offsets
        check(ends_differ[1:], documents, "the lengths of its sentences must sum to its number of tokens, but do not")

        stored = opened.shard.tokens(token_start, token_end - token_start)
        word_bit = self._shards.word_bit
        ids, word_starts = stored & stored.dtype.type((1 << word_bit) - 1), (stored >> word_bit).astype(bool)
        size = self._manifest.vocab_size
        check(ids >= size, document_offsets, f"its ids must be below the vocabulary's size {size:,}, but one is not")
        check(
            ~word_starts[sentence_offsets[:-1]],
            first_sentences,
            "a sentence's first token must start a word, but one does not",
        )
        return Block(
            first_document=number,
            ids=ids,
            word_starts=word_starts,
            document_offsets=document_offsets,
            sentence_offsets=sentence_offsets,
            num_sentences=num_sentences,
        )


def _damaged(path: Path, rule: str) -> DataError:
    return DataError(f"{path}: {rule}; prepare the corpus again.")


def _joined(blocks: Sequence[Block]) -> Block:
    return Block(
        first_document=blocks[0].first_document,
        ids=np.concatenate([block.ids for block in blocks]),
        word_starts=np.concatenate([block.word_starts for block in blocks]),
        document_offsets=_joined_offsets([block.document_offsets for block in blocks]),
        sentence_offsets=_joined_offsets([block.sentence_offsets for block in blocks]),
        num_sentences=np.concatenate([block.num_sentences for block in blocks]),
    )


def _joined_offsets(offsets: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part) for part in offsets]))])
