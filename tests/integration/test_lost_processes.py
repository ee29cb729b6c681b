"""A killed loader or worker ends a run with one readable line, also on a terminal with a progress bar."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from pathlib import Path

import pytest

from .scripts import command_of, run_command, wait_for_step

MANY_STEPS = ["phases.0.num_steps=200", "runtime.evaluate_every_steps=1000"]
pytestmark = [pytest.mark.integration, pytest.mark.slow]


class OnTerminal:
    """A command on a terminal of 200 columns; `screen` is what it has written."""

    def __init__(self, command: list[str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.parts: list[bytes] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.master, 65536)
            except OSError:  # the last process has closed the terminal
                return
            if not part:
                return
            self.parts.append(part)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and the screen."""
        status = self.process.wait(timeout=120)
        self.reader.join(timeout=30)
        os.close(self.master)
        return status, b"".join(self.parts).decode(errors="replace")


def children_of(pid: int) -> list[int]:
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]


def error_lines(screen: str) -> list[str]:
    """Return the lines with an error; each must start on a line of its own."""
    lines = [line for line in screen.replace("\r\n", "\n").split("\n") if "error:" in line]
    assert all(line.split("\r")[-1].startswith("error: ") for line in lines), lines
    assert all(not line.split("\r")[0].startswith("train:") for line in lines), lines
    return [line.split("\r")[-1] for line in lines]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_killed_loader_process_ends_in_one_line_and_the_run_can_be_resumed(arguments, tmp_path, num_workers):
    run = tmp_path / "run"
    command = command_of("pretrain.py", *arguments, "--output", run, "--nproc", num_workers, *MANY_STEPS)
    shown = OnTerminal(command)
    wait_for_step(shown.process, run, 4)
    trainers = [shown.process.pid] if num_workers == 1 else children_of(shown.process.pid)
    [loader] = children_of(trainers[-1])
    os.kill(loader, signal.SIGKILL)
    status, screen = shown.end()
    assert status == 2, screen
    [line] = error_lines(screen)
    whose = " of worker 1" if num_workers == 2 else ""
    assert f"a loader process{whose} ended with signal 9" in line and "--resume auto" in line
    assert "train:" in screen and "Traceback" not in screen and "Fatal" not in screen
    resumed = run_command([*command, "--resume", "auto"])
    assert resumed.returncode == 0 and "about to continue after step" in resumed.stdout, resumed.stderr


def test_the_abort_of_gloo_is_kept_off_the_terminal(arguments, tmp_path):
    """Worker 1 is killed. gloo then aborts worker 0, whose bar is on the terminal."""
    run = tmp_path / "run"
    shown = OnTerminal(command_of("pretrain.py", *arguments, "--output", run, "--nproc", 2, *MANY_STEPS))
    wait_for_step(shown.process, run, 4)
    os.kill(children_of(shown.process.pid)[1], signal.SIGKILL)
    status, screen = shown.end()
    assert status == 2, screen
    [line] = error_lines(screen)
    assert "worker 1 ended with signal 9" in line and "To continue" in line
    assert "terminate called" not in screen and "train:" in screen
