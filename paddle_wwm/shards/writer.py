"""Write tokenized documents to shard files.

Tokens are written to disk at once. Only sentence lengths and the index stay in memory until the shard ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Sequence

import numpy as np

from ..errors import DataError
from ..files import sha256_of_file
from ..tokenization.tokenized import TokenizedDocument
from .manifest import ShardRecord
from .shard_format import (
    HEADER,
    LENGTH_ESCAPE,
    MAGIC,
    encode_lengths,
    section_offsets,
    shard_name,
    token_bits,
    token_dtype,
)

MAX_TOKENS_PER_SHARD = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Sections:
    """Documents as the sections of a shard.

    Attributes:
        tokens: uint16 or uint32 (num_tokens,), ids with their word bits.
        lengths: uint16 (num_lengths,), encoded sentence lengths.
        index: int64 (num_documents + 1, 2), where each document begins in tokens and in lengths.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    index: np.ndarray
    num_sentences: int

    def slice(self, first: int, last: int) -> Sections:
        """Return the documents [first, last)."""
        (token_start, length_start), (token_end, length_end) = self.index[first], self.index[last]
        lengths = self.lengths[length_start:length_end]
        return Sections(
            tokens=self.tokens[token_start:token_end],
            lengths=lengths,
            index=self.index[first : last + 1] - self.index[first],
            num_sentences=int(np.count_nonzero(lengths != LENGTH_ESCAPE)),
        )


def sections_of(documents: Sequence[TokenizedDocument], *, vocab_size: int) -> Sections:
    """Convert documents to sections.

    Raises:
        DataError: An id is outside the vocabulary.
    """
    bits = token_bits(vocab_size)
    ids = np.concatenate([document.input_ids for document in documents]).astype(token_dtype(bits))
    largest = max(int(document.input_ids.max()) for document in documents)
    if largest >= vocab_size:
        raise DataError(f"token ids must be below the vocabulary's size {vocab_size}, but one is {largest}.")
    ids |= np.concatenate([document.word_starts for document in documents]).astype(ids.dtype) << (bits - 1)
    lengths = [encode_lengths(np.diff(document.sentence_offsets)) for document in documents]
    index = np.zeros((len(documents) + 1, 2), np.int64)
    np.cumsum(
        [(len(document.input_ids), len(entries)) for document, entries in zip(documents, lengths)],
        axis=0,
        out=index[1:],
    )
    num_sentences = sum(len(document.sentence_offsets) - 1 for document in documents)
    return Sections(tokens=ids, lengths=np.concatenate(lengths), index=index, num_sentences=num_sentences)


class ShardFile:
    """Writer of one shard into an open binary file."""

    def __init__(self, stream: IO[bytes], *, bits: int) -> None:
        self._stream = stream
        self._bits = bits
        self._lengths: list[np.ndarray] = []
        self._index: list[np.ndarray] = [np.zeros((1, 2), np.int64)]
        self._end = np.zeros(2, np.int64)  # tokens and lengths so far
        self.num_documents = self.num_sentences = 0
        stream.write(bytes(HEADER.itemsize))

    @property
    def num_tokens(self) -> int:
        """Number of tokens so far."""
        return int(self._end[0])

    def append(self, sections: Sections) -> None:
        """Append documents."""
        self._stream.write(np.ascontiguousarray(sections.tokens).data)
        self._lengths.append(np.array(sections.lengths))
        self._index.append(sections.index[1:] + self._end)
        self._end = self._end + sections.index[-1]
        self.num_documents += len(sections.index) - 1
        self.num_sentences += sections.num_sentences

    def close(self) -> None:
        """Write the sections after the tokens, and the header. The stream stays open."""
        lengths = np.concatenate(self._lengths)
        header = np.zeros((), HEADER)
        header["magic"], header["token_bits"] = MAGIC, self._bits
        header["num_tokens"], header["num_lengths"] = self._end
        header["num_documents"], header["num_sentences"] = self.num_documents, self.num_sentences
        tokens_at, sentences_at, documents_at, size = section_offsets(
            bits=self._bits, num_tokens=self.num_tokens, num_lengths=len(lengths), num_documents=self.num_documents
        )
        tokens_end = tokens_at + self.num_tokens * (self._bits // 8)
        self._stream.write(bytes(sentences_at - tokens_end) + lengths.tobytes())
        self._stream.write(
            bytes(documents_at - sentences_at - lengths.nbytes) + np.concatenate(self._index).astype("<u8").tobytes()
        )
        assert self._stream.tell() == size
        self._stream.seek(0)
        self._stream.write(header.tobytes())


class ShardWriter:
    """Writer of documents into the shards of a folder.

    A new shard starts whenever the current one has `max_tokens_per_shard` tokens.

    Attributes:
        shards: Records of the finished shards, for the manifest.
    """

    def __init__(self, directory: Path, *, vocab_size: int, max_tokens_per_shard: int = MAX_TOKENS_PER_SHARD) -> None:
        self._directory = directory
        self._vocab_size = vocab_size
        self._bits = token_bits(vocab_size)
        self._max_tokens = max_tokens_per_shard
        self._file: ShardFile | None = None
        self._stream: IO[bytes] | None = None
        self.shards: list[ShardRecord] = []

    def add(self, document: TokenizedDocument) -> None:
        """Append a document.

        Raises:
            DataError: An id is outside the vocabulary.
        """
        self.append(sections_of([document], vocab_size=self._vocab_size))

    def append(self, sections: Sections) -> None:
        """Append documents. A document is always in a single shard."""
        num_documents, first = len(sections.index) - 1, 0
        while first < num_documents:
            room = self._max_tokens - (self._file.num_tokens if self._file else 0)
            # the end of the document that fills the shard
            last = int(np.searchsorted(sections.index[:, 0], sections.index[first, 0] + room, side="left"))
            last = min(max(last, first + 1), num_documents)
            if self._file is None:
                self._stream = open(self._directory / shard_name(len(self.shards)), "wb")  # noqa: SIM115 (flush closes it)
                self._file = ShardFile(self._stream, bits=self._bits)
            self._file.append(sections.slice(first, last))
            first = last
            if self._file.num_tokens >= self._max_tokens:
                self.flush()

    def flush(self) -> None:
        """Finish the open shard, if there is one."""
        if self._file is None or self._stream is None:
            return
        with self._stream:
            self._file.close()
        name = shard_name(len(self.shards))
        self.shards.append(
            ShardRecord(
                file=name,
                sha256=sha256_of_file(self._directory / name),
                num_documents=self._file.num_documents,
                num_sentences=self._file.num_sentences,
                num_tokens=self._file.num_tokens,
            )
        )
        self._file = self._stream = None
