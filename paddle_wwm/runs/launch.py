"""Start N fleet workers on this machine: one command, once per worker, with the environment that fleet reads.

What `python -m paddle.distributed.launch` does, with three differences that a person at a terminal needs: worker 0
keeps the terminal (its progress bar stays a bar), a worker that dies ends the others at once and its last lines are
shown, and nothing of the environment is written into a log folder.
"""

from __future__ import annotations

import logging
import os
import site
import socket
import sys
import sysconfig
from pathlib import Path
from typing import Callable, Sequence

from ..errors import (
    SIGINT_EXIT_STATUS,
    SIGTERM_EXIT_STATUS,
    USER_ERROR_EXIT_STATUS,
    AlreadyReported,
    Interrupted,
    TrainingError,
)
from .checkpoints import TO_CONTINUE
from .fleet import LAUNCHER_VARIABLE
from .processes import Command, describe_status, last_lines, run_processes, thread_variables

logger = logging.getLogger(__name__)

GRACE_S = 60.0  # to finish the step and save, after a signal
FAILED_GRACE_S = 5.0  # for the other workers, after one has failed
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
            environment |= thread_variables(count)  # one thread per core: the workers are the parallelism
        environments.append({**os.environ, **_python_path(), **environment})
    return environments


def launch_workers(
    command: Sequence[str],
    *,
    count: int,
    log_directory: Path,
    gpus: Sequence[str] = (),
    show_first: bool = True,
    on_poll: Callable[[], None] | None = None,
) -> None:
    """Run `command` in `count` workers until all have ended well.

    Args:
        command: the program and its arguments, the same for every worker.
        count: how many workers.
        log_directory: where the output of the workers goes, worker-N.log.
        gpus: the devices to use; none means the CPU.
        show_first: whether worker 0 keeps the terminal; otherwise its output goes into a log, too.
        on_poll: called several times per second while the workers run.

    Raises:
        Interrupted: a signal came; the workers have saved and ended.
        AlreadyReported: a mistake of the user's, which worker 0 has printed on the terminal.
        TrainingError: a worker failed. The last lines of its log are logged.
    """
    logs = [log_directory / f"worker-{rank}.log" for rank in range(count)]
    commands = [
        Command(line=tuple(command), environment=environment, log=None if rank == 0 and show_first else logs[rank])
        for rank, environment in enumerate(worker_environments(count, gpus=gpus))
    ]
    log_directory.mkdir(parents=True, exist_ok=True)
    ended = run_processes(
        commands,
        num_at_a_time=count,
        grace_s=GRACE_S,
        failed_grace_s=FAILED_GRACE_S,
        agreed_status=USER_ERROR_EXIT_STATUS,  # the mistake of the user's that worker 0 reports
        on_poll=(lambda _: on_poll()) if on_poll else None,
    )
    if ended.failed is None:
        return
    status = ended.statuses[ended.failed]
    assert status is not None  # the status of one that has failed
    if ended.stop or status in (SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS):
        raise Interrupted("the workers have stopped.", exit_status=128 + ended.stop if ended.stop else status)
    if ended.statuses[0] == USER_ERROR_EXIT_STATUS and show_first:
        raise AlreadyReported("worker 0 has reported a mistake; the others, too, where all agreed.")
    log = commands[ended.failed].log
    if log is not None:
        logger.error(last_lines(log, of=f"worker {ended.failed}"))
    raise TrainingError(
        f"worker {ended.failed} ended with {describe_status(status)}; its output is "
        f"{f'in {log}' if log is not None else 'above'}. {TO_CONTINUE}"
    )
