"""Progress: reports to a callback, and the bars of the commands."""

from __future__ import annotations

import pytest

from paddle_wwm.progress import BarDisplay, Progress, counted


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
