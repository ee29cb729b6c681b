"""Start N fleet workers on this machine: the same script again, once a worker, with the environment that fleet reads.

What `python -m paddle.distributed.launch` does, with three differences that a person at a terminal needs: worker 0
keeps the terminal (its progress bar stays a bar), a worker that dies ends the others at once and its last lines are
shown, and nothing of the environment is written into a log folder.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Sequence

from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, USER_ERROR_EXIT_STATUS, Interrupted, TrainingError
from .fleet import LAUNCHER_VARIABLE

GRACE_S = 60.0  # to finish the step and save, after a signal
FAILED_GRACE_S, AGREED_GRACE_S = 5.0, 20.0  # to the others, after a worker has failed
POLL_S = 0.05


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


def worker_environments(count: int, *, gpus: Sequence[str] = ()) -> list[dict[str, str]]:
    """The environment of every worker; `gpus` are the devices to use, none means the CPU with gloo."""
    endpoints = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    threads = str(max(1, (os.cpu_count() or 1) // count))
    environments = []
    for rank in range(count):
        environment = {
            "PADDLE_TRAINER_ID": str(rank),
            "PADDLE_TRAINERS_NUM": str(count),
            "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
            "PADDLE_CURRENT_ENDPOINT": endpoints[rank],
            "PADDLE_MASTER": endpoints[0],
            "PADDLE_GLOBAL_SIZE": str(count),
            "PADDLE_LOCAL_SIZE": str(count),
            "PADDLE_GLOBAL_RANK": str(rank),
            "PADDLE_LOCAL_RANK": str(rank),
            "PADDLE_RANK_IN_NODE": str(rank),
            "PADDLE_NNODES": "1",
            LAUNCHER_VARIABLE: str(os.getpid()),
        }
        if gpus:
            environment["FLAGS_selected_gpus"] = gpus[rank]
        else:
            environment["PADDLE_DISTRI_BACKEND"] = "gloo"
            # one thread a core: the workers are the parallelism
            environment.update({name: os.environ.get(name, threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")})
        environments.append({**os.environ, **environment})
    return environments


def launch_workers(command: Sequence[str], *, count: int, log_directory: Path, gpus: Sequence[str] = ()) -> None:
    """Run `command` in `count` workers until all have ended well.

    Raises Interrupted after a signal, TrainingError when a worker failed (its log's last lines are printed). A user's
    error was
    already printed by worker 0: then the exit status is passed on.
    """
    log_directory.mkdir(parents=True, exist_ok=True)
    received: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    workers: list[subprocess.Popen] = []
    try:
        for rank, environment in enumerate(worker_environments(count, gpus=gpus)):
            if rank == 0:
                workers.append(subprocess.Popen(command, env=environment))
            else:
                with open(_log_path(log_directory, rank), "wb") as log:
                    workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
        _watch(workers, received=received, log_directory=log_directory)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _log_path(log_directory: Path, rank: int) -> Path:
    return log_directory / f"worker-{rank}.log"


def _watch(workers: list[subprocess.Popen], *, received: list[int], log_directory: Path) -> None:
    deadline: float | None = None
    failed: int | None = None  # the first worker that ended badly
    while any(worker.poll() is None for worker in workers):
        statuses = [worker.poll() for worker in workers]
        if failed is None:
            failed = next((rank for rank, status in enumerate(statuses) if status not in (None, 0)), None)
        if deadline is None and received:
            # a terminal's Ctrl-C has reached the workers already, a signal to this process alone has not: both are
            # told, once
            _signal_all(workers, received[0])
            deadline = time.monotonic() + GRACE_S
        elif deadline is None and failed is not None:
            # a mistake or a fault that all agree on: the others end by themselves, so that worker 0 says it; a signal
            # would only hit it at its end
            agreed = statuses[failed] == USER_ERROR_EXIT_STATUS
            if not agreed:
                _signal_all(workers, signal.SIGTERM)
            deadline = time.monotonic() + (AGREED_GRACE_S if agreed else FAILED_GRACE_S)
        if deadline is not None and time.monotonic() > deadline:
            _signal_all(workers, signal.SIGKILL)
        time.sleep(POLL_S)
    statuses = [worker.returncode for worker in workers]
    failed = failed if failed is not None else next((rank for rank, status in enumerate(statuses) if status), None)
    if failed is None:
        return
    status = statuses[failed]
    if received or status in (SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS):
        number = received[0] if received else (signal.SIGINT if status == SIGINT_EXIT_STATUS else signal.SIGTERM)
        raise Interrupted("the workers have stopped.", exit_status=128 + number)
    if statuses[0] == USER_ERROR_EXIT_STATUS:
        sys.exit(USER_ERROR_EXIT_STATUS)  # worker 0 has said it; the others, too, where all agreed
    if failed:
        lines = _log_path(log_directory, failed).read_text(errors="replace").splitlines()
        print(f"--- last lines of worker {failed} ---", *lines[-20:], "---", sep="\n", file=sys.stderr)
    what = f"signal {-status}" if status < 0 else f"exit status {status}"
    raise TrainingError(
        f"worker {failed} ended with {what}; its output is "
        f"{'above' if failed == 0 else 'in ' + str(_log_path(log_directory, failed))}. "
        "Go on from the last checkpoint with --resume auto; of fine-tuning, with the same command."
    )


def _signal_all(workers: list[subprocess.Popen], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)
