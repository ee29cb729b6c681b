"""Read shards: O(1) access to documents and runs of tokens, with positions that count through the whole set.

Sentence lengths and the index of documents are memory-mapped. Tokens are read with pread instead: the visited pages of
a memory map count as memory of the loader, and after an epoch that would be the whole corpus.
"""

from __future__ import annotations

import bisect
import operator
import os
import weakref
from itertools import accumulate
from pathlib import Path
from typing import overload

import numpy as np

from ..errors import DataError
from ..files import sha256_of_file
from ..tokenization.tokenized import TokenizedDocument
from ..tokenization.vocab import Vocab, load_vocab
from .manifest import read_manifest
from .shard_format import HEADER, MAGIC, VOCAB_NAME, decode_lengths, section_offsets, token_bits, token_dtype


class Shard:
    """One shard file.

    Attributes:
        lengths: uint16 (num_lengths,), the stored sentence lengths.
        index: uint64 (num_documents + 1, 2), where each document begins in tokens and in lengths.

    Raises:
        DataError: The size of the file differs from its header.
    """

    def __init__(self, path: Path, *, bits: int) -> None:
        try:
            data = np.memmap(path, np.uint8, mode="r")
        except (FileNotFoundError, ValueError):
            raise DataError(f"{path}: missing or empty; prepare the corpus again.") from None
        if len(data) < HEADER.itemsize:
            raise DataError(f"{path}: shorter than a header; prepare the corpus again.")
        header = data[: HEADER.itemsize].view(HEADER)[0]
        if header["magic"] != MAGIC or header["token_bits"] != bits:
            raise DataError(
                f"{path}: not a shard of this set (magic {bytes(header['magic'])!r}, {header['token_bits']} bits)."
            )
        self.num_tokens, self.num_documents = int(header["num_tokens"]), int(header["num_documents"])
        tokens, sentences, documents, end = section_offsets(
            bits=bits,
            num_tokens=self.num_tokens,
            num_lengths=int(header["num_lengths"]),
            num_documents=self.num_documents,
        )
        if len(data) != end:
            raise DataError(
                f"{path}: must have {end} bytes by its header, but has {len(data)}; prepare the corpus again."
            )
        self._tokens_at, self._dtype = tokens, token_dtype(bits)
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self.lengths = data[sentences : sentences + int(header["num_lengths"]) * 2].view("<u2")
        self.index = data[documents:end].view("<u8").reshape(-1, 2)

    def tokens(self, start: int, length: int) -> np.ndarray:
        """Return `length` stored tokens from `start`. uint16 or uint32, (length,)."""
        size = self._dtype.itemsize
        return np.frombuffer(os.pread(self._file, length * size, self._tokens_at + start * size), self._dtype)


def open_shards(folder: str | Path) -> ShardSet:
    """Open the shards of a prepared corpus, as a sequence of documents.

    Only the counts and sizes of the files are checked. `ShardSet.verify` compares the checksums.

    Args:
        folder: The output of `prepare_corpus` or `paddle-wwm prepare-corpus`.

    Returns:
        The shard set. `len(shards)` is the number of documents and `shards[i]` is document i. Tokens are read from
        disk on access.

    Raises:
        DataError: The folder holds no shards, or a file is missing or damaged.

    Source:
        The format was designed for this project: paddle_wwm/shards/shard_format.py.

    Example:
        >>> from paddle_wwm import open_shards
        >>> shards = open_shards("shards")
        >>> len(shards)
        2
        >>> vocab = shards.vocab()
        >>> [vocab.tokens[i] for i in shards[0].input_ids[:4]], shards[0].word_starts[:4].tolist()
        (['使', '用', '语', '言'], [True, False, True, False])
    """
    return ShardSet(folder)


class ShardSet:
    """A prepared corpus: a sequence of documents.

    Token positions and document numbers count through the whole set.

    Attributes:
        directory: The folder.
        manifest: What the set holds and what it was made of.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.manifest = read_manifest(self.directory)
        self._bits = token_bits(self.manifest.vocab_size)
        self._shards = [Shard(self.directory / record.file, bits=self._bits) for record in self.manifest.shards]
        for shard, record in zip(self._shards, self.manifest.shards):
            if (shard.num_documents, shard.num_tokens) != (record.num_documents, record.num_tokens):
                raise DataError(
                    f"{self.directory / record.file}: its counts differ from the manifest's; prepare the corpus again."
                )
        self._first_token = list(accumulate((shard.num_tokens for shard in self._shards), initial=0))
        self._first_document = list(accumulate((shard.num_documents for shard in self._shards), initial=0))

    @property
    def num_documents(self) -> int:
        """Number of documents in the set."""
        return self._first_document[-1]

    def __len__(self) -> int:
        return self.num_documents

    @overload
    def __getitem__(self, index: int) -> TokenizedDocument: ...

    @overload
    def __getitem__(self, index: slice) -> list[TokenizedDocument]: ...

    def __getitem__(self, index: int | slice) -> TokenizedDocument | list[TokenizedDocument]:
        """Return document `index`, or a list of documents for a slice.

        Args:
            index: A number or a slice. Negative numbers count from the end.

        Raises:
            IndexError: There is no such document.
        """
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"document {number} of {len(self):,} does not exist.")
        return self.document(number % len(self))[1]

    def vocab(self) -> Vocab:
        """Return the vocabulary that the set was made with.

        Raises:
            DataError: The vocabulary file was changed.
        """
        vocab = load_vocab(self.directory / VOCAB_NAME)
        if vocab.sha256 != self.manifest.vocab_sha256:
            raise DataError(
                f"{self.directory / VOCAB_NAME}: differs from the vocabulary that the shards were made with."
            )
        return vocab

    @property
    def word_bit(self) -> int:
        """Position of the bit that marks word starts in a stored token.

        The lower bits are the id.
        """
        return self._bits - 1

    def stored_tokens(self, start: int, length: int) -> np.ndarray:
        """Return `length` stored tokens from `start`. uint16 or uint32, (length,).

        All of them must be in one document.
        """
        shard = bisect.bisect_right(self._first_token, start) - 1
        local = start - self._first_token[shard]
        return self._shards[shard].tokens(local, length)

    def tokens(self, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids and word starts of `length` tokens from position `start`.

        All of them must be in one document.

        Returns:
            Ids, int64 (length,), and word starts, bool (length,).
        """
        stored = self.stored_tokens(start, length)
        return (stored & ((1 << self.word_bit) - 1)).astype(np.int64), (stored >> self.word_bit).astype(bool)

    def document(self, number: int) -> tuple[int, TokenizedDocument]:
        """Return the position of a document's first token, and the document."""
        shard_number = bisect.bisect_right(self._first_document, number) - 1
        shard = self._shards[shard_number]
        (token_start, length_start), (token_end, length_end) = shard.index[
            number - self._first_document[shard_number] :
        ][:2].tolist()
        start = self._first_token[shard_number] + token_start
        ids, starts = self.tokens(start, token_end - token_start)
        offsets = np.concatenate([[0], np.cumsum(decode_lengths(shard.lengths[length_start:length_end]))]).astype(
            np.int32
        )
        return start, TokenizedDocument(
            input_ids=ids.astype(np.uint16 if self.manifest.vocab_size <= 1 << 16 else np.uint32),
            word_starts=starts,
            sentence_offsets=offsets,
        )

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises:
            DataError: A checksum differs. The message names the first such file.
        """
        for record in self.manifest.files:
            path = self.directory / record.file
            if not path.exists() or sha256_of_file(path) != record.sha256:
                raise DataError(f"{path}: its bytes differ from the manifest's checksum; prepare the corpus again.")
        self.vocab()
