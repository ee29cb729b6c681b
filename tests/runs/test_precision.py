"""The loss scale of float16, and the check for mixed precision on the CPU."""

import numpy as np
import pytest

from paddle_wwm.config import AmpConfig, AmpDtype, AmpLevel
from paddle_wwm.errors import ConfigError
from paddle_wwm.runs.precision import FIRST_SCALE, GROWTH_INTERVAL_STEPS, Precision, check_amp

from ..pretraining.test_step import cut, fresh_model, make_batch, step_of

FLOAT16 = AmpConfig(level=AmpLevel.O1, dtype=AmpDtype.FLOAT16)


@pytest.mark.parametrize("level", [AmpLevel.O1, AmpLevel.O2])
def test_mixed_precision_on_the_cpu_is_refused_with_the_reason(level):
    with pytest.raises(
        ConfigError,
        match=r"`amp\.level` must be O0 on the CPU, but is O[12]: Paddle has no 16-bit matrix products there",
    ):
        check_amp(AmpConfig(level=level), on_gpu=False)
    check_amp(AmpConfig(level=level), on_gpu=True)
    check_amp(AmpConfig(), on_gpu=False)


def test_the_loss_scale_halves_on_an_overflow_and_doubles_after_steps_without_one():
    precision = Precision(FLOAT16)
    precision.step_done(updated=False)
    assert precision.loss_scale == FIRST_SCALE / 2
    for _ in range(GROWTH_INTERVAL_STEPS - 1):
        precision.step_done(updated=True)
    assert precision.loss_scale == FIRST_SCALE / 2
    precision.step_done(updated=True)
    assert precision.loss_scale == FIRST_SCALE


def test_a_step_may_be_skipped_until_the_scale_is_one():
    precision = Precision(FLOAT16)
    for _ in range(15):
        assert precision.may_skip()
        precision.step_done(updated=False)
    assert precision.loss_scale == 1.0 and not precision.may_skip()


@pytest.mark.parametrize("amp", [AmpConfig(), AmpConfig(level=AmpLevel.O1)])
def test_float32_and_bfloat16_have_no_loss_scale_and_no_step_is_skipped(amp):
    precision = Precision(amp)
    precision.step_done(updated=False)
    assert precision.loss_scale == 1.0 and not precision.may_skip()


def test_the_loss_scale_is_restored_from_a_checkpoint():
    first, second = Precision(FLOAT16), Precision(FLOAT16)
    for updated in (False, False, True):
        first.step_done(updated=updated)
    second.set_state(first.state())
    assert second.state() == first.state() == {"loss_scale": FIRST_SCALE / 4, "num_quiet_steps": 1}
    second = Precision(FLOAT16)
    second.set_state(Precision(AmpConfig()).state())  # from a run in float32
    assert second.loss_scale == FIRST_SCALE


def test_a_loss_scale_changes_neither_norm_nor_update():
    """This tests only the scale: 16-bit operations need a GPU."""
    results = []
    for loss_scale in (1.0, 2.0**15):
        model, optimizer = fresh_model()
        precision = Precision()
        precision.loss_scale = loss_scale
        norms = [
            step_of(model, optimizer, cut(make_batch(8, seed=step), 4), step=step, precision=precision)[0].gradient_norm
            for step in range(3)
        ]
        results.append((norms, {name: tensor.numpy() for name, tensor in model.state_dict().items()}))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    for name, array in results[0][1].items():
        np.testing.assert_allclose(results[1][1][name], array, atol=1e-5, err_msg=name)
