"""One training step, and evaluation. The loss is a mean over the whole global batch: of all predicted pieces (MLM) plus of all pairs (NSP),
across micro-batches and workers, so it does not depend on how the batch was cut."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, fields
from typing import Iterable, Sequence

import numpy as np
import paddle
import paddle.nn.functional as F

from ..model.ops import seed_dropout
from ..pretraining_data.random_bits import key_of
from ..types import IGNORED_LABEL
from .fleet import World, sum_over_workers, without_gradient_sync
from .loader import Tensors
from .optim import clip_gradients


@dataclass(kw_only=True)
class Sums:
    """Sums over examples of one worker; added up over steps and workers before they are divided."""

    mlm_loss: float = 0.0
    mlm_correct: float = 0.0
    num_predictions: float = 0.0
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
        """Loss (MLM + NSP), its parts, and accuracies."""
        mlm_loss = self.mlm_loss / max(1.0, self.num_predictions)
        result = {"loss": mlm_loss, "mlm_loss": mlm_loss, "masked_accuracy": self.mlm_correct / max(1.0, self.num_predictions)}
        if self.num_pairs:
            result["nsp_loss"] = self.nsp_loss / self.num_pairs
            result["nsp_accuracy"] = self.nsp_correct / self.num_pairs
            result["loss"] += result["nsp_loss"]
        return result


def forward(model: paddle.nn.Layer, batch: Tensors) -> tuple[paddle.Tensor, paddle.Tensor | None, Sums]:
    """The summed MLM loss, the summed NSP loss (None without pairs), and the sums for reporting."""
    labels, pair_labels = batch["labels"], batch.get("next_sentence_labels")
    scores, relations = model(
        batch["input_ids"], batch["token_type_ids"], batch["attention_mask"], batch["flat_positions"], pair_labels is not None
    )
    mlm_loss = F.cross_entropy(scores, labels, ignore_index=IGNORED_LABEL, reduction="sum")
    sums = Sums(
        mlm_loss=float(mlm_loss),
        mlm_correct=float((scores.detach().argmax(-1) == labels).sum()),
        num_predictions=float(batch["num_predictions"]),
        num_tokens=float(batch["num_tokens"]),
        num_slots=float(batch["input_ids"].size),
    )
    if pair_labels is None:
        return mlm_loss, None, sums
    nsp_loss = F.cross_entropy(relations, pair_labels, reduction="sum")
    sums.nsp_loss = float(nsp_loss)
    sums.nsp_correct = float((relations.detach().argmax(-1) == pair_labels).sum())
    sums.num_pairs = float(pair_labels.size)
    return mlm_loss, nsp_loss, sums


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step did on this worker. `stop` is agreed on by all workers."""

    sums: Sums
    gradient_norm: float
    stop: bool


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
    stop_asked: bool,
) -> StepResult:
    """Forward and backward of this worker's micro-batches, clip, check, update.

    A gradient that is not finite is returned as it is (`gradient_norm`), and the parameters are left as they were.
    """
    num_predictions = sum(int(batch["num_predictions"]) for batch in micro_batches)
    num_pairs = sum(batch["next_sentence_labels"].size for batch in micro_batches if "next_sentence_labels" in batch)
    all_predictions, all_pairs, stop = sum_over_workers([num_predictions, num_pairs, float(stop_asked)], world)

    total = Sums()
    for number, batch in enumerate(micro_batches):
        # dropout is a function of (seed, step, micro-batch of the global batch): a resumed run draws the same, and any number of workers
        seed_dropout(int(key_of(seed, step, number * world.size + world.rank)))
        last = number == len(micro_batches) - 1
        with contextlib.nullcontext() if last else without_gradient_sync(model, world):
            total.add(_forward_backward(model, batch, world, all_predictions, all_pairs))

    # gradients are the same on every worker now, so all decide alike
    gradient_norm = clip_gradients(optimizer._parameter_list, max_norm=clip_norm)
    if np.isfinite(gradient_norm):
        optimizer.set_lr(learning_rate)
        optimizer.step()
    optimizer.clear_grad()
    return StepResult(sums=total, gradient_norm=gradient_norm, stop=stop > 0)


def _forward_backward(model: paddle.nn.Layer, batch: Tensors, world: World, all_predictions: float, all_pairs: float) -> Sums:
    mlm_loss, nsp_loss, sums = forward(model, batch)
    # fleet averages gradients over the workers: times world.size makes it the sum that the global mean needs
    loss = mlm_loss * (world.size / max(1.0, all_predictions))
    if nsp_loss is not None:
        loss = loss + nsp_loss * (world.size / all_pairs)
    loss.backward()
    return sums


def evaluate(model: paddle.nn.Layer, micro_batches: Iterable[Tensors], *, world: World) -> dict[str, float]:
    """Means over all workers' micro-batches, dropout off."""
    model.eval()
    total = Sums()
    with paddle.no_grad():
        for batch in micro_batches:
            total.add(forward(model, batch)[2])
    model.train()
    return total.over_workers(world).means()
