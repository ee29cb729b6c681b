"""The folder of a run: only one process works in it at a time, and files of other programs are never deleted."""

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


def test_the_record_that_was_written_is_read_back(tmp_path):
    assert read_record(tmp_path / "run") is None
    write_record(tmp_path / "run", {"seed": 1})
    assert read_record(tmp_path / "run") == {"seed": 1}


def test_a_folder_is_locked_until_the_process_in_it_has_ended(tmp_path):
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
    with pytest.raises(ConfigError, match="another process is working"), locked_output(tmp_path / "run"):
        pass
    process.kill()  # the lock is released even after SIGKILL
    process.communicate()
    with locked_output(tmp_path / "run"):
        write_record(tmp_path / "run", {})
    assert names_in(tmp_path / "run") == [".lock", "run.json"]


def test_a_new_folder_is_removed_if_nothing_was_written(tmp_path):
    with pytest.raises(ConfigError), locked_output(tmp_path / "run"):
        raise ConfigError("refused")
    assert names_in(tmp_path) == []


def test_an_empty_folder_that_existed_before_is_kept(tmp_path):
    with locked_output(tmp_path):
        pass
    assert tmp_path.exists()


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(ConfigError, match="not empty and holds no run"), locked_output(tmp_path):
        pass
    assert names_in(tmp_path) == ["thesis.txt"]


def test_a_folder_with_a_run_and_an_empty_folder_are_accepted(tmp_path):
    check_output(tmp_path / "absent")
    check_output(tmp_path)
    write_record(tmp_path, {})
    (tmp_path / "metrics.jsonl").touch()
    check_output(tmp_path)


def test_discarding_a_run_deletes_only_its_own_files(tmp_path):
    write_record(tmp_path, {})
    for name in ("seed-1", "logs", "notes", "seed-words"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "summary.txt").touch()
    (tmp_path / "seed-2").symlink_to(tmp_path / "notes")
    discard_run(tmp_path, contents=("seed-[0-9]*", "summary.txt"))
    assert names_in(tmp_path) == ["notes", "seed-words"] and names_in(tmp_path / "notes") == ["file"]


def test_one_error_lists_all_differences(tmp_path):
    refuse_differences(tmp_path, [], remedy="")
    with pytest.raises(CheckpointError, match=r"cannot be resumed: the data differ; the seed was 1 and is 2\. Do so\."):
        refuse_differences(tmp_path, ["the data differ", "the seed was 1 and is 2"], remedy="Do so.")
