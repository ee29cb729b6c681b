"""The shard format. A shard set is a folder: manifest.json, vocab.txt, and shard-00000.wwm, shard-00001.wwm, …

If the text was kept, it is in text-00000.jsonl.zst, …: one line per document, in order,
["file:line", ["sentence", …]], with the sentences that have tokens. report.json has counts and samples of dropped and
changed text.

A shard file is little endian, and every section starts at a multiple of 8 bytes::

    header     64 bytes: HEADER below
    tokens     num_tokens x uint16 (token_bits 16, vocabularies up to 32,768):
                   the id in the low 15 bits; bit 15 is 1 if the token starts a word
               or num_tokens x uint32 (token_bits 32, larger vocabularies):
                   the id in the low 31 bits; bit 31 is 1 if the token starts a word
    sentences  num_lengths x uint16: lengths in tokens; 65,535 means "add this and the next entry", so any length fits
    documents  (num_documents + 1) x 2 x uint64: where the tokens and the lengths of a document begin; the last row is
               the end

Each token and each sentence takes two bytes. A document is always in a single shard.
"""

from __future__ import annotations

import numpy as np

MAGIC = b"WWMSHRD1"
HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("token_bits", "<u4"),
        ("reserved", "<u4"),
        ("num_tokens", "<u8"),
        ("num_lengths", "<u8"),
        ("num_documents", "<u8"),
        ("num_sentences", "<u8"),
        ("padding", "V16"),
    ]
)
assert HEADER.itemsize == 64
LENGTH_ESCAPE = 0xFFFF
VOCAB_NAME = "vocab.txt"


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{number:05d}.wwm"


def text_name(number: int) -> str:
    """Return the name of a file of kept text."""
    return f"text-{number:05d}.jsonl.zst"


def token_bits(vocab_size: int) -> int:
    """Return the number of bits per token: 16 if all ids fit in 15 bits, else 32."""
    return 16 if vocab_size <= 1 << 15 else 32


def token_dtype(bits: int) -> np.dtype:
    """Return the dtype of the tokens section."""
    return np.dtype("<u2" if bits == 16 else "<u4")


def section_offsets(*, bits: int, num_tokens: int, num_lengths: int, num_documents: int) -> tuple[int, int, int, int]:
    """Return the byte offsets of tokens, sentences and documents, and the file size."""

    def aligned(position: int) -> int:
        return -(-position // 8) * 8

    tokens = HEADER.itemsize
    sentences = aligned(tokens + num_tokens * (bits // 8))
    documents = aligned(sentences + num_lengths * 2)
    return tokens, sentences, documents, documents + (num_documents + 1) * 16


def encode_lengths(lengths: np.ndarray) -> np.ndarray:
    """Encode sentence lengths as uint16 entries, with LENGTH_ESCAPE for long ones.

    Args:
        lengths: Any integer dtype, (num_sentences,).

    Returns:
        uint16, (num_entries,).
    """
    if len(lengths) == 0 or lengths.max() < LENGTH_ESCAPE:
        return lengths.astype("<u2")
    encoded = [[LENGTH_ESCAPE] * (length // LENGTH_ESCAPE) + [length % LENGTH_ESCAPE] for length in lengths.tolist()]
    return np.array([entry for entries in encoded for entry in entries], "<u2")


def decode_lengths(entries: np.ndarray) -> np.ndarray:
    """Decode sentence lengths.

    Args:
        entries: uint16, (num_entries,).

    Returns:
        int64, (num_sentences,).
    """
    lengths = entries.astype(np.int64)
    if not (entries == LENGTH_ESCAPE).any():
        return lengths
    ends = np.flatnonzero(entries != LENGTH_ESCAPE)
    return np.diff(np.concatenate([[0], np.cumsum(lengths)[ends]]))
