"""Fine-tuning from files to a row of the table: check everything, bind the run's folder to data and recipe, train the
seeds, say what came out.

task, data ─► examples ─► rows ─┐
model folder ───────────────────┼─► seed 1 … n ─► best checkpoint by dev ─► predictions, scores ─► max (mean)
recipe ─────────────────────────┘   (seed, trainer, state)                  (network, metrics)
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Callable

from ..download.finding import ModelSource, find_model
from ..errors import ConfigError, DataError
from ..files import sha256_of_file
from ..model.finetuned import read_description
from ..model.folder import VOCAB_NAME
from ..model.networks import ANSWER_KINDS
from ..progress import Progress
from ..runs.devices import visible_gpus
from ..runs.job import run_in_folder
from ..runs.log import LogFollower
from ..tasks.answer_kinds import uses_kinds
from ..tasks.dataset import Split
from ..tasks.examples import TaskName
from ..tasks.fine_tuned import load_tokenizer
from ..tasks.readers.splits import read_split, split_path, with_labels
from ..tasks.task import Features, Reading
from ..tasks.task_table import task_class
from ..version import __version__
from ..weights.names import WEIGHTS_NAME
from .recipe import chosen_examples, recipe_of
from .result import FineTuneResult, read_result
from .results import LOG_NAME, RunRecord, seed_folder, unfinished
from .set_up import FineTuneJob, PreparedRun, check_folder, set_up
from .summary import describe_run, write_summary
from .workers import worker_command

if TYPE_CHECKING:
    from ..runs.fleet import World

logger = logging.getLogger(__name__)

EVALUATED = ("dev", "test")
GPU_MICRO_BATCH_TOKENS = (
    16_384  # on the CPU small ones are the fastest: what a layer makes of them stays in the processor's cache
)


def run_job(
    job: FineTuneJob, *, progress: Callable[[Progress], None] | None = None, on_terminal: bool = False
) -> FineTuneResult | None:
    """Run a job to its end.

    Args:
        job: which task, model and seeds, and where to.
        progress: called with the steps that are done of each seed.
        on_terminal: whether the first of several workers prints on this program's terminal, as a command's does.
            Otherwise its output goes into the run's logs, and `progress` follows it.

    Returns:
        What the run reached; None for a dry run, and in a worker process.

    Raises:
        PaddleWWMError: the job cannot be run as asked; the message says why and what to do.
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
    """Train every seed that is not done, then write the summary."""
    from ..cpu import use_fast_matmul
    from ..runs.lifetime import StopSignal
    from .checkpoint import checkpoints_of
    from .seed import EvaluationData, FineTuneRun, run_seed
    from .trainer import TrainingData

    use_fast_matmul()
    tokenizer = load_tokenizer(prepared.model.folder, read_description(prepared.model.folder).config)
    run = FineTuneRun(
        dataset=prepared.dataset,
        output=job.output,
        recipe=prepared.recipe,
        training=TrainingData(
            features=prepared.train,
            task=prepared.task,
            tokenizer=tokenizer,
            model=prepared.model.folder,
            description=read_description(prepared.model.folder),
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
        if world.is_main:  # a kill may have come between a seed's result and the end of its checkpoint
            checkpoints_of(seed_folder(job.output, seed)).delete()
    with StopSignal() as stop:
        for seed in unfinished(job.output, job.seeds):
            title = f"seed {seed} ({list(job.seeds).index(seed) + 1}/{len(job.seeds)})"
            run_seed(run, seed=seed, stop=stop, title=title)
            if stop.number and seed != job.seeds[-1]:
                raise stop.interrupted(f"seed {seed} is done; run the same command again for the others.")
    if world.is_main:
        logger.info(write_summary(job.output))


# ---- Before training
# ----------------------------------------------------------------------------------------------------------------------


def prepare(job: FineTuneJob, *, progress: Callable[[Progress], None] | None = None) -> PreparedRun:
    """Read and check model and data, and make rows of them. Nothing is written. Raises the errors of each."""
    model = find_model(job.model, name=job.model_name, progress=progress)
    description = read_description(model.folder)
    tokenizer = load_tokenizer(model.folder, description.config)
    on_gpu = {"micro_batch_tokens": GPU_MICRO_BATCH_TOKENS} if visible_gpus() else {}
    positions = description.config.max_position_embeddings
    shortened = {"max_seq_length": min(job.dataset.max_seq_length, positions)}  # unless a length is asked for
    changes = {name: value for name, value in job.changes.items() if value is not None}
    recipe = recipe_of(job.dataset, model=model.title, **{**on_gpu, **shortened, **changes})
    if recipe.max_seq_length > positions:
        raise ConfigError(
            f"--max-seq-length must be at most the {positions} positions of {model.folder}, but is "
            f"{recipe.max_seq_length}."
        )
    train = read_split(job.dataset, data=job.data, split="train")
    if not train.has_labels:
        raise DataError(f"{train.path}: has no labels, so it cannot be trained on.")
    dataset = with_labels(job.dataset, train)
    splits = {
        name: read_split(dataset, data=job.data, split=name)
        for name in EVALUATED
        if split_path(dataset, data=job.data, split=name)
    }
    chosen = [train.examples[number] for number in chosen_examples(len(train.examples), limit=recipe.limit_train)]
    with_kinds = dataset.task is TaskName.QUESTION_ANSWERING and uses_kinds(chosen)
    task = task_class(dataset.task)(labels=ANSWER_KINDS if with_kinds else dataset.labels)
    reading = Reading(
        max_seq_length=recipe.max_seq_length,
        doc_stride=recipe.doc_stride,
        max_question_len=recipe.max_question_len,
    )
    features = task.encode(chosen, tokenizer=tokenizer, reading=reading, with_labels=True)
    if not features.rows:
        raise DataError(f"{train.path}: has nothing to train on; {features.counts}.")
    evaluation = {
        name: (split, task.encode(split.examples, tokenizer=tokenizer, reading=reading))
        for name, split in splits.items()
    }
    data = {"train": _data_record(train, features, num_examples=len(chosen))}
    data |= {name: _data_record(split, found) for name, (split, found) in evaluation.items()}
    record = RunRecord(
        task=dataset.name,
        title=dataset.title,
        metric=dataset.metric,
        model=_model_record(model, num_labels=len(dataset.labels)),
        data=data,
        recipe={**recipe.plain(), "labels": list(dataset.labels), "kinds_of_answers": with_kinds},
        learning_rate=recipe.learning_rate,
        version=__version__,
    )
    first = features.rows[0]
    example = " ".join(tokenizer.vocab.tokens[number] for number in first.input_ids[:40]) + (
        " …" if len(first) > 40 else ""
    )
    return PreparedRun(
        dataset=dataset,
        task=task,
        model=model,
        recipe=recipe,
        record=record,
        train=features,
        evaluation=evaluation,
        example=f"{example}  label {features.labels[0].tolist() if features.labels[0].size < 4 else '…'}",
    )


def _data_record(split: Split, features: Features, *, num_examples: int | None = None) -> dict[str, Any]:
    number = len(split.examples) if num_examples is None else num_examples
    counts = {**split.counts, **features.counts, "rows": len(features.rows)}
    return {
        "path": split.path,
        "sha256": split.sha256,
        "num_examples": number,
        "has_labels": split.has_labels,
        "counts": counts,
    }


def _model_record(model: ModelSource, *, num_labels: int) -> dict[str, Any]:
    from ..variants import count_parameters

    config = read_description(model.folder).config
    return {
        "name": model.name,
        "path": str(model.folder),
        "sha256": sha256_of_file(model.folder / WEIGHTS_NAME),
        "vocab_sha256": sha256_of_file(model.folder / VOCAB_NAME),
        "num_parameters": count_parameters(config, num_labels=num_labels or 2),
        "num_encoder_parameters": count_parameters(config),
        "config": dataclasses.asdict(config),
    }
