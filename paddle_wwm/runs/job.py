"""Run a training job: one process sets up the folder, then this process or several workers train."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Callable, Sequence

from ..errors import TrainingError
from ..files import disk_errors_as
from . import fleet
from .checkpoints import TO_CONTINUE
from .devices import visible_gpus
from .folder import LOGS_NAME, locked_output
from .launch import launch_workers
from .log import LogFollower
from .native_output import redirect_native_output

logger = logging.getLogger(__name__)


def run_in_folder(
    output: Path,
    *,
    num_workers: int,
    set_up: Callable[[int], bool],
    train: Callable[[fleet.World], None],
    worker_command: Sequence[str],
    on_terminal: bool,
    follower: LogFollower,
) -> bool:
    """Set up the folder of a run and train, holding the lock of the folder.

    Args:
        output: the folder of the run.
        num_workers: 1 trains in this process; a larger number starts that many workers. It is ignored in a process
            that is already a worker.
        set_up: called in one process before training, with the number of workers. It returns False if nothing is left
            to train.
        train: called in every process that trains.
        worker_command: the command line that starts a worker.
        on_terminal: True if worker 0 prints to the terminal of this program; otherwise `follower` reports its steps.
        follower: reports the steps of the workers.

    Returns:
        False in a worker process, True in the process that the user started.
    """
    remedy = f"Free some disk space, or fix the permissions. {TO_CONTINUE}"
    full_disk = disk_errors_as(TrainingError, folder=output, remedy=remedy)
    if fleet.is_worker():
        redirect_native_output()
        world = fleet.init()
        sets_up = world.is_main and not fleet.is_set_up()
        with full_disk, locked_output(output) if sets_up else contextlib.nullcontext():
            if sets_up:
                set_up(world.size)
            if not fleet.is_set_up():
                fleet.barrier(world)  # the others wait for the set-up
            train(world)
        return False
    with full_disk, locked_output(output):
        if set_up(num_workers):
            if num_workers == 1:
                train(fleet.World())
            else:
                gpus = visible_gpus()
                logger.info("starting %d workers on %s …", num_workers, "GPUs" if gpus else "the CPU")
                launch_workers(
                    worker_command,
                    count=num_workers,
                    log_directory=output / LOGS_NAME,
                    gpus=gpus[:num_workers],
                    show_first=on_terminal,
                    on_poll=None if on_terminal else follower,
                )
    return True
