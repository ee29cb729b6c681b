"""Ctrl-C while real processes work: no lock of a future may stay held, or the main process never ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.integration
SECONDS_TO_END = 60
# With so many futures, nearly all of the time is spent on locking them.
PROGRAM = """
import sys
from paddle_wwm.shards.preparation.process_engine import ProcessEngine


def task(plan, item):
    return item


if __name__ == "__main__":
    try:
        for number, _ in enumerate(ProcessEngine(num_workers=2).run(task, None, range(200_000))):
            if number == 100:
                print("running", flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.1, 0.4, 0.7])
def test_ctrl_c_ends_a_pool_with_many_futures(tmp_path, pause):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"running\n"
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_TO_END) == 130
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
