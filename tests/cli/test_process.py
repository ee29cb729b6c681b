"""The exit status and the last output of a script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paddle_wwm import errors
from paddle_wwm.errors import Interrupted, PaddleWWMError

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import os, sys
from paddle_wwm.errors import *
from paddle_wwm.cli.process import run_script
def main():
    {body}
run_script(main)
print('never reached')
"""


def run(body, **options):
    """Run a script whose main has this body; return its exit status, stdout and stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", SCRIPT.format(body=body)]
    done = subprocess.run(
        command,
        **{"stdout": subprocess.PIPE, **options},
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("body", "status", "output", "error"),
    [
        ("print('done')", 0, "done\n", ""),
        ("print('not good'); return 1", 1, "not good\n", ""),
        (
            "print('so far'); raise DataError('x.txt, line 3: not UTF-8.')",
            2,
            "so far\n",
            "error: x.txt, line 3: not UTF-8.\n",
        ),
        (
            "raise Interrupted('a checkpoint was saved.', exit_status=143)",
            143,
            "",
            "stopped: a checkpoint was saved.\n",
        ),
        ("raise KeyboardInterrupt", 130, "", "stopped: Ctrl-C\n"),
        ("open('/absent/file')", 2, "", "error: [Errno 2] No such file or directory: '/absent/file'\n"),
        ("import sys; sys.exit(2)", 2, "", ""),
    ],
)
def test_a_script_exits_with_its_status_and_at_most_one_line_on_stderr(body, status, output, error):
    assert run(body) == (status, output, error)


def test_a_bug_keeps_its_traceback():
    status, _, error = run("raise ValueError('ours')")
    assert status == 1
    assert error.startswith("Traceback") and error.endswith("ValueError: ours\n")


@pytest.mark.parametrize("num_lines", [3, 100_000])
def test_a_closed_pipe_gives_no_message(num_lines):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert run(f"for number in range({num_lines}): print('line', number)", stdout=writing) == (2, None, "")
    finally:
        os.close(writing)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full, a file on a full disk")
@pytest.mark.parametrize("num_lines", [3, 100_000])
def test_output_that_cannot_be_written_gives_one_line_on_stderr(num_lines):
    with open("/dev/full", "w") as full:
        found = run(f"for number in range({num_lines}): print('line', number)", stdout=full)
    remedy = "free some disk space and run the command again"
    assert found == (2, None, f"error: [Errno 28] No space left on device; {remedy}\n")


@pytest.mark.parametrize(
    "bar", ["paddle_wwm.progress.show_bar(Progress(stage='read', done=1, total=9, unit='B'))", "tqdm.tqdm(total=9)"]
)
def test_an_error_and_a_warning_start_on_a_line_of_their_own_while_a_bar_is_open(bar, monkeypatch):
    body = f"import warnings, tqdm, paddle_wwm.progress; from paddle_wwm.progress import Progress; bar = {bar}; "
    monkeypatch.setenv("PADDLE_WWM_PROGRESS", "bar")
    _, _, error = run(f"{body}warnings.warn('careful'); raise DataError('x.txt: is empty.')")
    assert "0%|" in error or "11%|" in error
    lines = error.replace("\r", "\n").splitlines()
    assert "error: x.txt: is empty." in lines
    assert any(line.endswith("UserWarning: careful") and "%|" not in line for line in lines)


def test_every_error_class_of_the_project_is_a_paddle_wwm_error():
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert {error.__name__ for error in found} > {
        "ConfigError",
        "DataError",
        "CheckpointError",
        "HubModuleError",
        "TrainingError",
        "Interrupted",
    }
    assert all(issubclass(error, PaddleWWMError) for error in found)
    assert (str(Interrupted("saved", exit_status=130)), Interrupted("saved", exit_status=130).exit_status) == (
        "saved",
        130,
    )
