"""Examples and shard sets made by hand.

Words are given by their lengths in pieces. In a shard set every token has its own id, so the ids of an example show
where its tokens come from.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Sequence

import numpy as np

from paddle_wwm.pretraining_data.examples import PretrainExample
from paddle_wwm.pretraining_data.segments import NO_PAIR
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.shards.writer import MAX_TOKENS_PER_SHARD
from paddle_wwm.tokenization.tokenized import TokenizedDocument
from paddle_wwm.tokenization.vocab import SPECIAL_TOKENS, Vocab

from ..shard_sets import write_set

CLS_ID, SEP_ID, MASK_ID = 2, 3, 4
FIRST_ID = 10
VOCAB_SIZE = 30_000

Sentence = Sequence[int]  # the lengths of its words


@cache
def numbered_vocab() -> Vocab:
    """Return the special tokens, [unused0] to [unused4], then VOCAB_SIZE - 10 tokens."""
    unused = tuple(f"[unused{number}]" for number in range(FIRST_ID - len(SPECIAL_TOKENS)))
    return Vocab(
        tokens=(*SPECIAL_TOKENS, *unused, *(f"t{number}" for number in range(FIRST_ID, VOCAB_SIZE))), sha256=""
    )


def word_starts_of(words: Sentence) -> np.ndarray:
    """Return a bool array that is True at the first piece of every word."""
    starts = np.zeros(sum(words), bool)
    starts[[0, *accumulate(words)][:-1]] = True
    return starts


def example_of(first: Sentence, second: Sentence = ()) -> PretrainExample:
    """Return [CLS] first [SEP] (second [SEP]). Its arrays are read-only."""
    segments = [segment for segment in (first, second) if len(segment)]
    starts = np.concatenate([[False], *(np.append(word_starts_of(segment), False) for segment in segments)])
    lengths = [sum(segment) for segment in segments]
    special = np.ones(len(starts), bool)
    special[1 : 1 + lengths[0]] = False
    if second:
        special[2 + lengths[0] : -1] = False
    ids = np.arange(FIRST_ID, FIRST_ID + len(starts))
    ids[special] = SEP_ID
    ids[0] = CLS_ID
    types = np.zeros(len(starts), np.int64)
    types[2 + lengths[0] :] = 1
    for array in (ids, starts, special, types):
        array.setflags(write=False)
    return PretrainExample(
        input_ids=ids,
        token_type_ids=types,
        word_starts=starts,
        special_tokens_mask=special,
        next_sentence_label=0 if second else NO_PAIR,
    )


def words_of(example: PretrainExample) -> list[range]:
    """Return the positions of every word, read from the example piece by piece."""
    words: list[list[int]] = []
    for position, (start, special) in enumerate(zip(example.word_starts, example.special_tokens_mask)):
        if start:
            words.append([position])
        elif not special:
            words[-1].append(position)
    return [range(word[0], word[-1] + 1) for word in words]


def document_of(sentences: Sequence[Sentence], *, first_id: int = FIRST_ID) -> TokenizedDocument:
    """Return a document with consecutive ids from `first_id`."""
    lengths = [sum(sentence) for sentence in sentences]
    return TokenizedDocument(
        input_ids=np.arange(first_id, first_id + sum(lengths)).astype(np.uint16),
        word_starts=np.concatenate([word_starts_of(sentence) for sentence in sentences]),
        sentence_offsets=np.array([0, *accumulate(lengths)], np.int32),
    )


def documents_of(corpus: Sequence[Sequence[Sentence]]) -> list[TokenizedDocument]:
    """Return documents with consecutive ids.

    The token at position p of the set has the id FIRST_ID + p.
    """
    firsts = accumulate((sum(map(sum, sentences)) for sentences in corpus), initial=FIRST_ID)
    return [document_of(sentences, first_id=first) for sentences, first in zip(corpus, firsts)]


def write_shard_set(
    directory: Path, documents: Sequence[TokenizedDocument], *, max_tokens_per_shard: int = MAX_TOKENS_PER_SHARD
) -> ShardSet:
    """Write the documents into `directory` and open them."""
    directory.mkdir()
    return write_set(
        directory,
        documents,
        vocab_size=VOCAB_SIZE,
        max_tokens_per_shard=max_tokens_per_shard,
        vocab_sha256=numbered_vocab().sha256,
    )
