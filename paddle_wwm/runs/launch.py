"""Start N fleet workers on this machine: one command, once per worker, with the environment that fleet reads.

What `python -m paddle.distributed.launch` does, with three differences that a person at a terminal needs: worker 0
keeps the terminal (its progress bar stays a bar), a worker that dies ends the others at once and its last lines are
shown, and nothing of the environment is written into a log folder.
"""

from __future__ import annotations

import logging
import os
import signal
import site
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import MappingProxyType
from typing import Callable, Mapping, Sequence

from ..errors import (
    SIGINT_EXIT_STATUS,
    SIGTERM_EXIT_STATUS,
    USER_ERROR_EXIT_STATUS,
    AlreadyReported,
    Interrupted,
    TrainingError,
)
from .fleet import LAUNCHER_VARIABLE
from .lifetime import StopSignal

logger = logging.getLogger(__name__)

GRACE_S = 60.0  # to finish the step and save, after a signal
FAILED_GRACE_S, AGREED_GRACE_S = 5.0, 20.0  # to the others, after a worker has failed
POLL_S = 0.05
PACKAGE = Path(__file__).absolute().parents[1]


def package_command(command: str, *arguments: object) -> list[str]:
    """Return the command line that runs a command of this very package, `python -m paddle_wwm COMMAND …`.

    -P keeps the working directory, which may hold another paddle_wwm, out of the search; PYTHONPATH in
    `worker_environments` leads to a checkout, which need not be installed.
    """
    return [sys.executable, "-P", "-m", PACKAGE.name, command, *map(str, arguments)]


def _python_path() -> dict[str, str]:
    root, given = str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    if root in installed or root == given.split(os.pathsep)[0]:
        return {}
    return {"PYTHONPATH": os.pathsep.join([root, given]) if given else root}


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
        environments.append({**os.environ, **_python_path(), **environment})
    return environments


def launch_workers(
    command: Sequence[str],
    *,
    count: int,
    log_directory: Path,
    gpus: Sequence[str] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
    show_first: bool = True,
    on_poll: Callable[[], None] | None = None,
) -> None:
    """Run `command` in `count` workers until all have ended well.

    Args:
        command: the program and its arguments, the same for every worker.
        count: how many workers.
        log_directory: where the output of the workers goes, worker-N.log.
        gpus: the devices to use; none means the CPU.
        variables: more environment variables for the workers.
        show_first: whether worker 0 keeps the terminal; otherwise its output goes into a log, too.
        on_poll: called several times a second while the workers run.

    Raises:
        Interrupted: a signal came; the workers have saved and ended.
        AlreadyReported: a mistake of the user's, which worker 0 has printed on the terminal.
        TrainingError: a worker failed. The last lines of its log are logged.
    """
    log_directory.mkdir(parents=True, exist_ok=True)
    workers: list[subprocess.Popen[bytes]] = []
    with StopSignal() as stop:
        try:
            for rank, environment in enumerate(worker_environments(count, gpus=gpus)):
                environment.update(variables)
                if rank == 0 and show_first:
                    workers.append(subprocess.Popen(command, env=environment))
                else:
                    with open(_log_path(log_directory, rank), "wb") as log:
                        workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
            failed = _watch(workers, stop=stop, on_poll=on_poll)
        finally:
            for worker in workers:
                if worker.poll() is None:
                    worker.kill()
                    worker.wait()
        statuses = [worker.returncode for worker in workers]
        _raise_for(statuses, failed=failed, stop=stop, log_directory=log_directory, show_first=show_first)


def _log_path(log_directory: Path, rank: int) -> Path:
    return log_directory / f"worker-{rank}.log"


def _watch(
    workers: list[subprocess.Popen[bytes]], *, stop: StopSignal, on_poll: Callable[[], None] | None
) -> int | None:
    """Wait for all workers to end, and end the others when one fails; return the first one that failed."""
    deadline: float | None = None
    failed: int | None = None
    while any(worker.poll() is None for worker in workers):
        statuses = [worker.poll() for worker in workers]
        if failed is None:
            failed = next((rank for rank, status in enumerate(statuses) if status not in (None, 0)), None)
        if deadline is None and stop.number:
            # a terminal's Ctrl-C has reached the workers already, a signal to this process alone has not: both are
            # passed on, once
            _signal_all(workers, stop.number)
            deadline = time.monotonic() + GRACE_S
        elif deadline is None and failed is not None:
            # a mistake or a fault that all agree on: the others end by themselves, so that worker 0 reports it; a
            # signal would only hit it at its end
            agreed = statuses[failed] == USER_ERROR_EXIT_STATUS
            if not agreed:
                _signal_all(workers, signal.SIGTERM)
            deadline = time.monotonic() + (AGREED_GRACE_S if agreed else FAILED_GRACE_S)
        if deadline is not None and time.monotonic() > deadline:
            _signal_all(workers, signal.SIGKILL)
        if on_poll:
            on_poll()
        time.sleep(POLL_S)
    if failed is None:
        failed = next((rank for rank, worker in enumerate(workers) if worker.returncode), None)
    return failed


def _raise_for(
    statuses: Sequence[int], *, failed: int | None, stop: StopSignal, log_directory: Path, show_first: bool
) -> None:
    """Raise the error that the workers' exit statuses stand for; do nothing where all ended well."""
    if failed is None:
        return
    status = statuses[failed]
    if stop.number or status in (SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS):
        number = stop.number or (signal.SIGINT if status == SIGINT_EXIT_STATUS else signal.SIGTERM)
        raise Interrupted("the workers have stopped.", exit_status=128 + number)
    if statuses[0] == USER_ERROR_EXIT_STATUS and show_first:
        raise AlreadyReported("worker 0 has reported a mistake; the others, too, where all agreed.")
    has_log = failed > 0 or not show_first
    if has_log:
        lines = _log_path(log_directory, failed).read_text(errors="replace").splitlines()
        logger.error("\n".join([f"--- last lines of worker {failed} ---", *lines[-20:], "---"]))
    what = f"signal {-status}" if status < 0 else f"exit status {status}"
    raise TrainingError(
        f"worker {failed} ended with {what}; its output is "
        f"{'in ' + str(_log_path(log_directory, failed)) if has_log else 'above'}. "
        "To continue from the last checkpoint, run the same command again (pretraining: add --resume auto)."
    )


def _signal_all(workers: list[subprocess.Popen[bytes]], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)
