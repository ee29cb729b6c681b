"""The loss scale of float16, and the check for mixed precision on the CPU."""

import numpy as np
import pytest

from paddle_wwm.compute.bf16 import current_gemm
from paddle_wwm.config import AmpConfig, AmpDtype, AmpLevel
from paddle_wwm.errors import ConfigError
from paddle_wwm.runs import precision as precision_module
from paddle_wwm.runs.precision import FIRST_SCALE, GROWTH_INTERVAL_STEPS, Precision, check_amp

from ..pretraining.test_step import cut, fresh_model, make_batch, step_of

BFLOAT16 = AmpConfig(level=AmpLevel.O1)
FLOAT16 = AmpConfig(level=AmpLevel.O1, dtype=AmpDtype.FLOAT16)


@pytest.mark.parametrize(
    "amp", [AmpConfig(level=AmpLevel.O2), FLOAT16, AmpConfig(level=AmpLevel.O2, dtype=AmpDtype.FLOAT16)]
)
def test_precisions_for_gpus_are_refused_on_the_cpu(amp):
    with pytest.raises(
        ConfigError, match=r"`amp` must be level O1 with dtype bfloat16, or level O0, on the CPU, but is"
    ):
        check_amp(amp, on_gpu=False)
    check_amp(amp, on_gpu=True)
    check_amp(AmpConfig(), on_gpu=False)


def test_bfloat16_without_its_instructions_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(precision_module, "missing_bfloat16", lambda: "this processor has neither")
    with pytest.raises(ConfigError, match=r"`amp\.level` must be O0 here, but is O1: this processor has neither, so "):
        check_amp(BFLOAT16, on_gpu=False)
    with pytest.raises(ConfigError):
        Precision(BFLOAT16).prepare(fresh_model()[0])
    monkeypatch.setattr(precision_module, "missing_bfloat16", lambda: "")
    check_amp(BFLOAT16, on_gpu=False)


def test_only_level_o1_computes_products_in_bfloat16():
    for amp, expected in ((AmpConfig(), False), (BFLOAT16, True)):
        with Precision(amp).products():
            assert (current_gemm() is not None) == expected
    assert current_gemm() is None


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
