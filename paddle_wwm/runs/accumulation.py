"""One training step over a worker's micro-batches; pretraining and fine-tuning make their steps with it.

A loss is a mean over the whole global batch, across micro-batches and workers, so it does not depend on how the batch
was cut.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Callable, Sequence, TypeVar

import numpy as np
import paddle

from ..compute.dropout import seed_dropout
from ..random_bits import key_of
from .fleet import World, average_gradients, sum_over_workers, without_gradient_sync
from .optim import clip_gradients
from .precision import Precision
from .sharding import ParameterOwners

MicroBatch = TypeVar("MicroBatch")


@dataclass(frozen=True, kw_only=True)
class SummedLoss:
    """A loss summed over a micro-batch.

    divisor: makes the sums of all micro-batches on all workers their mean: the number of summands in the global batch.
    """

    value: paddle.Tensor
    divisor: float


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What stays the same from step to step.

    model: as `distribute_model` returns it. parameters: those that are trained. owners: None if every worker updates
    every parameter. sync_in_backward: the workers exchange gradients during the last backward pass; False: after it,
    which recomputation needs.
    """

    model: paddle.nn.Layer
    parameters: Sequence[paddle.Tensor]
    optimizer: paddle.optimizer.Optimizer
    world: World
    seed: int
    clip_norm: float
    precision: Precision = field(default_factory=Precision)
    owners: ParameterOwners | None = None
    sync_in_backward: bool = True


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step did, the same on all workers except for `micro_losses`.

    updated: False if a loss or a gradient was not finite on any worker; then no parameter was changed. loss: the mean
    over the global batch. gradient_norm: before clipping. micro_losses: the summed loss of each of this worker's
    micro-batches; reading them waits for the device. stop, save: True if any worker asked for it.
    """

    updated: bool
    loss: float
    gradient_norm: float
    learning_rate: float
    micro_losses: Sequence[paddle.Tensor]
    stop: bool
    save: bool


def accumulated_step(
    context: StepContext,
    micro_batches: Sequence[MicroBatch],
    losses_of: Callable[[MicroBatch], Sequence[SummedLoss]],
    *,
    step: int,
    learning_rate: float,
    stop_asked: bool = False,
    save_asked: bool = False,
) -> StepResult:
    """Compute the gradient of this worker's micro-batches, clip it, agree that all is finite, update.

    Args:
        context: what is trained, and how.
        micro_batches: at least one.
        losses_of: the forward pass: returns the losses of a micro-batch, whose sum is minimised.
        step: the number of the step, which dropout depends on.
        learning_rate: of this step.
        stop_asked: this worker asks to stop after the step.
        save_asked: this worker asks to save after the step.
    """
    world, precision, parameters = context.world, context.precision, context.parameters
    loss, micro_losses = paddle.zeros([], "float64"), []
    for number, micro_batch in enumerate(micro_batches):
        # Dropout is a function of (seed, step, micro-batch of the global batch): it is the same after a resume, and
        # for any number of workers.
        seed_dropout(int(key_of(context.seed, step, number * world.size + world.rank)))
        exchanges = context.sync_in_backward and number == len(micro_batches) - 1
        with contextlib.nullcontext() if exchanges else without_gradient_sync(context.model, world):
            with precision.autocast():
                losses = losses_of(micro_batch)
            # fleet averages gradients over the workers: times world.size makes it the sum that the mean loss needs
            factor = world.size * precision.loss_scale
            terms = [item.value * (factor / item.divisor) for item in losses]
            sum(terms[1:], terms[0]).backward()
        values = [item.value.detach().astype("float64") for item in losses]
        loss = sum((value / item.divisor for value, item in zip(values, losses)), loss)
        micro_losses.append(sum(values[1:], values[0]))

    if not context.sync_in_backward:
        average_gradients(parameters, world)
    norm = clip_gradients(parameters, max_norm=context.clip_norm, loss_scale=precision.loss_scale)

    own_loss = float(loss)
    is_finite = bool(np.isfinite(own_loss + norm))
    all_loss, num_failures, num_stops, num_saves = sum_over_workers(
        [own_loss, not is_finite, stop_asked, save_asked], world
    ).tolist()
    if num_failures == 0:
        context.optimizer.set_lr(learning_rate)
        context.optimizer.step()
        if context.owners is not None:
            context.owners.spread()
    for parameter in parameters:
        parameter.clear_gradient()

    return StepResult(
        updated=num_failures == 0,
        loss=all_loss,
        gradient_norm=norm,
        learning_rate=learning_rate,
        micro_losses=micro_losses,
        stop=num_stops > 0,
        save=num_saves > 0,
    )
