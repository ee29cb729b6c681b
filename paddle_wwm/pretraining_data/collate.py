"""Examples to batches: a global batch is fixed by (seed, step); it is cut into micro-batches of like length, dealt to the ranks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Sequence

import numpy as np

from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab
from ..types import IGNORED_LABEL, NO_PAIR, MaskedExample, MaskingConfig, PretrainBatch, PretrainExample
from .examples import make_example
from .masking import mask_example
from .sampler import order_of


def collate(examples: Sequence[PretrainExample], masked: Sequence[MaskedExample], *, pad_id: int) -> PretrainBatch:
    """Pad to the longest example and to the most predictions of the batch."""
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
    """Everything that batches of a phase are made of. `index_path` is an .npy file of index rows, memory-mapped."""

    shards: ShardSet
    vocab: Vocab
    index_path: Path
    masking: MaskingConfig
    seed: int

    @cached_property
    def index(self) -> np.ndarray:
        """The index rows, shape (num_examples,), memory-mapped."""
        return np.load(self.index_path, mmap_mode="r")

    @property
    def num_examples(self) -> int:
        """Examples of one epoch."""
        return len(self.index)

    def example(self, example_index: int) -> PretrainExample:
        """An example before masking."""
        return make_example(self.shards, self.index[example_index], vocab=self.vocab)

    def masked(self, example_index: int, *, epoch: int) -> tuple[PretrainExample, MaskedExample]:
        """An example and its mask in an epoch."""
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

    def micro_batches(self, *, first_example: int, global_batch_size: int, micro_batch_size: int, rank: int, num_ranks: int) -> list[PretrainBatch]:
        """This rank's micro-batches of the global batch that begins with running number `first_example`.

        The global batch is sorted by length and cut into micro-batches; rank r takes every num_ranks-th from r on. What a step trains on
        does not depend on the number of ranks or the size of the micro-batches, and little is padded.
        """
        numbers = np.arange(first_example, first_example + global_batch_size)
        epochs, indices = order_of(numbers, num_examples=self.num_examples, seed=self.seed)
        rows = self.index[indices]
        lengths = rows["first_length"].astype(np.int64) + rows["second_length"]
        order = np.argsort(-lengths, kind="stable")
        batches = []
        for start in range(rank * micro_batch_size, global_batch_size, num_ranks * micro_batch_size):
            chosen = order[start : start + micro_batch_size]
            pairs = [self.masked(int(indices[item]), epoch=int(epochs[item])) for item in chosen]
            batches.append(collate([pair[0] for pair in pairs], [pair[1] for pair in pairs], pad_id=self.vocab.pad_id))
        return batches
