"""A real Dask cluster gives the same bytes as one process, also if it loses a worker or the scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ..conftest import ROOT

pytestmark = pytest.mark.integration
SECONDS_TO_END = 120
OPTIONS = ["--without", "duplicate_documents", "--segmenter", "jieba", "--unit-chars", "10000"]


class Cluster:
    """A scheduler and its workers, reachable only from this machine."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes = []
        self.scheduler = None

    def _start(self, *arguments):
        quiet = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_LOGGING__DISTRIBUTED": "error"}
        command = [sys.executable, "-m", "dask", *arguments, "--dashboard-address", "127.0.0.1:0"]
        log = open(self.folder / f"{arguments[0]}.log", "ab")  # noqa: SIM115 (the process owns it)
        process = subprocess.Popen(command, stdout=log, stderr=log, env=quiet)
        log.close()
        self.processes.append(process)
        return process

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file)
        )
        wait_until(self.file.exists)

    def start_worker(self):
        options = [
            "--host",
            "127.0.0.1",
            "--nthreads",
            "1",
            "--no-nanny",
            "--local-directory",
            str(self.folder),
            "--death-timeout",
            "30",
        ]
        return self._start("worker", "--scheduler-file", str(self.file), *options)

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_until(condition):
    deadline = time.monotonic() + SECONDS_TO_END
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed", reason="Dask is an optional part: pip install 'paddle_wwm[dask]'")
    made = Cluster(tmp_path)
    made.start_scheduler()
    yield made
    made.stop()


@pytest.fixture
def start(tmp_path, sample_corpus, mini_vocab):
    """Return a function that starts to prepare a corpus of several hundred units."""
    text = tmp_path / "large.txt"
    text.write_text(sample_corpus.read_text(encoding="utf-8") * 40, encoding="utf-8")
    mini_vocab.save(tmp_path / "vocab.txt")
    script = ROOT / "scripts" / "prepare_corpus.py"
    started = []

    def run(output, *options):
        command = [
            sys.executable,
            str(script),
            str(text),
            "--vocab",
            str(tmp_path / "vocab.txt"),
            "--output",
            str(tmp_path / output),
        ]
        impatient = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}
        process = subprocess.Popen(
            [*command, *OPTIONS, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=impatient
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def finish(process):
    printed, errors = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0, errors
    return printed


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def num_done(folder):
    return len(list((folder / "tokens").glob("*.json")))


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_and_then_its_scheduler_gives_the_same_bytes_as_one_process(
    cluster, start, tmp_path
):
    finish(start("alone", "--workers", "1"))
    workers = [cluster.start_worker(), cluster.start_worker()]
    partial = tmp_path / "set.partial"

    process = start("set", "--engine", "dask", "--scheduler", str(cluster.file))
    wait_until(lambda: num_done(partial) >= 3 or process.poll() is not None)
    os.kill(workers[0].pid, signal.SIGKILL)
    at_the_kill = num_done(partial)
    wait_until(lambda: num_done(partial) >= at_the_kill + 5 or process.poll() is not None)
    assert process.poll() is None, (
        "the corpus is too small for this test: it was prepared before the scheduler was lost"
    )
    cluster.scheduler.kill()
    _, errors = process.communicate(timeout=SECONDS_TO_END)
    assert (process.returncode, "Traceback" in errors) == (2, False), errors
    last = errors.splitlines()[-1]
    assert last.startswith("error: the connection to the Dask scheduler was lost")
    assert "rerun the same command" in last
    before = num_done(partial)
    assert before > at_the_kill

    cluster.start_scheduler()
    cluster.start_worker()
    printed = finish(start("set", "--engine", "dask", "--scheduler", str(cluster.file)))
    assert "Dask, 1 workers at" in printed
    assert bytes_in(tmp_path / "set") == bytes_in(tmp_path / "alone")
    assert not partial.exists()


def test_a_cluster_without_workers_is_an_error_with_the_command_to_start_one(cluster, start):
    process = start("set", "--engine", "dask", "--scheduler", str(cluster.file))
    _, errors = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 2
    assert "has no workers; start one on each machine with: dask worker" in errors.splitlines()[-1]
