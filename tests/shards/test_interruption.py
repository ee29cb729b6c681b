"""Signals while a corpus is prepared: it ends soon, says one line, and leaves neither files nor processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc, which this system has not"),
]


def workers_of(process):
    """Process numbers of the workers that it has started."""
    children = [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return [number for number in children if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()]


def names_in(folder):
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def start(tmp_path, sample_corpus, mini_vocab):
    """A function that starts to prepare a corpus of many seconds and returns when the shards are being written by that many workers."""
    text = tmp_path / "large.txt"
    text.write_text(sample_corpus.read_text(encoding="utf-8") * 40, encoding="utf-8")
    mini_vocab.save(tmp_path / "vocab.txt")
    script = sample_corpus.parents[2] / "scripts" / "prepare_corpus.py"
    command = [sys.executable, str(script), str(text), "--vocab", str(tmp_path / "vocab.txt"), "--output", str(tmp_path / "out" / "set")]
    started = []

    def run(num_workers):
        process = subprocess.Popen(
            [*command, "--workers", str(num_workers)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        deadline = time.monotonic() + 60
        while len(names_in(tmp_path / "out")) < 2 or (num_workers > 1 and len(workers_of(process)) < num_workers):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def last_line(process):
    """What it said last, once it and all that it has started are gone: only then its pipes are closed."""
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    return errors.splitlines()[-1]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_interrupted_preparation_says_one_line_and_leaves_nothing_but_the_lock(start, tmp_path, num_workers):
    process = start(num_workers)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C: the workers get it, too
    assert (last_line(process), process.returncode) == ("stopped: Ctrl-C", 130)
    assert names_in(tmp_path / "out") == {".set.lock"}


def test_a_worker_that_dies_is_an_error_with_a_remedy_and_leaves_nothing_but_the_lock(start, tmp_path):
    process = start(2)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    assert last_line(process).startswith("error: a worker died while preparing the corpus (out of memory?); try fewer workers")
    assert process.returncode == 2
    assert names_in(tmp_path / "out") == {".set.lock"}


def test_workers_end_when_the_process_that_started_them_is_killed(start):
    process = start(2)
    time.sleep(1)  # a worker that has not been told yet what it is complains
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
