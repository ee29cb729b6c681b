"""Commands as real processes: handling of failures, signals, and the end of the other processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from experiments.evidence.processes import run_all
from paddle_wwm.errors import Interrupted, TrainingError
from paddle_wwm.runs.processes import Command

WAITS = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path(sys.argv[1]).write_text("stopped")
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[2]).touch()
time.sleep(60)
"""
FAILS_WHEN_THERE = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("the reason")
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def command(tmp_path):
    def make(name, source, *arguments):
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        return Command(name=name, line=(sys.executable, str(path), *map(str, arguments)), log=tmp_path / f"{name}.log")

    return make


def test_all_commands_run_and_their_output_is_kept(command, tmp_path):
    commands = [command(f"c{number}", "import sys; print(sys.argv[1])", number) for number in range(3)]
    run_all(commands, num_jobs=2)
    assert [(tmp_path / f"c{number}.log").read_text() for number in range(3)] == ["0\n", "1\n", "2\n"]


def test_a_failure_stops_the_other_commands_gracefully_and_reports_the_reason(command, tmp_path, logged):
    waits = command("waits", WAITS, tmp_path / "stopped", tmp_path / "there")
    fails = command("fails", FAILS_WHEN_THERE, tmp_path / "there", 2)
    with pytest.raises(TrainingError, match="fails ended with exit status 2.*rerun the same command"):
        run_all([waits, fails], num_jobs=2)
    assert (tmp_path / "stopped").read_text() == "stopped"
    assert any("the reason" in line for line in logged)


def test_a_command_stopped_by_a_signal_stops_all_with_its_exit_status(command, tmp_path):
    (tmp_path / "there").touch()
    with pytest.raises(Interrupted) as stopped:
        run_all([command("stopped", FAILS_WHEN_THERE, tmp_path / "there", 143)])
    assert stopped.value.exit_status == 143


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_forwarded_and_the_command_may_finish(command, tmp_path, number, status):
    waits = command("waits", WAITS, tmp_path / "stopped", tmp_path / "there")
    source = (
        "from paddle_wwm.cli.process import run_script\n"
        "from experiments.evidence.processes import run_all, signals_interrupt\n"
        "from paddle_wwm.runs.processes import Command\n"
        "def main():\n"
        "    with signals_interrupt():\n"
        f"        run_all([Command(name='waits', line={waits.line!r})])\n"
        "run_script(main)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "there").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=60) == status
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "stopped").read_text() == "stopped"
