"""A fine-tuning job: read and check the data, set up the run folder, train the seeds, and report the scores.

task, data ─► examples ─► rows ─┐
model folder ───────────────────┼─► seed 1 … n ─► best checkpoint by dev ─► predictions, scores ─► max (mean)
recipe ─────────────────────────┘   (seed, trainer, state)                  (network, metrics)
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Callable

from ..datasets.table import DATASETS
from ..progress import Progress
from ..runs.job import run_in_folder
from ..runs.log import LogFollower
from ..runs.processes import package_command
from .result import FineTuneResult, read_result
from .results import LOG_NAME, seed_folder, unfinished
from .set_up import FineTuneJob, PreparedRun, check_folder, prepare, set_up
from .summary import describe_run, write_summary

if TYPE_CHECKING:
    from ..runs.fleet import World

logger = logging.getLogger(__name__)


def run_job(
    job: FineTuneJob, *, progress: Callable[[Progress], None] | None = None, on_terminal: bool = False
) -> FineTuneResult | None:
    """Run a job to its end.

    Args:
        job: the job.
        progress: called with the progress of each seed.
        on_terminal: True if the first of several workers prints to the terminal, as for a command. Otherwise its
            output goes into the logs of the run, and `progress` gets its steps.

    Returns:
        The result of the run; None for a dry run and in a worker process.

    Raises:
        PaddleWWMError: the job cannot be run; the message gives the reason and the remedy.
    """
    prepared = prepare(job, progress=progress)
    if job.dry_run:
        logger.info(describe_run(prepared, num_workers=job.num_workers, seeds=job.seeds))
        check_folder(job, prepared.record)
        return None

    def set_up_run(num_workers: int) -> bool:
        logger.info(describe_run(prepared, num_workers=num_workers, seeds=job.seeds))
        set_up(job, prepared.record)
        is_left = bool(unfinished(job.output, job.seeds))
        if not is_left:
            logger.info(write_summary(job.output))
        return is_left

    logs = {f"seed {seed}": seed_folder(job.output, seed) / LOG_NAME for seed in job.seeds}
    is_caller = run_in_folder(
        job.output,
        num_workers=job.num_workers,
        set_up=set_up_run,
        train=lambda world: train_seeds(job, prepared, world=world, progress=progress),
        worker_command=worker_command(job),
        on_terminal=on_terminal,
        follower=LogFollower(logs, total=None, progress=progress),
    )
    return read_result(job.output) if is_caller else None


def train_seeds(
    job: FineTuneJob, prepared: PreparedRun, *, world: World, progress: Callable[[Progress], None] | None = None
) -> None:
    """Train every unfinished seed, then write the summary."""
    from ..cpu import use_fast_matmul
    from ..runs.lifetime import StopSignal
    from .checkpoint import checkpoints_of
    from .seed import EvaluationData, FineTuneRun, run_seed
    from .trainer import TrainingData

    use_fast_matmul()
    run = FineTuneRun(
        dataset=prepared.dataset,
        label_names=prepared.label_names,
        output=job.output,
        recipe=prepared.recipe,
        training=TrainingData(
            features=prepared.train,
            task=prepared.task,
            tokenizer=prepared.tokenizer,
            model=prepared.model.folder,
            description=prepared.description,
        ),
        evaluation={
            name: EvaluationData(split=split, features=features)
            for name, (split, features) in prepared.evaluation.items()
        },
        keep_models=job.keep_models,
        save_every_minutes=job.save_every_minutes,
        world=world,
        progress=progress,
    )
    for seed in set(job.seeds) - set(unfinished(job.output, job.seeds)):
        if world.is_main:  # the run may have been killed after a seed's result was written and before this deletion
            checkpoints_of(seed_folder(job.output, seed)).delete()
    with StopSignal() as stop:
        for seed in unfinished(job.output, job.seeds):
            title = f"seed {seed} ({list(job.seeds).index(seed) + 1}/{len(job.seeds)})"
            run_seed(run, seed=seed, stop=stop, title=title)
            if stop.number and seed != job.seeds[-1]:
                raise stop.interrupted(f"seed {seed} is finished. To train the other seeds, rerun the same command.")
    if world.is_main:
        logger.info(write_summary(job.output))


def worker_command(job: FineTuneJob) -> tuple[str, ...]:
    """Return the command line of a worker for a run that is set up."""
    assert list(job.seeds) == list(range(job.seeds[0], job.seeds[-1] + 1))
    flags: dict[str, object] = {
        "model": job.model,
        "model-name": job.model_name,
        "output": job.output,
        "seeds": len(job.seeds),
        "first-seed": job.seeds[0],
        "nproc": job.num_workers,
        "keep-models": "best" if job.keep_models else "none",
        "save-every-minutes": job.save_every_minutes,
        "label-names": None if job.label_names is None else json.dumps(job.label_names, ensure_ascii=False),
        **{name.replace("_", "-").replace("num-epochs", "epochs"): value for name, value in job.changes.items()},
    }
    dataset = job.dataset
    in_table = DATASETS.get(dataset.name) == dataclasses.replace(dataset, drop_labels=())
    if in_table:
        flags |= {"task": dataset.name, "data": job.data}
    else:
        flags |= {
            "task-name": dataset.name,
            "kind": dataset.task.value,
            "format": dataset.reader,
            "metric": dataset.metric,
        }
        flags |= {split: paths[0] for split, paths in dataset.files.items()}
    pairs = [str(word) for name, value in flags.items() if value is not None for word in (f"--{name}", value)]
    columns = [word for field, column in dataset.columns.items() for word in ("--column", f"{field}={column}")]
    # one word with "=", because -1 and - look like flags
    labels = [f"--labels={','.join(dataset.labels)}"] if dataset.labels else []
    dropped = [f"--drop-label={label}" for label in dataset.drop_labels]
    return package_command("finetune", *pairs, *dropped, *([] if in_table else [*columns, *labels]))
