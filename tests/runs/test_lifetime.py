"""Real processes: a child ends with its parent, even if the parent is killed or has already ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHILD = (
    "import os, signal, sys, time; from paddle_wwm.runs.lifetime import end_with_parent; "
    "end_with_parent(signal.SIGKILL, parent=int(sys.argv[1]));"
)
PARENT = """\
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed(tmp_path):
    ready = tmp_path / "ready"
    child = f"{CHILD} open({str(ready)!r}, 'w'); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, child],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    pid = int(parent.stdout.readline())
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.communicate()
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_ends_at_once_if_its_parent_has_already_ended():
    result = subprocess.run(
        [sys.executable, "-c", f"{CHILD} print('alive')", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert result.returncode == -signal.SIGKILL and result.stdout == b""
