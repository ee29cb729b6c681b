"""Preparation that is interrupted, killed or loses a worker: it ends soon, and a rerun gives the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not Path("/proc/self/task").exists(), reason="this system has no /proc, where the test finds the processes"
    ),
]
SECONDS_TO_END = 120


def workers_of(process):
    """Return the process ids of the workers of a process."""
    children = [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return [number for number in children if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()]


def names_in(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def marks_in(folder):
    """Return the finished units and the times of their marks."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "tokens").glob("*.json")}


class Preparation:
    """The command that prepares a corpus of many units. A test can run it several times."""

    def __init__(self, folder, sample_corpus, vocab, script):
        self.text = folder / "large.txt"
        self.text.write_text(sample_corpus.read_text(encoding="utf-8") * 30, encoding="utf-8")
        vocab.save(folder / "vocab.txt")
        self.command = [
            sys.executable,
            str(script),
            str(self.text),
            "--vocab",
            str(folder / "vocab.txt"),
            "--unit-chars",
            "10000",
        ]
        self.command += ["--without", "duplicate_documents", "--segmenter", "jieba"]
        self.folder = folder / "out"
        self.partial = self.folder / "set.partial"
        self.started = []

    def start(self, *, num_workers, output="set"):
        command = [*self.command, "--output", str(self.folder / output), "--workers", str(num_workers)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.started.append(process)
        return process

    def start_and_wait_for_units(self, number, *, num_workers):
        process = self.start(num_workers=num_workers)
        deadline = time.monotonic() + SECONDS_TO_END
        while len(marks_in(self.partial)) < number:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    def finish(self, *, num_workers=2, output="set"):
        process = self.start(num_workers=num_workers, output=output)
        printed, errors = process.communicate(timeout=SECONDS_TO_END)
        assert process.returncode == 0, errors
        return printed


@pytest.fixture
def preparation(tmp_path, sample_corpus, mini_vocab):
    made = Preparation(tmp_path, sample_corpus, mini_vocab, sample_corpus.parents[2] / "scripts" / "prepare_corpus.py")
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        process.stderr.close()


def last_line(process):
    """Wait for a process and its workers, which hold its pipes, and return its last line."""
    _, errors = process.communicate(timeout=SECONDS_TO_END)
    assert "Traceback" not in errors
    return errors.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
def test_rerun_after_ctrl_c_gives_the_same_bytes(preparation, num_workers):
    process = preparation.start_and_wait_for_units(2, num_workers=num_workers)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal: the workers get it, too
    assert (
        last_line(process)
        == f"stopped: Ctrl-C; finished work is kept in {preparation.partial}: to continue, rerun the same command."
    )
    assert process.returncode == 130
    assert names_in(preparation.folder) == {".set.lock", "set.partial"}
    done = marks_in(preparation.partial)
    again = preparation.start_and_wait_for_units(len(done) + 1, num_workers=num_workers)
    assert {name: time for name, time in marks_in(preparation.partial).items() if name in done} == done, (
        "finished units were done again"
    )
    assert again.wait(SECONDS_TO_END) == 0
    preparation.finish(output="unstopped")
    assert bytes_in(preparation.folder / "set") == bytes_in(preparation.folder / "unstopped")
    assert names_in(preparation.folder) == {".set.lock", "set", ".unstopped.lock", "unstopped"}


@pytest.mark.slow
def test_rerun_after_several_sigkills_gives_the_same_bytes(preparation):
    preparation.finish(output="unstopped")
    chance = random.Random(7)
    for _ in range(6):
        process = preparation.start(num_workers=2)
        time.sleep(chance.uniform(0.3, 2.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    preparation.finish()
    assert bytes_in(preparation.folder / "set") == bytes_in(preparation.folder / "unstopped")


@pytest.mark.slow
def test_a_dead_worker_is_an_error_and_a_rerun_continues(preparation):
    process = preparation.start_and_wait_for_units(2, num_workers=2)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    assert last_line(process).startswith(
        "error: a worker died while preparing the corpus (out of memory?); finished work is kept"
    )
    assert process.returncode == 2
    assert "written: " in preparation.finish()


def test_workers_end_when_their_parent_is_killed(preparation):
    process = preparation.start_and_wait_for_units(2, num_workers=2)
    process.kill()
    process.communicate(timeout=SECONDS_TO_END)  # returns when the workers, which hold the pipes, have ended
    assert process.returncode == -signal.SIGKILL
