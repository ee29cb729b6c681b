"""Run the scripts of the project as a user does, in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from paddle_wwm.pretraining.metrics_log import read_metrics

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 600


def command_of(script: str, *arguments: object) -> list[str]:
    """Return the command line of scripts/SCRIPT."""
    return [sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)]


def run_script(
    script: str, *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess:
    """Run scripts/SCRIPT and wait for its end."""
    return run_command(command_of(script, *arguments), cwd=cwd, **environment)


def run_command(command: list[str], *, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """Run a command, wait for its end, and capture its output as text."""
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def wait_for_step(process: subprocess.Popen, run: Path, step: int) -> None:
    """Wait until the run in folder `run` has logged `step` steps."""
    deadline = time.monotonic() + TIMEOUT_S
    while not any(record["step"] >= step for record in read_metrics(run)):
        assert process.poll() is None, f"ended with {process.returncode} before step {step}"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def train_records(run: Path) -> list[dict]:
    """Return the training metrics of a run, one record per step (runtime.log_every_steps=1)."""
    return [record for record in read_metrics(run) if record["kind"] == "train"]
