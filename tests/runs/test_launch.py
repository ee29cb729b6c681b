"""Real processes: the end of the workers when one fails or a signal comes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddle_wwm.errors import TrainingError
from paddle_wwm.runs.launch import launch_workers, worker_environments

ROOT = Path(__file__).resolve().parents[2]


def test_every_worker_gets_its_rank_and_all_endpoints():
    environments = worker_environments(3)
    assert [item["PADDLE_TRAINER_ID"] for item in environments] == ["0", "1", "2"]
    endpoints = environments[0]["PADDLE_TRAINER_ENDPOINTS"].split(",")
    assert [item["PADDLE_CURRENT_ENDPOINT"] for item in environments] == endpoints
    assert len(set(endpoints)) == 3
    assert {item["PADDLE_DISTRI_BACKEND"] for item in environments} == {"gloo"}


def test_workers_on_gpus_get_one_device_each():
    assert [item["FLAGS_selected_gpus"] for item in worker_environments(2, gpus=["0", "3"])] == ["0", "3"]


def test_the_launch_ends_when_all_workers_have_succeeded(tmp_path):
    code = "import os, pathlib, sys; (pathlib.Path(sys.argv[1]) / os.environ['PADDLE_TRAINER_ID']).touch()"
    launch_workers([sys.executable, "-c", code, str(tmp_path)], count=2, log_directory=tmp_path / "logs")
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "logs"}


def test_a_worker_that_fails_ends_the_others_and_its_last_lines_are_shown(tmp_path, logged):
    code = "import os, time\nif os.environ['PADDLE_TRAINER_ID'] == '1': raise SystemError('the reason')\ntime.sleep(60)"
    started = time.monotonic()
    with pytest.raises(TrainingError, match="worker 1 ended with exit status 1"):
        launch_workers([sys.executable, "-c", code], count=2, log_directory=tmp_path)
    assert time.monotonic() - started < 30
    assert "SystemError: the reason" in logged


def test_after_a_failure_the_other_workers_get_sigterm_and_can_save(tmp_path):
    """Without SIGTERM, they would be killed after the grace period without saving."""
    code = (
        "import os, pathlib, signal, sys, time\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "def save(number, _): (folder / 'saved').touch(); sys.exit(143)\n"
        "if os.environ['PADDLE_TRAINER_ID'] == '0':\n"
        "    signal.signal(signal.SIGTERM, save); (folder / 'ready').touch(); time.sleep(60)\n"
        "while not (folder / 'ready').exists(): time.sleep(0.01)\n"
        "sys.exit(1)"
    )
    with pytest.raises(TrainingError, match="worker 1 ended with exit status 1"):
        launch_workers([sys.executable, "-c", code, str(tmp_path)], count=2, log_directory=tmp_path / "logs")
    assert (tmp_path / "saved").exists()


def test_a_killed_worker_is_reported_with_its_signal(tmp_path):
    code = (
        "import os, signal, time\nif os.environ['PADDLE_TRAINER_ID'] == '0': os.kill(os.getpid(), "
        "signal.SIGKILL)\ntime.sleep(60)"
    )
    with pytest.raises(TrainingError, match="worker 0 ended with signal 9"):
        launch_workers([sys.executable, "-c", code], count=2, log_directory=tmp_path)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_launcher_ends_the_workers_and_sets_the_exit_status(tmp_path, number, status):
    worker = (
        "import os, signal, sys, time, pathlib\n"
        "for n in (signal.SIGTERM, signal.SIGINT): signal.signal(n, lambda n, _: sys.exit(128 + n))\n"
        "(pathlib.Path(sys.argv[1]) / ('ready' + os.environ['PADDLE_TRAINER_ID'])).touch()\n"
        "time.sleep(60)"
    )
    launcher = (
        "import sys; from pathlib import Path; from paddle_wwm.cli.process import run_script\n"
        "from paddle_wwm.runs.launch import launch_workers\n"
        f"run_script(lambda: launch_workers([sys.executable, '-c', {worker!r}, sys.argv[1]], count=2, "
        f"log_directory=Path(sys.argv[1])))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", launcher, str(tmp_path)], env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not ((tmp_path / "ready0").exists() and (tmp_path / "ready1").exists()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
