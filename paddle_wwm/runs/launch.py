"""Start fleet workers on this machine: the same command for each, with the environment variables that fleet reads.

This does the work of `python -m paddle.distributed.launch`, with three differences for a user at a terminal. Worker 0
prints to the terminal, so its progress bar works. When a worker fails, the others end at once and the last lines of
its log are shown. No environment variables are written into a log folder.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Callable, Sequence

from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, USER_ERROR_EXIT_STATUS, AlreadyReported
from ..progress import end_open_line
from .checkpoints import TO_CONTINUE
from .fleet import LAUNCHER_VARIABLE
from .processes import Command, raise_for, run_processes

GRACE_S = 60.0  # time to finish the step and save after a signal
FAILED_GRACE_S = 5.0  # time for the other workers to end after one has failed
STATUSES_OF_A_CLOSED_BAR = (0, 1, USER_ERROR_EXIT_STATUS, SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS)


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
    """Return the environment variables to add for each worker.

    Args:
        count: the number of workers.
        gpus: the ids of the GPUs, one per worker; empty for the CPU with gloo.
    """
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
        environments.append(environment)
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
    """Run `command` in `count` workers and wait until all have succeeded.

    Args:
        command: the program and its arguments, the same for every worker.
        count: the number of workers.
        log_directory: the folder for the output of the workers, worker-N.log.
        gpus: the ids of the GPUs, one per worker; empty for the CPU.
        show_first: True if worker 0 prints to the terminal, and only C++ libraries write into its log; otherwise all
            its output goes into its log.
        on_poll: called several times per second while the workers run.

    Raises:
        Interrupted: a signal came; the workers have saved and ended.
        AlreadyReported: the user made a mistake, and worker 0 has printed it to the terminal.
        TrainingError: a worker failed. The last lines of its log are logged.
    """
    commands = [
        Command(
            name=f"worker {rank}",
            line=tuple(command),
            log=log_directory / f"worker-{rank}.log",
            on_terminal=rank == 0 and show_first,
            environment=environment,
        )
        for rank, environment in enumerate(worker_environments(count, gpus=gpus))
    ]
    ended = run_processes(
        commands,
        num_at_a_time=count,
        grace_s=GRACE_S,
        failed_grace_s=FAILED_GRACE_S,
        agreed_status=USER_ERROR_EXIT_STATUS,  # a user error is found by every worker and reported by worker 0
        on_poll=(lambda _: on_poll()) if on_poll else None,
    )
    if ended.statuses[0] == USER_ERROR_EXIT_STATUS and show_first and not ended.stop:
        raise AlreadyReported("worker 0 has already reported the error.")
    if show_first and ended.statuses[0] not in STATUSES_OF_A_CLOSED_BAR:
        end_open_line()
    raise_for(ended, commands, remedy=TO_CONTINUE)
