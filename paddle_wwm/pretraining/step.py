"""The losses of a micro-batch in pretraining, and the training step.

The MLM loss is a mean over all predicted pieces of the global batch. The NSP loss is a mean over all its pairs.
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, fields
from typing import Sequence

import paddle
import paddle.nn.functional as F

from ..errors import TrainingError
from ..runs.accumulation import StepContext, StepResult, SummedLoss, accumulated_step
from ..runs.checkpoints import TO_CONTINUE
from ..runs.fleet import World, sum_over_workers
from .loader import Tensors

Number = float | paddle.Tensor


@dataclass(kw_only=True)
class Sums:
    """Sums over the examples of one worker.

    They are added over steps and workers before means are computed. Values that the device computes stay there, as
    float64 scalars, until `over_workers` reads them.
    """

    mlm_loss: Number = 0.0
    mlm_correct: Number = 0.0
    num_predictions: float = 0.0
    words_correct: float = 0.0  # words are counted in evaluation only
    num_words: float = 0.0
    nsp_loss: Number = 0.0
    nsp_correct: Number = 0.0
    num_pairs: float = 0.0
    num_tokens: float = 0.0
    num_slots: float = 0.0  # tokens plus padding

    def add(self, other: Sums) -> None:
        """Add the other sums to these, in place."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def over_workers(self, world: World) -> Sums:
        """Return the sums over all workers. This waits for the device."""
        names = [item.name for item in fields(self)]
        own = [float(getattr(self, name)) for name in names]
        return Sums(**dict(zip(names, sum_over_workers(own, world).tolist())))

    def means(self) -> dict[str, float]:
        """Return the loss (MLM + NSP), its parts and the accuracies.

        If words were counted, also return their accuracy and the perplexity. This waits for the device.
        """
        mlm_loss = float(self.mlm_loss) / max(1.0, self.num_predictions)
        result = {
            "loss": mlm_loss,
            "mlm_loss": mlm_loss,
            "masked_accuracy": float(self.mlm_correct) / max(1.0, self.num_predictions),
        }
        if self.num_words:
            result["word_accuracy"] = self.words_correct / self.num_words
            result["perplexity"] = math.exp(min(mlm_loss, 700.0))  # math.exp overflows above about 709
        if self.num_pairs:
            result["nsp_loss"] = float(self.nsp_loss) / self.num_pairs
            result["nsp_accuracy"] = float(self.nsp_correct) / self.num_pairs
            result["loss"] += result["nsp_loss"]
        return result


@dataclass(frozen=True, kw_only=True)
class PretrainingLosses:
    """The result of the forward pass for a micro-batch.

    Attributes:
        mlm_loss: the sum over the predictions, a scalar.
        nsp_loss: the sum over the pairs, a scalar; None without pairs.
        correct: bool (P,), True where the prediction is correct.
        sums: the same as sums for the log.
    """

    mlm_loss: paddle.Tensor
    nsp_loss: paddle.Tensor | None
    correct: paddle.Tensor
    sums: Sums


def pretraining_losses(model: paddle.nn.Layer, batch: Tensors) -> PretrainingLosses:
    """Run the model on a micro-batch and return its summed losses.

    This does not wait for the device.
    """
    labels, pair_labels = batch["labels"], batch.get("next_sentence_labels")
    (mlm_loss, correct), relations = model(
        batch["input_ids"],
        batch["token_type_ids"],
        batch["attention_mask"],
        batch["flat_positions"],
        pair_labels is not None,
        labels,
    )
    sums = Sums(
        mlm_loss=_as_sum(mlm_loss),
        mlm_correct=_as_sum(correct),
        num_predictions=batch["num_predictions"],
        num_tokens=batch["num_tokens"],
        num_slots=batch["input_ids"].size,
    )
    nsp_loss = None
    if pair_labels is not None:
        nsp_loss = F.cross_entropy(relations, pair_labels, reduction="sum")
        sums.nsp_loss = _as_sum(nsp_loss)
        sums.nsp_correct = _as_sum(relations.detach().argmax(-1) == pair_labels)
        sums.num_pairs = pair_labels.size
    return PretrainingLosses(mlm_loss=mlm_loss, nsp_loss=nsp_loss, correct=correct, sums=sums)


def _as_sum(tensor: paddle.Tensor) -> paddle.Tensor:
    return tensor.detach().sum(dtype="float64")


def pretraining_step(
    context: StepContext,
    micro_batches: Sequence[Tensors],
    *,
    step: int,
    learning_rate: float,
    stop_asked: bool = False,
    save_asked: bool = False,
    loader_status: int = 0,
) -> tuple[StepResult, Sums]:
    """Make one training step over the micro-batches of this worker.

    The other arguments are those of `accumulated_step`.

    Args:
        loader_status: the exit status of a loader process of this worker that ended too early; 0 if none did.

    Returns:
        The result of the step, and the sums of this worker.

    Raises:
        TrainingError: a loader process of any worker ended too early. Every worker raises it, before the step.
    """
    own_predictions = sum(batch["num_predictions"] for batch in micro_batches)
    own_pairs = sum(batch["next_sentence_labels"].size for batch in micro_batches if "next_sentence_labels" in batch)
    num_predictions, num_pairs, num_failures = sum_over_workers(
        [own_predictions, own_pairs, loader_status != 0], context.world
    ).tolist()
    if num_failures:
        raise TrainingError(_loader_failure(loader_status, step=step, world=context.world))
    sums = Sums()

    def losses_of(batch: Tensors) -> list[SummedLoss]:
        losses = pretraining_losses(context.model, batch)
        sums.add(losses.sums)
        found = [SummedLoss(value=losses.mlm_loss, divisor=max(1.0, num_predictions))]
        if losses.nsp_loss is not None:
            found.append(SummedLoss(value=losses.nsp_loss, divisor=num_pairs))
        return found

    result = accumulated_step(
        context,
        micro_batches,
        losses_of,
        step=step,
        learning_rate=learning_rate,
        stop_asked=stop_asked,
        save_asked=save_asked,
    )
    return result, sums


def _loader_failure(status: int, *, step: int, world: World) -> str:
    """Return the error message for a step without batches.

    Every worker must call it.
    """
    statuses = sum_over_workers([status if rank == world.rank else 0 for rank in range(world.size)], world)
    rank, status = next((rank, int(status)) for rank, status in enumerate(statuses.tolist()) if status)
    how = f"signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"exit status {status}"
    whose = f" of worker {rank}" if world.size > 1 else ""
    return (
        f"step {step}: a loader process{whose} ended with {how}. The system kills processes when memory runs out: "
        f"free some memory, or set runtime.num_loader_processes=0. {TO_CONTINUE}"
    )
