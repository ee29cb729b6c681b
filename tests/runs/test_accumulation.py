"""One step over several micro-batches, with a model of a single weight."""

import contextlib
import math

import numpy as np
import paddle
import pytest

from paddle_wwm.compute.dropout import dropout_state
from paddle_wwm.config import OptimizerConfig
from paddle_wwm.runs import accumulation
from paddle_wwm.runs.accumulation import StepContext, SummedLoss, accumulated_step
from paddle_wwm.runs.fleet import World
from paddle_wwm.runs.optim import make_optimizer


class _OneWeight(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.weight = self.create_parameter([], default_initializer=paddle.nn.initializer.Constant(1.0))

    def forward(self, x):
        return x * self.weight


def context_of(*, world=World(), **options):  # noqa: B008  (it is frozen)
    model = _OneWeight()
    optimizer = make_optimizer(model, OptimizerConfig(weight_decay=0.0))
    given = {"world": world, "seed": 1, "clip_norm": 1e9, **options}
    return StepContext(model=model, parameters=model.parameters(), optimizer=optimizer, **given)


def step_of(context, micro_batches, *, divisors=(10.0,), **options):
    def losses_of(values):
        outputs = context.model(paddle.to_tensor(values, "float32"))
        return [SummedLoss(value=outputs.sum(), divisor=divisor) for divisor in divisors]

    return accumulated_step(context, micro_batches, losses_of, step=3, learning_rate=0.1, **options)


def test_the_loss_and_the_gradient_are_means_over_all_micro_batches():
    context = context_of()
    result = step_of(context, [[1.0, 2.0], [3.0]])
    assert result.updated and result.loss == pytest.approx(0.6) and result.gradient_norm == pytest.approx(0.6)
    assert [float(loss) for loss in result.micro_losses] == [3.0, 3.0]
    # the first update of Adam has the size of the learning rate
    assert float(context.model.weight) == pytest.approx(1.0 - result.learning_rate, abs=1e-5)
    assert not paddle.any(context.model.weight.grad != 0)


def test_every_loss_has_its_own_divisor():
    result = step_of(context_of(), [[1.0], [3.0]], divisors=(2.0, 8.0))
    assert result.loss == pytest.approx(4 / 2 + 4 / 8) and result.gradient_norm == pytest.approx(2.5)
    assert [float(loss) for loss in result.micro_losses] == [2.0, 6.0]


def test_a_loss_with_an_infinite_divisor_does_not_count():
    result = step_of(context_of(), [[1.0, 2.0]], divisors=(math.inf,))
    assert result.updated and result.loss == result.gradient_norm == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_keeps_the_weight_and_clears_the_gradient(value):
    context = context_of()
    result = step_of(context, [[1.0], [value], [2.0]])
    assert not result.updated and float(context.model.weight) == 1.0
    assert np.isfinite([float(loss) for loss in result.micro_losses]).tolist() == [True, False, True]
    assert not paddle.any(context.model.weight.grad != 0)


def test_a_gradient_that_is_not_finite_keeps_the_weight():
    context = context_of()

    def losses_of(values):
        # the square root is finite at 0, but its derivative is not
        return [SummedLoss(value=paddle.sqrt(context.model(paddle.to_tensor(values)) - 1.0).sum(), divisor=1.0)]

    result = accumulated_step(context, [[1.0]], losses_of, step=0, learning_rate=0.1)
    assert result.loss == 0.0 and not np.isfinite(result.gradient_norm)
    assert not result.updated and float(context.model.weight) == 1.0


@pytest.mark.parametrize("num_micro_batches", [1, 5])
def test_workers_exchange_results_once_per_step(monkeypatch, num_micro_batches):
    exchanged = []

    def sum_over_workers(values, world):
        exchanged.append(list(values))
        return np.asarray(values, np.float64)

    monkeypatch.setattr(accumulation, "sum_over_workers", sum_over_workers)
    result = step_of(context_of(), [[1.0]] * num_micro_batches, stop_asked=True)
    assert len(exchanged) == 1 and result.stop and not result.save


def test_a_loss_that_is_not_finite_in_another_worker_prevents_the_update(monkeypatch):
    others = np.array([math.nan, 1.0, 0.0, 1.0])
    monkeypatch.setattr(accumulation, "sum_over_workers", lambda values, world: np.asarray(values, float) + others)
    context = context_of()
    result = step_of(context, [[1.0]])
    assert not result.updated and float(context.model.weight) == 1.0
    assert result.save and not result.stop and np.isfinite([float(loss) for loss in result.micro_losses]).all()


def test_dropout_does_not_depend_on_the_number_of_workers(monkeypatch):
    monkeypatch.setattr(accumulation, "sum_over_workers", lambda values, world: np.asarray(values, np.float64))
    monkeypatch.setattr(accumulation, "without_gradient_sync", lambda model, world: contextlib.nullcontext())

    def masks_of(world):
        context, found = context_of(world=world), []

        def losses_of(values):
            found.append(dropout_state())
            return [SummedLoss(value=context.model(paddle.to_tensor(values)).sum(), divisor=1.0)]

        accumulated_step(context, [[1.0]] * (4 // world.size), losses_of, step=0, learning_rate=0.1)
        return found

    alone = masks_of(World())
    assert len(set(alone)) == 4
    assert masks_of(World(rank=0, size=2)) == alone[0::2] and masks_of(World(rank=1, size=2)) == alone[1::2]
