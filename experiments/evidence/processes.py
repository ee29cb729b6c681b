"""Run commands of the package as processes: several at a time, none outliving this one, a signal passed on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Iterator, Mapping, Sequence

from paddle_wwm.errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, Interrupted, TrainingError
from paddle_wwm.progress import progress_bar
from paddle_wwm.runs.lifetime import end_with_parent

GRACE_S = 90.0  # to save, after a signal
POLL_S = 0.05
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program for this Python, and its arguments. log: where its output goes; None: to the terminal."""

    program: tuple[str, ...]
    arguments: tuple[str, ...]
    name: str
    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> list[str]:
        """As the system starts it."""
        return [sys.executable, *self.program, *self.arguments]


def command_of_package(name: str) -> tuple[str, ...]:
    """Return how Python starts a command of the package. All runs of the experiment are started by this."""
    return ("-m", "paddle_wwm", name)


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM and Ctrl-C raise Interrupted in the block."""

    def stop(number: int, _: object) -> None:
        status = SIGINT_EXIT_STATUS if number == signal.SIGINT else SIGTERM_EXIT_STATUS
        raise Interrupted("what was done is kept. To continue, run the same command again.", exit_status=status)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_all(commands: Sequence[Command], *, num_jobs: int = 1, what: str = "") -> None:
    """Run the commands, `num_jobs` at a time, in their order. Raises TrainingError when one fails, after the others
    were asked to stop.
    """
    waiting = list(commands)
    running: list[tuple[Command, subprocess.Popen[bytes]]] = []
    threads = (
        {name: os.environ.get(name, str(max(1, (os.cpu_count() or 1) // num_jobs))) for name in _THREADS}
        if num_jobs > 1
        else {}
    )
    try:
        has_bars = any(command.log is None for command in commands)  # of its own, on this terminal
        with progress_bar(total=len(commands), desc=what, unit=" runs", disable=has_bars or len(commands) < 2) as bar:
            while waiting or running:
                while waiting and len(running) < num_jobs:
                    command = waiting.pop(0)
                    running.append((command, _start(command, threads=threads)))
                for command, process in list(running):
                    if process.poll() is None:
                        continue
                    running.remove((command, process))
                    _check(command, process.returncode)
                    bar.update(1)
                time.sleep(POLL_S)
    finally:
        _stop([process for _, process in running])


def _start(command: Command, *, threads: Mapping[str, str]) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    with contextlib.ExitStack() as files:
        log: IO[bytes] | None = None
        if command.log is None:
            print(f"  {command.name}:", flush=True)
        else:
            command.log.parent.mkdir(parents=True, exist_ok=True)
            log = files.enter_context(open(command.log, "ab"))
        return subprocess.Popen(
            command.line,
            stdin=None if log is None else subprocess.DEVNULL,
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
            env={**os.environ, **threads, **command.environment},
            preexec_fn=lambda: end_with_parent(signal.SIGTERM, parent=parent),
        )


def _check(command: Command, status: int) -> None:
    if status == 0:
        return
    if status in (SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS):
        raise Interrupted(f"{command.name} was stopped. To continue, run the same command again.", exit_status=status)
    if command.log is not None:
        print(
            f"--- last lines of {command.log} ---",
            *command.log.read_text(errors="replace").splitlines()[-15:],
            "---",
            sep="\n",
            file=sys.stderr,
        )
    what = f"signal {-status}" if status < 0 else f"exit status {status}"
    raise TrainingError(f"{command.name}: the run ended with {what}. Fix the cause and run the same command again.")


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask them to save and end; after a while, end them."""
    deadline = time.monotonic() + GRACE_S
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
