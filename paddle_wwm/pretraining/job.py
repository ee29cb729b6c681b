"""A pretraining run from files to files: set the run's folder up, start the workers, train, say what came out."""

from __future__ import annotations

import logging
import os
from typing import Callable

from ..errors import CheckpointError
from ..progress import Progress
from ..runs.devices import visible_gpus
from ..runs.launch import launch_workers, package_command
from ..shards.reader import ShardSet
from .metrics_log import METRICS_NAME, read_metrics
from .result import PretrainResult, read_result, summary
from .run_folder import RECIPE_NAME, joint_fingerprint, read_run
from .set_up import Job, describe, set_up, with_model

logger = logging.getLogger(__name__)

SET_UP_VARIABLE = "PADDLE_WWM_RUN_IS_SET_UP"  # tells workers that their launcher has done the work before training
ShowProgress = Callable[[Progress], None]


def run_job(job: Job, *, progress: ShowProgress | None = None, on_terminal: bool = False) -> PretrainResult | None:
    """Run a job to its end.

    Args:
        job: what to train, on what, and where to.
        progress: called with what is done of each stage.
        on_terminal: whether the first of several workers prints on this program's terminal, as a command's does.
            Otherwise its output goes into the run's logs, and `progress` follows it.

    Returns:
        What the run reached; None for a dry run, and in a worker process.

    Raises:
        PaddleWWMError: the job cannot be run as asked; the message says why and what to do.
    """
    from ..runs import fleet

    if job.dry_run:
        logger.info(describe(job))
        return None
    if fleet.is_worker():
        if SET_UP_VARIABLE not in os.environ:  # started by paddle.distributed.launch
            world = fleet.init()
            if world.is_main:  # the others wait
                set_up(job, num_workers=world.size, progress=progress)
            fleet.barrier(world)
        _train(job, progress=progress)
        return None
    if set_up(job, num_workers=job.num_workers, progress=progress):
        logger.info("%s: this run is complete already.", job.output)
        logger.info(summary(read_result(job.output, config=job.config)))
    elif job.num_workers == 1:
        _train(job, progress=progress)
    else:
        _launch(job, progress=progress, on_terminal=on_terminal)
    return read_result(job.output, config=job.config)


def worker_command(job: Job) -> list[str]:
    """Return the command that trains a set-up run as one of its workers."""
    flags: list[object] = ["--config", job.output / RECIPE_NAME, "--output", job.output, "--nproc", job.num_workers]
    if job.init is not None:
        flags += ["--init", job.init]
    if job.init_layers is not None:
        flags += ["--init-layers", job.init_layers]
    return package_command("pretrain", *flags)


def _launch(job: Job, *, progress: ShowProgress | None, on_terminal: bool) -> None:
    gpus = visible_gpus()
    logger.info("starting %d workers on %s …", job.num_workers, "GPUs" if gpus else "the CPU")
    launch_workers(
        worker_command(job),
        count=job.num_workers,
        log_directory=job.output / "logs",
        gpus=gpus[: job.num_workers],
        variables={SET_UP_VARIABLE: "1"},
        show_first=on_terminal,
        on_poll=_Follower(job, progress) if progress and not on_terminal else None,
    )


class _Follower:
    """Reports the steps that the workers have logged."""

    def __init__(self, job: Job, progress: ShowProgress) -> None:
        self.job, self.progress, self.size = job, progress, 0

    def __call__(self) -> None:
        path = self.job.output / METRICS_NAME
        size = path.stat().st_size if path.exists() else 0
        if size == self.size:
            return
        self.size = size
        steps = [int(record["step"]) for record in read_metrics(self.job.output)]
        if steps:
            self.progress(Progress(stage="train", done=max(steps), total=self.job.config.num_steps, unit=" steps"))


def _train(job: Job, *, progress: ShowProgress | None) -> None:
    from ..runs import fleet
    from .data import open_run_data
    from .loop import train

    world = fleet.init()
    record = read_run(job.output)
    if record is None:
        raise CheckpointError(f"{job.output}: the run is not set up here; the folder must be shared by all hosts.")
    corpora = tuple(ShardSet(job.output / path) for path in record["shards"])
    if joint_fingerprint(corpora) != record["shard_fingerprint"]:
        raise CheckpointError(f"{job.output}: the shards are not those that the run was set up with.")
    config = with_model(job, vocab_size=corpora[0].manifest.vocab_size)
    data = open_run_data(
        config, output=job.output, corpora=corpora, record=record, init=job.init, init_layers=job.init_layers
    )
    train(config, data=data, output=job.output, world=world, progress=progress)
