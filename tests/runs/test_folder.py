"""The folder of a run: one process at a time works there, and a stranger's file is never deleted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.runs.folder import (
    check_output,
    discard_run,
    locked_output,
    read_record,
    refuse_differences,
    write_record,
)

ROOT = Path(__file__).resolve().parents[2]


def names_in(folder):
    return sorted(os.listdir(folder))


def test_a_folder_is_bound_to_its_record(tmp_path):
    assert read_record(tmp_path / "run") is None
    write_record(tmp_path / "run", {"seed": 1})
    assert read_record(tmp_path / "run") == {"seed": 1}


def test_another_process_in_the_folder_is_refused_until_it_has_ended(tmp_path):
    source = (
        "import sys; from pathlib import Path; from paddle_wwm.runs.folder import locked_output\n"
        "with locked_output(Path(sys.argv[1])): print(flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"\n"
    with pytest.raises(ConfigError, match="another process is working there"), locked_output(tmp_path / "run"):
        pass
    process.kill()  # however it ends, the lock ends with it
    process.communicate()
    with locked_output(tmp_path / "run"):
        write_record(tmp_path / "run", {})
    assert names_in(tmp_path / "run") == [".lock", "run.json"]


def test_nothing_is_left_where_nothing_was_written(tmp_path):
    with pytest.raises(ConfigError), locked_output(tmp_path / "run"):
        raise ConfigError("refused")
    assert names_in(tmp_path) == []


def test_an_empty_folder_of_the_users_stays(tmp_path):
    with locked_output(tmp_path):
        pass
    assert tmp_path.exists()


def test_a_folder_that_holds_something_else_is_refused_and_not_touched(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="is not empty and holds no run"), locked_output(tmp_path):
        pass
    assert names_in(tmp_path) == ["thesis.txt"]


def test_a_run_and_an_empty_folder_may_be_used(tmp_path):
    check_output(tmp_path / "absent")
    check_output(tmp_path)
    write_record(tmp_path, {})
    (tmp_path / "metrics.jsonl").touch()
    check_output(tmp_path)


def test_discarding_deletes_what_a_run_has_written_and_nothing_else(tmp_path):
    write_record(tmp_path, {})
    for name in ("seed-1", "logs", "notes", "seed-words"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "summary.txt").touch()
    (tmp_path / "seed-2").symlink_to(tmp_path / "notes")
    discard_run(tmp_path, contents=("seed-[0-9]*", "summary.txt"))
    assert names_in(tmp_path) == ["notes", "seed-words"] and names_in(tmp_path / "notes") == ["file"]


def test_all_differences_are_in_one_error(tmp_path):
    refuse_differences(tmp_path, [], remedy="")
    with pytest.raises(CheckpointError, match=r"cannot be resumed: the data differ; the seed was 1 and is 2\. Do so\."):
        refuse_differences(tmp_path, ["the data differ", "the seed was 1 and is 2"], remedy="Do so.")
