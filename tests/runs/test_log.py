"""The log of a run: resuming after a kill, and reading it while it grows."""

import json
import resource

import pytest

from paddle_wwm.errors import TrainingError
from paddle_wwm.files import read_log
from paddle_wwm.runs.log import LogFollower, RunLog


def records(*steps):
    return [{"kind": "train", "step": step} for step in steps]


def test_records_after_the_checkpoint_are_removed_and_the_others_stay(tmp_path):
    path = tmp_path / "log.jsonl"
    with RunLog(path, keep=lambda record: True) as log:
        for record in records(1, 2, 3):
            log.write(record)
    with RunLog(path, keep=lambda record: record["step"] <= 2) as log:
        log.write({"kind": "train", "step": 3, "again": True})
        assert read_log(path)[-1]["again"]  # readers see a record before the log is closed
    assert read_log(path) == [*records(1, 2), {"kind": "train", "step": 3, "again": True}]


def test_a_half_written_last_line_is_ignored(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(records(1)[0]) + '\n{"kind": "tra', encoding="utf-8")
    assert read_log(path) == records(1)
    RunLog(path, keep=lambda record: True).close()
    assert path.read_text(encoding="utf-8") == json.dumps(records(1)[0]) + "\n"


def test_a_follower_reports_each_stage_when_its_log_has_grown(tmp_path):
    reports = []
    logs = {"one": tmp_path / "1", "two": tmp_path / "2"}
    follow = LogFollower(logs, total=9, progress=reports.append)
    follow()
    with RunLog(logs["two"], keep=lambda record: True) as log:
        log.write(records(4)[0])
        follow()
        follow()
        log.write(records(5)[0])
        follow()
    assert [(report.stage, report.done, report.total) for report in reports] == [("two", 4, 9), ("two", 5, 9)]


@pytest.fixture
def small_files():
    """Let files have at most 2,000 bytes, so that a later write fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_log_that_cannot_be_written_names_the_path_and_how_to_continue(tmp_path, small_files):
    path = tmp_path / "log.jsonl"
    with pytest.raises(TrainingError, match="cannot be written") as raised, RunLog(path, keep=lambda _: True) as log:
        for number in range(100):
            log.write(records(number)[0])
    assert str(path) in str(raised.value) and "To continue, rerun the same command" in str(raised.value)
    assert read_log(path) == records(*range(len(read_log(path))))  # the whole records can still be read
