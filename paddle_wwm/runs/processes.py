"""Run commands as child processes, several at a time. No child outlives this process.

The workers of a training run and the runs of an experiment are both started here. A child that must end gets SIGTERM,
whichever signal this process got, so that it can save. A child that does not end in time is killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import site
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Callable, Mapping, Sequence

from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, Interrupted, TrainingError
from ..quiet import fork_without_warning
from .lifetime import StopSignal, end_with_parent
from .native_output import NATIVE_LOG_VARIABLE

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).absolute().parents[1]
POLL_S = 0.05
AGREED_GRACE_S = 20.0  # time for the other processes to end without a signal
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to start.

    Attributes:
        name: its name in messages.
        line: the program and its arguments.
        log: the file to which its output is appended; None to print to the terminal of this process.
        on_terminal: True if Python's output goes to the terminal of this process, and only that of C++ libraries goes
            into `log` (see `native_output.py`).
        environment: environment variables to add to those of this process.
    """

    name: str
    line: tuple[str, ...]
    log: Path | None = None
    on_terminal: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The result of `run_processes`.

    Attributes:
        statuses: the exit status of each command, negative for a signal; None for a command that was not started.
        failed: the index of the first command that failed; None if no command failed.
        stop: the signal that this process got; 0 if none.
    """

    statuses: tuple[int | None, ...]
    failed: int | None
    stop: int


def run_processes(
    commands: Sequence[Command],
    *,
    num_at_a_time: int,
    grace_s: float,
    failed_grace_s: float,
    agreed_status: int | None = None,
    on_poll: Callable[[int], None] | None = None,
) -> Ended:
    """Run commands in order until all have ended, one fails, or a signal comes.

    The signals are SIGTERM and Ctrl-C.

    Args:
        commands: the commands.
        num_at_a_time: the largest number of processes that run at the same time. They share the cores: each gets an
            equal number of threads, unless the environment sets the number.
        grace_s: seconds for all processes to save and end after this process got a signal.
        failed_grace_s: seconds for the other processes to save and end after one has failed.
        agreed_status: an exit status that all processes end with. After it, the others get no SIGTERM, because they
            end without it.
        on_poll: called several times per second with the number of processes that have ended.
    """
    threads = str(max(1, (os.cpu_count() or 1) // num_at_a_time))
    variables = {name: os.environ.get(name, threads) for name in THREAD_VARIABLES} if num_at_a_time > 1 else {}
    statuses: list[int | None] = [None] * len(commands)
    running: dict[int, subprocess.Popen[bytes]] = {}
    num_started, failed = 0, None
    deadline: float | None = None
    with StopSignal() as stop:
        try:
            while running or (num_started < len(commands) and deadline is None):
                ended = [number for number, process in running.items() if process.poll() is not None]
                for number in ended:
                    statuses[number] = running.pop(number).returncode
                if failed is None:
                    failed = _first_failure({number: statuses[number] for number in ended})
                if deadline is None and (stop.number or failed is not None):
                    agreed = not stop.number and failed is not None and statuses[failed] == agreed_status
                    if not agreed:
                        for process in running.values():
                            process.terminate()
                    grace = grace_s if stop.number else AGREED_GRACE_S if agreed else failed_grace_s
                    deadline = time.monotonic() + grace
                while num_started < len(commands) and len(running) < num_at_a_time and deadline is None:
                    running[num_started] = _start(commands[num_started], variables)
                    num_started += 1
                if deadline is not None and time.monotonic() > deadline:
                    for process in running.values():
                        process.kill()
                if on_poll:
                    on_poll(num_started - len(running))
                time.sleep(POLL_S)
        finally:
            for process in running.values():
                process.kill()
                process.wait()
    return Ended(statuses=tuple(statuses), failed=failed, stop=stop.number)


def _first_failure(statuses: Mapping[int, int | None]) -> int | None:
    """Return the command that failed, or None.

    gloo aborts a worker when it loses another one, so an aborted worker is returned only if no other one failed.
    """
    failures = [number for number, status in statuses.items() if status != 0]
    return min(failures, key=lambda number: (statuses[number] == -signal.SIGABRT, number), default=None)


def _start(command: Command, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    with contextlib.ExitStack() as files:
        log: IO[bytes] | None = None
        native_log: dict[str, str] = {}
        if command.log is not None:
            command.log.parent.mkdir(parents=True, exist_ok=True)
            if command.on_terminal:
                native_log = {NATIVE_LOG_VARIABLE: str(command.log.absolute())}
            else:
                log = files.enter_context(open(command.log, "ab"))
        environment = {**os.environ, **_python_path(), **variables, **command.environment, **native_log}
        files.enter_context(fork_without_warning())
        return subprocess.Popen(
            command.line,
            env=environment,
            stdin=subprocess.DEVNULL if log else None,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            preexec_fn=lambda: end_with_parent(signal.SIGTERM, parent=parent),
        )


def raise_for(ended: Ended, commands: Sequence[Command], *, remedy: str) -> None:
    """Raise an error unless all commands have succeeded.

    Raises:
        Interrupted: this process, or the command that failed first, got a signal.
        TrainingError: a command failed. The last lines of its log are logged.
    """
    if all(status == 0 for status in ended.statuses):
        return
    status = 0 if ended.failed is None else ended.statuses[ended.failed] or 0
    stopped = 128 + ended.stop if ended.stop else status
    if stopped in (SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS):
        raise Interrupted(f"the finished work is saved. {remedy}", exit_status=stopped)
    assert ended.failed is not None
    failed, place = commands[ended.failed], "above"
    lines = failed.log.read_text(errors="replace").splitlines()[-20:] if failed.log and failed.log.exists() else []
    if failed.log is not None and (lines or not failed.on_terminal):
        place = f"above and in {failed.log}" if failed.on_terminal else f"in {failed.log}"
        logger.error("\n".join([f"--- last lines of {failed.log} ---", *lines, "---"]))
    what = f"signal {-status}" if status < 0 else f"exit status {status}"
    raise TrainingError(f"{failed.name} ended with {what}; its output is {place}. {remedy}")


def package_command(command: str, *arguments: object) -> tuple[str, ...]:
    """Return the command line that runs a command of this package.

    It is `python -P -m paddle_wwm COMMAND …`. -P keeps the working directory out of the module search path, since
    another paddle_wwm may be there. A checkout need not be installed: `run_processes` sets PYTHONPATH.
    """
    return (sys.executable, "-P", "-m", PACKAGE.name, command, *map(str, arguments))


def _python_path() -> dict[str, str]:
    root, given = str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    if root in installed or root == given.split(os.pathsep)[0]:
        return {}
    return {"PYTHONPATH": os.pathsep.join([root, given]) if given else root}
