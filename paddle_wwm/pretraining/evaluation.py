"""Evaluation on the held-out documents.

The examples and their masks are the same in every evaluation. Besides tokens, whole words are counted.
"""

from __future__ import annotations

from typing import Iterable, Sequence

import numpy as np
import paddle

from ..config import PretrainRecipe
from ..pretraining_data.collate import PretrainBatch, collate, deal
from ..pretraining_data.examples import PretrainExample
from ..pretraining_data.masking import MaskedExample
from ..pretraining_data.mixture import Mixture
from ..runs.fleet import World
from .loader import Tensors, tensors_of
from .step import Sums, pretraining_losses

HeldOutBatch = tuple[PretrainBatch, np.ndarray]  # a batch, and the word number of every prediction


def held_out_batches(config: PretrainRecipe, held_out: Mixture, world: World) -> list[HeldOutBatch]:
    """Return the held-out batches of this worker.

    Returns:
        Each batch with the word numbers of its predictions, as `word_numbers` returns them.
    """
    count = min(config.runtime.max_evaluation_examples, held_out.num_examples)
    parts = deal(
        held_out.take(np.arange(count)),
        micro_batch_size=config.runtime.micro_batch_size,
        rank=world.rank,
        num_ranks=world.size,
    )
    batches = []
    for part in parts:
        pairs = part.masked()
        batch = collate(
            [example for example, _ in pairs], [masked for _, masked in pairs], pad_id=part.data[0].vocab.pad_id
        )
        batches.append((batch, word_numbers(pairs)))
    return batches


def word_numbers(pairs: Sequence[tuple[PretrainExample, MaskedExample]]) -> np.ndarray:
    """Return the number of the word that each prediction belongs to.

    Predictions with the same number belong to the same word. They are in the order of the flat predictions, row by row.

    Shape:
        Returns int64 (P,), where P is the number of predictions of the batch.
    """
    numbers, first = [], 0
    for example, masked in pairs:
        starts = example.word_starts | example.special_tokens_mask
        numbers.append(first + np.cumsum(starts)[masked.masked_lm_positions])
        first += int(starts.sum())
    return np.concatenate(numbers).astype(np.int64)


def word_sums(numbers: np.ndarray, correct: np.ndarray) -> Sums:
    """Count the words, and the words whose predictions are all correct.

    Shape:
        numbers: int64 (P,), the word number of each prediction.
        correct: bool, (P,) or longer.
    """
    num_words = len(np.unique(numbers))
    num_wrong = len(np.unique(numbers[~correct[: len(numbers)]]))
    return Sums(num_words=num_words, words_correct=num_words - num_wrong)


def evaluation_tensors(batches: Iterable[HeldOutBatch]) -> list[Tensors]:
    """Convert the batches to tensors; this is done once per phase."""
    return [{**tensors_of(batch), "word_numbers": paddle.to_tensor(numbers)} for batch, numbers in batches]


def evaluate(model: paddle.nn.Layer, micro_batches: Iterable[Tensors], *, world: World) -> dict[str, float]:
    """Return the mean losses and accuracies over the micro-batches of all workers.

    Dropout is off during the evaluation. The model is in training mode afterwards.
    """
    model.eval()
    total = Sums()
    with paddle.no_grad():
        for batch in micro_batches:
            losses = pretraining_losses(model, batch)
            total.add(losses.sums)
            if "word_numbers" in batch:
                total.add(word_sums(batch["word_numbers"].numpy(), losses.correct.numpy()))
    model.train()
    return total.over_workers(world).means()
