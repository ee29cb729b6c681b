"""The learning rate of every step."""

import pytest

from paddle_wwm.runs.schedules import LinearSchedule


def test_the_rate_rises_linearly_and_falls_linearly_to_zero_after_the_last_step():
    schedule = LinearSchedule(learning_rate=1.0, num_steps=10, num_warmup_steps=4)
    rates = [schedule.rate_at(step) for step in range(11)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0.0])


def test_without_warmup_the_first_step_has_the_whole_rate():
    assert LinearSchedule(learning_rate=0.5, num_steps=2, num_warmup_steps=0).rate_at(0) == 0.5
