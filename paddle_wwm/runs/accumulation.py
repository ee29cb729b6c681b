"""One training step over the micro-batches of a worker, used by pretraining and fine-tuning.

A loss is a mean over the whole global batch, across micro-batches and workers. It does not depend on how the batch is
split.
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

    Attributes:
        value: the sum, a float scalar.
        divisor: the number of summands in the global batch. The sums of all micro-batches of all workers, divided by
            it, give the mean.
    """

    value: paddle.Tensor
    divisor: float


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """The parts of a step that do not change during a run.

    Attributes:
        model: the model as `distribute_model` returns it.
        parameters: the trained parameters.
        owners: which worker updates which parameter; None if every worker updates every parameter.
        sync_in_backward: True if the workers exchange gradients during the last backward pass; False if they do it
            after that pass, which recomputation needs.
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
    """The result of a step. It is the same on all workers, except for `micro_losses`.

    Attributes:
        updated: False if a loss or a gradient was not finite on any worker; then no parameter was changed.
        loss: the mean over the global batch.
        gradient_norm: the norm before clipping.
        learning_rate: the learning rate of this step.
        micro_losses: the summed loss of each micro-batch of this worker, float64 scalars. Reading them waits for the
            device.
        stop: True if any worker asked to stop.
        save: True if any worker asked to save.
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
    """Make one training step over the micro-batches of this worker.

    The step computes the gradient, clips it, checks that it is finite on all workers, and updates the parameters.

    Args:
        context: the model, the optimizer and the settings of the run.
        micro_batches: the micro-batches of this worker, at least one.
        losses_of: the forward pass. It returns the losses of a micro-batch; their sum is minimised.
        step: the number of the step; dropout depends on it.
        learning_rate: the learning rate of this step.
        stop_asked: True if this worker asks to stop after the step.
        save_asked: True if this worker asks to save after the step.
    """
    world, precision, parameters = context.world, context.precision, context.parameters
    loss, micro_losses = paddle.zeros([], "float64"), []
    for number, micro_batch in enumerate(micro_batches):
        # Dropout depends only on the seed, the step, and the place of the micro-batch in the global batch. So it is
        # the same after a resume and for any number of workers.
        seed_dropout(int(key_of(context.seed, step, number * world.size + world.rank)))
        exchanges = context.sync_in_backward and number == len(micro_batches) - 1
        sync = contextlib.nullcontext() if exchanges else without_gradient_sync(context.model, world)
        with sync, precision.products():  # both passes: layers may be recomputed in the second one
            with precision.autocast():
                losses = losses_of(micro_batch)
            # fleet averages gradients over the workers; times world.size, it is the sum that the mean loss needs
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
