"""One training step. The loss is a mean over the whole global batch: of all predicted pieces (MLM) plus of all pairs
(NSP), across micro-batches and workers, so it does not depend on how the batch was cut.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, fields
from typing import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F

from ..compute.dropout import seed_dropout
from ..pretraining_data.random_bits import key_of
from ..runs.fleet import World, average_gradients, sum_over_workers, without_gradient_sync
from ..runs.optim import clip_gradients
from ..runs.precision import Precision
from ..runs.sharding import Shares
from ..types import IGNORED_LABEL
from .loader import Tensors


@dataclass(kw_only=True)
class Sums:
    """Sums over examples of one worker; added up over steps and workers before they are divided."""

    mlm_loss: float = 0.0
    mlm_correct: float = 0.0
    num_predictions: float = 0.0
    words_correct: float = 0.0  # counted in evaluation only
    num_words: float = 0.0
    nsp_loss: float = 0.0
    nsp_correct: float = 0.0
    num_pairs: float = 0.0
    num_tokens: float = 0.0
    num_slots: float = 0.0  # tokens and padding

    def add(self, other: Sums) -> None:
        """Add another's sums to these."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def over_workers(self, world: World) -> Sums:
        """The sums over all workers."""
        names = [item.name for item in fields(self)]
        return Sums(**dict(zip(names, sum_over_workers([getattr(self, name) for name in names], world).tolist())))

    def means(self) -> dict[str, float]:
        """Loss (MLM + NSP), its parts, and accuracies; where words were counted, their accuracy and the perplexity,
        too.
        """
        mlm_loss = self.mlm_loss / max(1.0, self.num_predictions)
        result = {
            "loss": mlm_loss,
            "mlm_loss": mlm_loss,
            "masked_accuracy": self.mlm_correct / max(1.0, self.num_predictions),
        }
        if self.num_words:
            result["word_accuracy"] = self.words_correct / self.num_words
            result["perplexity"] = math.exp(min(mlm_loss, 700.0))  # e^700 is the largest that fits
        if self.num_pairs:
            result["nsp_loss"] = self.nsp_loss / self.num_pairs
            result["nsp_accuracy"] = self.nsp_correct / self.num_pairs
            result["loss"] += result["nsp_loss"]
        return result


def forward(model: paddle.nn.Layer, batch: Tensors) -> tuple[paddle.Tensor, paddle.Tensor | None, Sums]:
    """The summed MLM loss, the summed NSP loss (None without pairs), and the sums for reporting.

    A batch with `word_numbers` (int64 (P,), the predictions of a word have the same) counts a word as right when all
    its predictions are.
    """
    labels, pair_labels = batch["labels"], batch.get("next_sentence_labels")
    scores, relations = model(
        batch["input_ids"],
        batch["token_type_ids"],
        batch["attention_mask"],
        batch["flat_positions"],
        pair_labels is not None,
    )
    mlm_loss = F.cross_entropy(scores, labels, ignore_index=IGNORED_LABEL, reduction="sum")
    correct = scores.detach().argmax(-1) == labels
    sums = Sums(
        mlm_loss=float(mlm_loss),
        mlm_correct=float(correct.sum()),
        num_predictions=float(batch["num_predictions"]),
        num_tokens=float(batch["num_tokens"]),
        num_slots=float(batch["input_ids"].size),
    )
    if "word_numbers" in batch:
        words = batch["word_numbers"].numpy()
        sums.num_words = float(len(np.unique(words)))
        sums.words_correct = sums.num_words - len(np.unique(words[~correct.numpy()[: len(words)]]))
    if pair_labels is None:
        return mlm_loss, None, sums
    nsp_loss = F.cross_entropy(relations, pair_labels, reduction="sum")
    sums.nsp_loss = float(nsp_loss)
    sums.nsp_correct = float((relations.detach().argmax(-1) == pair_labels).sum())
    sums.num_pairs = float(pair_labels.size)
    return mlm_loss, nsp_loss, sums


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step did. `sums` are this worker's; all else is agreed on by all workers.

    updated: False when a loss or a gradient was not finite on any worker; then nothing was changed, and
    `micro_losses`, shape (workers, micro-batches), holds the summed loss of every micro-batch. stop, save: whether any
    worker asked for it.
    """

    sums: Sums
    gradient_norm: float
    updated: bool
    micro_losses: np.ndarray | None = None
    stop: bool = False
    save: bool = False


def train_step(
    model: paddle.nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    micro_batches: Sequence[Tensors],
    *,
    world: World,
    clip_norm: float,
    learning_rate: float,
    seed: int,
    step: int,
    stop_asked: bool = False,
    save_asked: bool = False,
    precision: Precision | None = None,
    shares: Shares | None = None,
    sync_in_backward: bool = True,
) -> StepResult:
    """Forward and backward of this worker's micro-batches, clip, agree that all is finite, update.

    sync_in_backward: the workers exchange gradients while the last backward pass computes others; False: after it (for
    recompute).
    """
    num_predictions = sum(int(batch["num_predictions"]) for batch in micro_batches)
    num_pairs = sum(batch["next_sentence_labels"].size for batch in micro_batches if "next_sentence_labels" in batch)
    counts = sum_over_workers([num_predictions, num_pairs, float(stop_asked), float(save_asked)], world)

    precision = precision or Precision()
    total, losses = Sums(), []
    for number, batch in enumerate(micro_batches):
        # dropout is a function of (seed, step, micro-batch of the global batch): a resumed run draws the same, and any
        # number of workers
        seed_dropout(int(key_of(seed, step, number * world.size + world.rank)))
        last = number == len(micro_batches) - 1
        with contextlib.nullcontext() if last and sync_in_backward else without_gradient_sync(model, world):
            sums = _forward_backward(model, batch, world, precision, all_predictions=counts[0], all_pairs=counts[1])
        losses.append(sums.mlm_loss + sums.nsp_loss)
        total.add(sums)

    parameters = [parameter for parameter in model.parameters() if not parameter.stop_gradient]
    if not sync_in_backward:
        average_gradients(parameters, world)
    norm = clip_gradients(parameters, max_norm=clip_norm, loss_scale=precision.loss_scale)
    all_finite = sum_over_workers([float(not np.isfinite([norm, *losses]).all())], world)[0] == 0
    if all_finite:
        optimizer.set_lr(learning_rate)
        optimizer.step()
        if shares is not None:
            shares.spread()
    for parameter in parameters:
        parameter.clear_gradient()
    return StepResult(
        sums=total,
        gradient_norm=norm,
        updated=bool(all_finite),
        micro_losses=None if all_finite else _losses_of_all(losses, world),
        stop=counts[2] > 0,
        save=counts[3] > 0,
    )


def _forward_backward(
    model: paddle.nn.Layer,
    batch: Tensors,
    world: World,
    precision: Precision,
    *,
    all_predictions: float,
    all_pairs: float,
) -> Sums:
    with precision.autocast():
        mlm_loss, nsp_loss, sums = forward(model, batch)
    # fleet averages gradients over the workers: times world.size makes it the sum that the global mean needs
    factor = world.size * precision.loss_scale
    loss = mlm_loss * (factor / max(1.0, all_predictions))
    if nsp_loss is not None:
        loss = loss + nsp_loss * (factor / all_pairs)
    loss.backward()
    return sums


def _losses_of_all(losses: Sequence[float], world: World) -> np.ndarray:
    """The micro-batches' losses of all workers, shape (workers, micro-batches)."""
    table = np.zeros((world.size, len(losses)))
    table[world.rank] = losses
    return sum_over_workers(table.ravel().tolist(), world).reshape(table.shape)
