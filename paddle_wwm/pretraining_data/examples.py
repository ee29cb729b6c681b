"""Make examples from shards.

An index row says where the segments of an example lie in the shards, so that an example is made in O(1).

The index is a structured array. `build_index` builds it once per (shards, seed, length, pairing, side of the held-out
split). It is kept as an .npy file, which every rank memory-maps.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ..config import DataConfig, SentencePairing
from ..errors import DataError
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab
from .segments import COLUMNS, INDEX_ROW, FullSentenceBuilder, PairBuilder


@dataclass(frozen=True, kw_only=True)
class PretrainExample:
    """One unmasked sequence with its special tokens.

    Attributes:
        input_ids, token_type_ids: int64, shape (seq_len,).
        word_starts: bool, shape (seq_len,). False at special tokens.
        special_tokens_mask: bool, shape (seq_len,). True at [CLS] and [SEP].
        next_sentence_label: 0 = the second segment follows the first, 1 = the second segment is random, NO_PAIR (-1) =
            there is only one segment.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    word_starts: np.ndarray
    special_tokens_mask: np.ndarray
    next_sentence_label: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """Document numbers by side. Held-out documents are never used for training."""

    train: np.ndarray
    held_out: np.ndarray


def split_documents(shards: ShardSet, *, held_out_share: float) -> Split:
    """Split documents into a training side and a held-out side.

    The side of a document depends on a hash of its tokens only. So a document keeps its side when the corpus grows, and
    copies of a document are on the same side.
    """
    if shards.num_documents < 2:
        raise DataError(
            f"{shards.directory}: only one document, but training and the held-out set need at least one each; "
            "put a blank line between documents (many short documents are better than one long one)."
        )
    hashes = np.array(
        [zlib.crc32(shards.document(number)[1].input_ids.tobytes()) for number in range(shards.num_documents)],
        np.uint64,
    )
    held_out = hashes < np.uint64(held_out_share * 2**32)
    if not held_out.any():
        held_out = hashes == hashes.min()
    if held_out.all():
        held_out = hashes != hashes.max()
        if not held_out.any():
            raise DataError(f"{shards.directory}: all documents are the same, so none can be held out.")
    return Split(train=np.flatnonzero(~held_out), held_out=np.flatnonzero(held_out))


def build_index(
    shards: ShardSet, *, documents: np.ndarray, data: DataConfig, max_seq_length: int, seed: int, report: Counter
) -> np.ndarray:
    """Build the index rows of all examples of `documents`.

    Args:
        report: Counts what was split, forced or left out, by rule.

    Returns:
        Shape (num_examples,), dtype INDEX_ROW.

    Raises:
        DataError: The documents give no example.
    """
    builder = PairBuilder if data.pairing is SentencePairing.NEXT_SENTENCE else FullSentenceBuilder
    build = builder(
        shards,
        documents=documents,
        short_seq_prob=data.short_seq_prob,
        max_seq_length=max_seq_length,
        seed=seed,
        report=report,
    )
    for number in documents.tolist():
        build.add(number)
    if not build.rows:
        raise DataError(
            f"{shards.directory}: no example could be made from {len(documents)} document(s); the corpus is too small."
        )
    columns = np.frombuffer(build.rows, np.int64).reshape(-1, len(COLUMNS))
    index = np.zeros(len(columns), INDEX_ROW)
    for name, column in zip(COLUMNS, columns.T):
        index[name] = column
    return index


def make_example(shards: ShardSet, row: np.void, *, vocab: Vocab) -> PretrainExample:
    """Make the example of an index row: [CLS] A [SEP] or [CLS] A [SEP] B [SEP]."""
    a_ids, a_starts = shards.tokens(int(row["first_start"]), int(row["first_length"]))
    parts: list[Sequence[int] | np.ndarray] = [[vocab.cls_id], a_ids, [vocab.sep_id]]
    starts: list[Sequence[bool] | np.ndarray] = [[False], a_starts, [False]]
    types = [0] * (len(a_ids) + 2)
    if row["second_length"]:
        b_ids, b_starts = shards.tokens(int(row["second_start"]), int(row["second_length"]))
        parts += [b_ids, [vocab.sep_id]]
        starts += [b_starts, [False]]
        types += [1] * (len(b_ids) + 1)
    word_starts = np.concatenate(starts).astype(bool)
    special = np.zeros(len(word_starts), bool)
    special[[0, len(a_ids) + 1, len(special) - 1]] = True
    # the first piece of a segment starts a word, even if a word longer than an example was split before it
    word_starts[[1] + ([len(a_ids) + 2] if row["second_length"] else [])] = True
    return PretrainExample(
        input_ids=np.concatenate(parts).astype(np.int64),
        token_type_ids=np.array(types, np.int64),
        word_starts=word_starts,
        special_tokens_mask=special,
        next_sentence_label=int(row["next_sentence_label"]),
    )
