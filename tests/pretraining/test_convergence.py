"""The held-out curve: does it still fall?"""

from __future__ import annotations

import pytest

from paddle_wwm.pretraining.convergence import describe_convergence, trend_of

NOISE = (0.01, -0.01, 0.005, -0.005)


def curve(losses, *, every=10, first=10):
    return [
        {"kind": kind, "step": first + every * number, "mlm_loss": loss if kind == "held_out" else 0.0}
        for number, loss in enumerate(losses)
        for kind in ("train", "held_out")
    ]


@pytest.mark.parametrize(
    ("slope", "verdict", "line"),
    [(-0.1, "falls", "it still falls"), (0.1, "rises", "it rises"), (0.0, "is level", "it has levelled off")],
)
def test_the_verdict_is_that_of_the_last_half_of_the_run(slope, verdict, line):
    losses = [9 - number for number in range(6)] + [3 + slope * number + NOISE[number % 4] for number in range(6)]
    trend = trend_of(curve(losses))
    assert trend.verdict == verdict and (trend.first_step, trend.last_step) == (70, 120)
    assert trend.slope == pytest.approx(slope / 10, abs=3e-4) and 0 < trend.error < 1e-3
    assert line in "\n".join(describe_convergence(curve(losses)))


def test_noise_is_no_trend_and_a_fall_of_less_than_one_percent_is_level():
    assert trend_of(curve([3.0, 3.2, 2.9, 3.1, 3.0, 2.95, 3.05, 2.9])).verdict == "is level"
    assert trend_of(curve([3.0 - 1e-4 * number for number in range(20)])).verdict == "is level"


def test_evaluations_of_an_earlier_phase_are_left_out():
    records = curve([9.0] * 4) + curve([3.0, 2.9, 2.8, 2.7], first=50)
    assert trend_of(records, first_step=40).first_step == 50
    assert trend_of(records, first_step=60) is None


def test_few_evaluations_and_a_run_that_only_made_the_model_worse_are_reported():
    assert "too few evaluations" in describe_convergence(curve([3.0, 2.0]))[-1]
    assert any("never lower than before" in line for line in describe_convergence(curve([3.0, 3.1, 3.2], first=0)))
    assert not any("never lower" in line for line in describe_convergence(curve([3.0, 2.9], first=0)))


def test_a_long_curve_is_shown_by_its_first_its_last_and_six_others():
    [first, *_] = describe_convergence(curve([5.0 - 0.01 * number for number in range(100)]))
    assert first.count("(step ") == 8 and "5.000 (step 10)" in first and "4.010 (step 1,000)" in first
