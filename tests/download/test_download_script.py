"""scripts/download.py in its own processes: several at once, with too little disk space, and killed."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections import deque

import pytest

from ..integration.scripts import ROOT, command_of, run_script

NAME = "chinese-bert-wwm"
WEIGHTS = "model.safetensors"
pytestmark = pytest.mark.integration


def start(*arguments, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command_of("download.py", *arguments), **pipes, **options)


def start_and_cut(hub):
    """Start a download, and return it when it has a part of the weights and waits before the next try."""
    hub.faults.cuts[WEIGHTS] = deque([400_000, 0, 0, 0, 0])
    process = start(NAME)
    deadline = time.monotonic() + 60
    while len(hub.sent(WEIGHTS)) < 2:
        assert process.poll() is None and time.monotonic() < deadline, process.kill()
        time.sleep(0.02)
    return process


def test_a_download_ends_with_a_summary_and_a_second_one_transfers_nothing(hub, home):
    done = run_script("download.py", NAME)
    assert done.returncode == 0, done.stderr
    folder = home / "models" / NAME
    assert f"{NAME}: {folder}" in done.stdout and "sha256 agrees" in done.stdout and f"--init {folder}" in done.stdout
    assert WEIGHTS in done.stderr  # the progress bar
    asked = len(hub.requests)
    again = run_script("download.py", NAME, HF_HUB_OFFLINE="1")
    assert again.returncode == 0 and str(folder) in again.stdout and len(hub.requests) == asked


def test_two_processes_at_once_make_one_transfer(hub, home):
    hub.delay_s = 0.3
    processes = [start(NAME) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert len(hub.sent(WEIGHTS)) == len(hub.sent("vocab.txt")) == 1
    assert sum("waiting for it" in output for output, _ in outputs) == 1


def test_a_killed_download_is_continued(hub, home):
    process = start_and_cut(hub)
    process.kill()
    process.communicate()
    assert not (home / "models" / NAME).exists()
    hub.faults.cuts.clear()
    hub.requests.clear()
    done = run_script("download.py", NAME)
    assert done.returncode == 0, done.stderr
    assert [one.status for one in hub.sent(WEIGHTS)] == [206] and hub.sent("vocab.txt") == []


def test_ctrl_c_exits_without_traceback(hub):
    process = start_and_cut(hub)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors


def test_a_full_disk_is_a_one_line_error_and_downloaded_files_are_kept(hub, home):
    limit = 500_000
    process = start(NAME, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    assert "Downloaded files are kept: make room, or set PADDLE_WWM_HOME" in errors and "Traceback" not in errors
    assert not (home / "models" / NAME).exists()
    assert f"unfinished, in {home / 'downloads'}: {NAME} (" in run_script("download.py", "--list").stdout
    hub.requests.clear()
    assert run_script("download.py", NAME).returncode == 0
    assert [one.status for one in hub.sent(WEIGHTS)] == [206]


def test_a_dry_run_lists_files_and_sizes_and_writes_nothing(hub, home):
    done = run_script("download.py", NAME, "--dry-run")
    assert (
        done.returncode == 0
        and f"{WEIGHTS}" in done.stdout
        and "0.9 MB  checked by sha256" in done.stdout
        and "to transfer" in done.stdout
    )
    assert not home.exists() and hub.sent(WEIGHTS) == []


def test_the_list_shows_which_models_are_stored(hub, home):
    assert run_script("download.py", "rbt3", "--from", ROOT / "tests" / "absent.zip").returncode == 2
    assert "0 here" in run_script("download.py", "--list").stdout
    run_script("download.py", NAME)
    lines = run_script("download.py", "--list").stdout.splitlines()
    [line] = [line for line in lines if line.startswith(f"{NAME} ")]
    assert line.endswith(" MB") and lines[-1] == f"1 here, in {home / 'models'}"


@pytest.mark.parametrize(
    "arguments", [[], [NAME, "--list"], [NAME, "rbt3", "--revision", "v1"], [NAME, "--sha256", "0"]]
)
def test_an_invalid_command_line_is_refused(arguments, hub):
    assert run_script("download.py", *arguments).returncode == 2


def test_help_has_examples(hub):
    done = run_script("download.py", "--help")
    assert done.returncode == 0 and "HF_ENDPOINT=https://" in done.stdout and "--from chinese_wwm" in done.stdout


def test_a_proxy_is_used(hub, home):
    """Only a proxy can reach hub.invalid. The server of the test is the proxy: it answers requests for any host."""
    done = run_script(
        "download.py", NAME, "--dry-run", HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=hub.url, NO_PROXY=""
    )
    assert done.returncode == 0 and hub.requests, done.stderr
