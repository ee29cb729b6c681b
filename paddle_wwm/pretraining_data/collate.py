"""Make batches of examples.

A global batch is a function of (seed, step). It is sorted by length, cut into micro-batches and dealt to the ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Sequence

import numpy as np

from ..masking_config import ActionUnit, MaskingConfig, MaskingStrategy
from ..random_bits import keys_of
from ..shards.reader import ShardSet
from ..tokenization.vocab import IGNORED_LABEL, Vocab
from .examples import PretrainExample, make_example
from .masking import MaskedExample, mask_example, mask_round, ngram_thresholds, num_to_predict
from .sampler import order_of
from .segments import NO_PAIR


@dataclass(frozen=True, kw_only=True)
class PretrainBatch:
    """A micro-batch, padded to its longest example.

    Attributes:
        input_ids, token_type_ids: int64, shape (batch_size, seq_len).
        attention_mask: bool, shape (batch_size, seq_len). True = may be attended to.
        masked_lm_positions, masked_lm_labels: int64, shape (batch_size, max_predictions). Padding has position 0 and
            label -100.
        next_sentence_labels: int64, shape (batch_size,), or None if the examples are not sentence pairs.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_labels: np.ndarray
    next_sentence_labels: np.ndarray | None

    @property
    def num_predictions(self) -> int:
        """Number of tokens to predict."""
        return int((self.masked_lm_labels != IGNORED_LABEL).sum())

    @property
    def num_tokens(self) -> int:
        """Number of tokens that are not padding."""
        return int(self.attention_mask.sum())


def collate(examples: Sequence[PretrainExample], masked: Sequence[MaskedExample], *, pad_id: int) -> PretrainBatch:
    """Pad to the longest example and to the most predictions in the batch."""
    seq_len = max(len(example.input_ids) for example in examples)
    num_predictions = max(1, max(len(item.masked_lm_positions) for item in masked))
    shape = (len(examples), seq_len)
    input_ids, token_type_ids = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64)
    attention_mask = np.zeros(shape, bool)
    positions = np.zeros((len(examples), num_predictions), np.int64)
    labels = np.full((len(examples), num_predictions), IGNORED_LABEL, np.int64)
    for row, (example, item) in enumerate(zip(examples, masked)):
        length, count = len(item.input_ids), len(item.masked_lm_positions)
        input_ids[row, :length] = item.input_ids
        token_type_ids[row, :length] = example.token_type_ids
        attention_mask[row, :length] = True
        positions[row, :count] = item.masked_lm_positions
        labels[row, :count] = item.masked_lm_labels
    pairs = np.array([example.next_sentence_label for example in examples], np.int64)
    return PretrainBatch(
        input_ids=input_ids,
        token_type_ids=token_type_ids,
        attention_mask=attention_mask,
        masked_lm_positions=positions,
        masked_lm_labels=labels,
        next_sentence_labels=None if (pairs == NO_PAIR).all() else pairs,
    )


@dataclass(frozen=True, kw_only=True)
class PretrainData:
    """The data of one training phase, from which batches are made.

    Attributes:
        index_path: an .npy file of index rows, memory-mapped.
        compiled: True = make batches by the compiled path (kernel.py), False = by numpy. Both give the same bytes.
    """

    shards: ShardSet
    vocab: Vocab
    index_path: Path
    masking: MaskingConfig
    seed: int
    compiled: bool = True

    @cached_property
    def index(self) -> np.ndarray:
        """The index rows, shape (num_examples,), memory-mapped."""
        return np.load(self.index_path, mmap_mode="r")

    @property
    def num_examples(self) -> int:
        """Number of examples per epoch."""
        return len(self.index)

    def example(self, example_index: int) -> PretrainExample:
        """Return an example before masking."""
        return make_example(self.shards, self.index[example_index], vocab=self.vocab)

    def masked(self, example_index: int, *, epoch: int) -> tuple[PretrainExample, MaskedExample]:
        """Return an example and its mask in an epoch."""
        example = self.example(example_index)
        item = mask_example(
            example,
            config=self.masking,
            mask_id=self.vocab.mask_id,
            random_token_ids=self.vocab.random_token_ids,
            seed=self.seed,
            epoch=epoch,
            example_index=example_index,
        )
        return example, item

    def micro_batches(
        self, *, first_example: int, global_batch_size: int, micro_batch_size: int, rank: int, num_ranks: int
    ) -> list[PretrainBatch]:
        """Return this rank's micro-batches of a global batch.

        The global batch begins with the running number `first_example`. See `cut_global_batch`.
        """
        numbers = np.arange(first_example, first_example + global_batch_size)
        return cut_global_batch(self.take(numbers), micro_batch_size=micro_batch_size, rank=rank, num_ranks=num_ranks)

    def take(self, numbers: np.ndarray) -> Taken:
        """Return references to the examples with these running numbers (int64)."""
        epochs, indices = order_of(numbers, num_examples=self.num_examples, seed=self.seed)
        return Taken(
            rows=self.index[indices],
            epochs=epochs,
            indices=indices,
            sources=np.zeros(len(numbers), np.int64),
            data=(self,),
        )


@dataclass(frozen=True, kw_only=True)
class Taken:
    """References to examples that are not made yet. All arrays have shape (n,).

    Attributes:
        rows: the index rows.
        epochs, indices: int64, the epoch and the example index of each example.
        sources: int64, the place in `data` that each example comes from.
    """

    rows: np.ndarray
    epochs: np.ndarray
    indices: np.ndarray
    sources: np.ndarray
    data: tuple[PretrainData, ...]

    def pick(self, items: np.ndarray) -> Taken:
        """Return some of the examples, in the order of `items` (int64)."""
        return Taken(
            rows=self.rows[items],
            epochs=self.epochs[items],
            indices=self.indices[items],
            sources=self.sources[items],
            data=self.data,
        )

    def masked(self) -> list[tuple[PretrainExample, MaskedExample]]:
        """Make the examples and their masks with the numpy functions."""
        numbers = zip(self.sources.tolist(), self.indices.tolist(), self.epochs.tolist())
        return [self.data[source].masked(index, epoch=epoch) for source, index, epoch in numbers]


def deal(taken: Taken, *, micro_batch_size: int, rank: int, num_ranks: int) -> list[Taken]:
    """Return a rank's micro-batches of a global batch, not made yet.

    The global batch is sorted by length and cut into micro-batches. Rank r takes every num_ranks-th one, starting with
    number r. The examples of a step do not depend on the number of ranks or on the micro-batch size. Sorting by length
    keeps padding small.
    """
    lengths = taken.rows["first_length"].astype(np.int64) + taken.rows["second_length"]
    order = np.argsort(-lengths, kind="stable")
    starts = range(rank * micro_batch_size, len(order), num_ranks * micro_batch_size)
    return [taken.pick(order[start : start + micro_batch_size]) for start in starts]


def cut_global_batch(taken: Taken, *, micro_batch_size: int, rank: int, num_ranks: int) -> list[PretrainBatch]:
    """Return a rank's micro-batches of a global batch. See `deal`."""
    make = compiled_batch if taken.data[0].compiled else numpy_batch
    return [make(part) for part in deal(taken, micro_batch_size=micro_batch_size, rank=rank, num_ranks=num_ranks)]


def numpy_batch(taken: Taken) -> PretrainBatch:
    """Make a batch with the numpy functions, which are the definition."""
    pairs = taken.masked()
    return collate([pair[0] for pair in pairs], [pair[1] for pair in pairs], pad_id=taken.data[0].vocab.pad_id)


NO_LIMIT = 1 << 30
KernelSettings = tuple[int, int, int, int, np.ndarray, float, int, float, float, bool, bool, np.ndarray]


def kernel_settings(config: MaskingConfig, *, vocab: Vocab, word_bit: int) -> KernelSettings:
    """Return the arguments of `kernel.fill_batch` that are the same for every batch.

    They are the arguments from `word_bit` to `ngram_thresholds`, in this order.
    """
    return (
        word_bit,
        vocab.cls_id,
        vocab.sep_id,
        vocab.mask_id,
        vocab.random_token_ids,
        config.masked_lm_prob,
        NO_LIMIT if config.max_predictions_per_seq is None else config.max_predictions_per_seq,
        config.mask_token_prob,
        config.random_token_prob,
        config.strategy is not MaskingStrategy.PIECE,
        config.actions is ActionUnit.WORD,
        ngram_thresholds(config),
    )


def compiled_batch(taken: Taken) -> PretrainBatch:
    """Make the same batch, byte for byte, by the compiled path."""
    from .kernel import fill_batch

    rows, config, vocab = taken.rows, taken.data[0].masking, taken.data[0].vocab
    first_lengths, second_lengths = rows["first_length"].astype(np.int64), rows["second_length"].astype(np.int64)
    longest = int((first_lengths + second_lengths + 2 + (second_lengths > 0)).max())
    segments = rows[["first_start", "first_length", "second_start", "second_length"]].tolist()
    stored = [
        taken.data[source].shards.stored_tokens(start, length)
        for source, (a_start, a_length, b_start, b_length) in zip(taken.sources.tolist(), segments)
        for start, length in ((a_start, a_length), (b_start, b_length))
        if length
    ]
    shape, most = (len(rows), longest), num_to_predict(longest, config)
    input_ids, token_type_ids = np.full(shape, vocab.pad_id, np.int64), np.zeros(shape, np.int64)
    attention_mask = np.zeros(shape, bool)
    positions, labels = np.zeros((len(rows), most), np.int64), np.full((len(rows), most), IGNORED_LABEL, np.int64)
    counts = np.zeros(len(rows), np.int64)
    seeds = np.array([data.seed for data in taken.data], np.int64)[taken.sources]
    fill_batch(
        np.concatenate(stored),
        first_lengths,
        second_lengths,
        keys_of(seeds, mask_round(taken.epochs, config), taken.indices),
        *kernel_settings(config, vocab=vocab, word_bit=taken.data[0].shards.word_bit),
        input_ids,
        token_type_ids,
        attention_mask,
        positions,
        labels,
        counts,
    )
    used = max(1, int(counts.max()))
    pairs = rows["next_sentence_label"].astype(np.int64)
    return PretrainBatch(
        input_ids=input_ids,
        token_type_ids=token_type_ids,
        attention_mask=attention_mask,
        masked_lm_positions=np.ascontiguousarray(positions[:, :used]),
        masked_lm_labels=np.ascontiguousarray(labels[:, :used]),
        next_sentence_labels=None if (pairs == NO_PAIR).all() else pairs,
    )
