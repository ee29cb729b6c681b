"""Real processes: how many run at the same time, their threads, and how the others end when one fails."""

import sys
import time

import pytest

from paddle_wwm.errors import Interrupted, TrainingError
from paddle_wwm.runs.processes import Command, raise_for, run_processes

GRACE = {"grace_s": 30.0, "failed_grace_s": 30.0}
SAVES = """
import pathlib, signal, sys, time
def save(*_): pathlib.Path(sys.argv[2]).touch(); sys.exit(143)
signal.signal(signal.SIGTERM, save); pathlib.Path(sys.argv[1]).touch(); time.sleep(60)
"""
FAILS = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)
print("the reason"); sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def command(tmp_path):
    def make(name, source, *arguments):
        return Command(
            name=name, line=(sys.executable, "-c", source, *map(str, arguments)), log=tmp_path / f"{name}.log"
        )

    return make


def test_commands_run_in_order_two_at_a_time(command, tmp_path):
    source = "import os, sys, time; print(os.environ['OMP_NUM_THREADS'], flush=True); time.sleep(0.2)"
    counts = []
    ended = run_processes(
        [command(f"c{number}", source) for number in range(4)], num_at_a_time=2, on_poll=counts.append, **GRACE
    )
    assert (ended.statuses, ended.failed, ended.stop) == ((0, 0, 0, 0), None, 0)
    assert counts == sorted(counts) and counts[-1] == 4
    assert all((tmp_path / f"c{number}.log").read_text().strip().isdigit() for number in range(4))
    raise_for(ended, [], remedy="")


def test_after_a_failure_the_others_can_save_and_no_more_commands_are_started(command, tmp_path, logged):
    there, saved = tmp_path / "there", tmp_path / "saved"
    commands = [
        command("saves", SAVES, there, saved),
        command("fails", FAILS, there, 1),
        command("waits", "raise SystemExit(9)"),
    ]
    started = time.monotonic()
    ended = run_processes(commands, num_at_a_time=2, **GRACE)
    assert (ended.statuses, ended.failed) == ((143, 1, None), 1)
    assert saved.exists() and time.monotonic() - started < 25
    with pytest.raises(
        TrainingError, match=r"fails ended with exit status 1; its output is in .*fails\.log\. Fix it\."
    ):
        raise_for(ended, commands, remedy="Fix it.")
    assert any("the reason" in line for line in logged)


def test_after_the_agreed_status_the_others_get_no_signal(command, tmp_path):
    there, saved = tmp_path / "there", tmp_path / "saved"
    agrees = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(2); sys.exit(2)"
    commands = [command("agrees", agrees, there, saved), command("fails", FAILS, there, 2)]
    assert run_processes(commands, num_at_a_time=2, agreed_status=2, **GRACE).statuses == (2, 2)


def test_a_process_that_does_not_end_in_time_is_killed(command, tmp_path):
    ignores = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )
    commands = [command("ignores", ignores, tmp_path / "there"), command("fails", FAILS, tmp_path / "there", 1)]
    ended = run_processes(commands, num_at_a_time=2, grace_s=30.0, failed_grace_s=0.5)
    assert ended.statuses == (-9, 1)


def test_a_command_that_was_stopped_by_a_signal_raises_interrupted(command, tmp_path):
    (tmp_path / "there").touch()
    commands = [command("stopped", FAILS, tmp_path / "there", 143)]
    with pytest.raises(Interrupted) as stopped:
        raise_for(run_processes(commands, num_at_a_time=1, **GRACE), commands, remedy="")
    assert stopped.value.exit_status == 143
