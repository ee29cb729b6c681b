"""Progress: reports to a callback, and the bars of the commands."""

from __future__ import annotations

import json

import pytest

from paddle_wwm.errors import ConfigError
from paddle_wwm.progress import MODE_VARIABLE, BarDisplay, ChosenDisplay, Progress, counted
from paddle_wwm.progress_lines import LineDisplay


def reports_of(*, total, updates, **options):
    reports: list[Progress] = []
    with counted(reports.append, stage="read", total=total, unit="B", **options) as counter:
        for number in updates:
            counter.update(number)
    return [(report.done, report.total) for report in reports]


def test_a_stage_reports_its_start_every_update_and_its_end():
    assert reports_of(total=5, updates=[2, 3]) == [(0, 5), (2, 5), (5, 5)]


def test_a_stage_of_unknown_size_is_reported_complete_at_its_end():
    assert reports_of(total=None, updates=[2]) == [(0, None), (2, None), (2, 2)]


def test_a_continued_stage_starts_at_the_previous_count():
    assert reports_of(total=5, updates=[1], done=4) == [(4, 5), (5, 5)]


def test_a_stage_that_raises_is_not_reported_as_complete():
    reports: list[Progress] = []
    with pytest.raises(ValueError), counted(reports.append, stage="read", total=None, unit="B"):
        raise ValueError
    assert [report.total for report in reports] == [None]


def test_without_a_callback_units_are_only_counted():
    with counted(None, stage="read", total=3, unit="B") as counter:
        counter.update(2)
    assert counter.done == 2


def test_a_bar_shows_stage_total_and_scaled_counts(capfd):
    show = BarDisplay()
    with counted(show, stage="unpack", total=5_000_000, unit="B") as counter:
        counter.update(5_000_000)
    shown = capfd.readouterr().err
    assert "unpack" in shown and "5.00M/5.00M" in shown


def test_a_short_passing_stage_shows_no_bar(capfd):
    with counted(BarDisplay(), stage="checksums", total=2, unit="B") as counter:
        counter.update(2)
    assert capfd.readouterr().err.strip() == ""


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(reports, capfd, *, as_json=False):
    """Return what a LineDisplay writes for (second, done, total, note) of the stage "train"."""
    clock = Clock()
    show = LineDisplay(as_json=as_json, clock=clock)
    for clock.now, done, total, note in reports:
        show(Progress(stage="train", done=done, total=total, unit=" steps", note=note))
    written = capfd.readouterr().err
    assert written == "" or written.endswith("\n")
    assert "\r" not in written
    return written.splitlines()


def test_a_log_gets_a_line_every_twenty_seconds_and_one_at_the_end(capfd):
    every_second = [(float(second), second, 50, f"loss {second}") for second in range(51)]
    assert lines_of(every_second, capfd) == [
        "train: 20/50 steps (40%), 1 steps/s, 00:30 left; loss 20",
        "train: 40/50 steps (80%), 1 steps/s, 00:10 left; loss 40",
        "train: 50 steps in 00:50, 1 steps/s; loss 50",
    ]


def test_a_resumed_stage_counts_its_speed_from_its_start(capfd):
    assert lines_of([(0.0, 90, 100, ""), (20.0, 95, 100, "")], capfd) == [
        "train: 95/100 steps (95%), 0.25 steps/s, 00:20 left"
    ]


def test_json_lines_have_the_fields_of_the_progress_and_the_seconds(capfd):
    found = lines_of([(0.0, 0, 9, ""), (0.5, 1, 9, ""), (1.5, 3, 9, "loss 2"), (1.6, 9, 9, "")], capfd, as_json=True)
    values = [json.loads(line)["progress"] for line in found]
    assert [(value["done"], value["seconds"]) for value in values] == [(0, 0.0), (3, 1.5), (9, 1.6)]
    assert values[1] == {"stage": "train", "done": 3, "total": 9, "unit": "steps", "note": "loss 2", "seconds": 1.5}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("bar", "%|"), ("lines", "read: 5.00M"), ("json", '"done": 5000000'), ("none", ""), ("", "read: 5.00M")],
)
def test_the_environment_chooses_the_form_and_a_log_gets_lines(monkeypatch, capfd, mode, expected):
    monkeypatch.setenv(MODE_VARIABLE, mode)
    with counted(ChosenDisplay(), stage="read", total=5_000_000, unit="B") as counter:
        counter.update(5_000_000)
    written = capfd.readouterr().err
    assert expected in written and bool(written) == bool(expected)


def test_an_unknown_form_is_an_error(monkeypatch):
    monkeypatch.setenv(MODE_VARIABLE, "loud")
    with pytest.raises(ConfigError, match="PADDLE_WWM_PROGRESS must be auto, bar, lines, json, none"):
        ChosenDisplay()(Progress(stage="read", done=0, total=1, unit="B"))
