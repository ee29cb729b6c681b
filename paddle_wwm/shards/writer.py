"""Tokenized documents to shard files. The files are written into a temporary folder that is renamed when all is done."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..types import TokenizedDocument
from .format import HEADER, MAGIC, encode_lengths, section_offsets, shard_name, token_bits, token_dtype

MAX_TOKENS_PER_SHARD = 1 << 26


class ShardWriter:
    """Collects documents and writes a shard whenever `max_tokens_per_shard` is reached."""

    def __init__(self, directory: Path, *, vocab_size: int, max_tokens_per_shard: int = MAX_TOKENS_PER_SHARD) -> None:
        self._directory = directory
        self._bits = token_bits(vocab_size)
        self._vocab_size = vocab_size
        self._max_tokens = max_tokens_per_shard
        self._documents: list[tuple[np.ndarray, np.ndarray, int]] = []
        self._num_tokens = 0
        self.shards: list[dict[str, Any]] = []

    def add(self, document: TokenizedDocument) -> None:
        """Append a document. Raises DataError for an id outside the vocabulary."""
        if document.input_ids.max() >= self._vocab_size:
            raise DataError(f"token ids must be below the vocabulary's size {self._vocab_size}, but {document.input_ids.max()} was given.")
        tokens = document.input_ids.astype(token_dtype(self._bits))
        tokens |= document.word_starts.astype(tokens.dtype) << (self._bits - 1)
        lengths = np.diff(document.sentence_offsets)
        self._documents.append((tokens, encode_lengths(lengths), len(lengths)))
        self._num_tokens += len(tokens)
        if self._num_tokens >= self._max_tokens:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected as one shard, if anything has."""
        if not self._documents:
            return
        tokens = np.concatenate([item[0] for item in self._documents])
        lengths = np.concatenate([item[1] for item in self._documents])
        index = np.zeros((len(self._documents) + 1, 2), "<u8")
        np.cumsum([(len(item[0]), len(item[1])) for item in self._documents], axis=0, out=index[1:])
        num_sentences = sum(item[2] for item in self._documents)
        header = np.zeros((), HEADER)
        header["magic"], header["token_bits"] = MAGIC, self._bits
        header["num_tokens"], header["num_lengths"] = len(tokens), len(lengths)
        header["num_documents"], header["num_sentences"] = len(self._documents), num_sentences
        _, sentences_at, documents_at, size = section_offsets(
            bits=self._bits, num_tokens=len(tokens), num_lengths=len(lengths), num_documents=len(self._documents)
        )
        digest, position = hashlib.sha256(), 0
        name = shard_name(len(self.shards))
        with open(self._directory / name, "wb") as stream:
            for data, begin in ((header, 0), (tokens, HEADER.itemsize), (lengths, sentences_at), (index, documents_at)):
                block = bytes(begin - position) + data.tobytes()
                stream.write(block)
                digest.update(block)
                position += len(block)
        assert position == size
        self.shards.append(
            {
                "file": name,
                "sha256": digest.hexdigest(),
                "num_documents": len(self._documents),
                "num_sentences": num_sentences,
                "num_tokens": len(tokens),
            }
        )
        self._documents, self._num_tokens = [], 0
