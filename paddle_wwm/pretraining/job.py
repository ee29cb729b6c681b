"""A pretraining job: set up the run folder, start the workers, train, and report the result."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Callable

from ..errors import CheckpointError
from ..progress import Progress
from ..recipe_file import load_config
from ..runs.folder import read_record
from ..runs.job import run_in_folder
from ..runs.log import LogFollower
from ..runs.processes import package_command
from ..shards.reader import ShardSet
from .job_options import Job
from .result import PretrainResult, read_result, summary
from .run_folder import METRICS_NAME, RECIPE_NAME, joint_fingerprint
from .set_up import describe, set_up

if TYPE_CHECKING:
    from ..runs.fleet import World

logger = logging.getLogger(__name__)

ShowProgress = Callable[[Progress], None]


def run_job(job: Job, *, progress: ShowProgress | None = None, on_terminal: bool = False) -> PretrainResult | None:
    """Run a job to its end.

    Args:
        job: the job.
        progress: called with the progress of each stage.
        on_terminal: True if the first of several workers prints to the terminal, as for a command. Otherwise its
            output goes into the logs of the run, and `progress` gets its steps.

    Returns:
        The result of the run; None for a dry run and in a worker process.

    Raises:
        PaddleWWMError: the job cannot be run; the message gives the reason and the remedy.
    """
    if job.init_name is not None:
        from ..download.finding import find_model

        job = dataclasses.replace(job, init=find_model(job.init_name, progress=progress).folder)
    if job.dry_run:
        logger.info(describe(job))
        return None
    follower = LogFollower({"train": job.output / METRICS_NAME}, total=None, progress=progress)
    is_caller = run_in_folder(
        job.output,
        num_workers=job.num_workers,
        set_up=lambda num_workers: _set_up(job, num_workers=num_workers, progress=progress, follower=follower),
        train=lambda world: _train(job, world=world, progress=progress),
        worker_command=worker_command(job),
        on_terminal=on_terminal,
        follower=follower,
    )
    return read_result(job.output) if is_caller else None


def _set_up(job: Job, *, num_workers: int, progress: ShowProgress | None, follower: LogFollower) -> bool:
    is_left = set_up(job, num_workers=num_workers, progress=progress)
    follower.total = load_config(job.output / RECIPE_NAME).num_steps
    if not is_left:
        logger.info("%s: this run is already complete.", job.output)
        logger.info(summary(read_result(job.output)))
    return is_left


def worker_command(job: Job) -> tuple[str, ...]:
    """Return the command line of a worker for a run that is set up."""
    flags: list[object] = ["--config", job.output / RECIPE_NAME, "--output", job.output, "--nproc", job.num_workers]
    if job.init is not None:
        flags += ["--init", job.init]
    if job.init_layers is not None:
        flags += ["--init-layers", job.init_layers]
    return package_command("pretrain", *flags)


def _train(job: Job, *, world: World, progress: ShowProgress | None) -> None:
    from .data import open_run_data
    from .loop import train

    record = read_record(job.output)
    if record is None:
        raise CheckpointError(f"{job.output}: the run is not set up in this folder. All hosts must share the folder.")
    corpora = tuple(ShardSet(job.output / path) for path in record["shards"])
    if joint_fingerprint(corpora, num_general=record.get("num_general", 0)) != record["shard_fingerprint"]:
        raise CheckpointError(
            f"{job.output}: the shards are not those that the run was set up with. Restore them, or start a new run."
        )
    config = load_config(job.output / RECIPE_NAME)  # the set-up has filled in the sizes of the model and the steps
    data = open_run_data(
        config, output=job.output, corpora=corpora, record=record, init=job.init, init_layers=job.init_layers
    )
    train(config, data=data, output=job.output, world=world, progress=progress)
