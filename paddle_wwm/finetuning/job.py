"""Fine-tuning from files to a row of the table: check everything, bind the run's folder to data and recipe, train the
seeds, say what came out.

task, data ─► examples ─► rows ─┐
model folder ───────────────────┼─► seed 1 … n ─► best checkpoint by dev ─► predictions, scores ─► max (mean)
recipe ─────────────────────────┘   (seed, trainer, state)                  (network, metrics)
"""

from __future__ import annotations

import dataclasses
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from filelock import FileLock, Timeout

from ..config import count_parameters
from ..download.finding import ModelSource, find_model
from ..errors import ConfigError, DataError
from ..files import sha256_of_file
from ..model.folder import VOCAB_NAME
from ..model.networks import ANSWER_KINDS
from ..progress import Progress
from ..runs.devices import visible_gpus
from ..tasks.answer_kinds import uses_kinds
from ..tasks.dataset import Dataset, Split
from ..tasks.examples import TaskName
from ..tasks.fine_tuned import load_tokenizer
from ..tasks.model_folder import read_description
from ..tasks.readers.splits import read_split, split_path, with_labels
from ..tasks.task import Features, Reading, Task
from ..tasks.task_table import task_class
from ..version import __version__
from ..weights.names import WEIGHTS_NAME
from .folder import LOCK_NAME, check_output, set_up, unfinished, write_summary
from .recipe import FineTuneRecipe, chosen_examples, recipe_of
from .result import FineTuneResult, read_result
from .results import RunRecord, seed_folder
from .summary import describe_run
from .workers import SET_UP_VARIABLE, launch

if TYPE_CHECKING:
    from ..runs.fleet import World

logger = logging.getLogger(__name__)

EVALUATED = ("dev", "test")
GPU_MICRO_BATCH_TOKENS = (
    16_384  # on the CPU small ones are the fastest: what a layer makes of them stays in the processor's cache
)


@dataclass(frozen=True, kw_only=True)
class FineTuneJob:
    """What the command line asks for. model: a folder or a name; model_name: for tables. changes: numbers of the
    recipe, None for the task's own.

    save_every_minutes: beside each evaluation; 0: not. keep_models: False leaves scores and predictions only.
    """

    dataset: Dataset
    data: Path
    model: str
    output: Path
    seeds: Sequence[int]
    model_name: str | None = None
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    num_workers: int = 1
    keep_models: bool = True
    save_every_minutes: float = 10.0
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """All that is read before training."""

    dataset: Dataset
    task: Task
    model: ModelSource
    recipe: FineTuneRecipe
    record: RunRecord
    train: Features
    evaluation: Mapping[str, tuple[Split, Features]]
    example: str


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
    from ..runs import fleet

    if fleet.is_worker():
        _train_as_worker(job, progress=progress)
        return None
    prepared = prepare(job, progress=progress)
    logger.info(describe_run(prepared, num_workers=job.num_workers, seeds=job.seeds))
    if job.dry_run:
        check_output(job.output, prepared.record, overwrite=job.overwrite)
        return None
    job.output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(job.output / LOCK_NAME, timeout=0):
            set_up(job.output, prepared.record, overwrite=job.overwrite)
            if unfinished(job.output, job.seeds):
                if job.num_workers == 1:
                    train_seeds(job, prepared, world=fleet.World(), progress=progress)
                else:
                    launch(job, progress=progress, on_terminal=on_terminal)
            logger.info(write_summary(job.output))
    except Timeout:
        raise ConfigError(
            f"{job.output}: another process is working there; wait for it, or name another --output."
        ) from None
    return read_result(job.output)


def _train_as_worker(job: FineTuneJob, *, progress: Callable[[Progress], None] | None) -> None:
    from ..runs import fleet

    world = fleet.init()
    prepared = prepare(job)
    if SET_UP_VARIABLE not in os.environ:  # started by paddle.distributed.launch
        if world.is_main:
            logger.info(describe_run(prepared, num_workers=world.size, seeds=job.seeds))
            job.output.mkdir(parents=True, exist_ok=True)
            set_up(job.output, prepared.record, overwrite=job.overwrite)
        fleet.barrier(world)
    train_seeds(job, prepared, world=world, progress=progress)
    if SET_UP_VARIABLE not in os.environ and world.is_main:
        logger.info(write_summary(job.output))


def train_seeds(
    job: FineTuneJob, prepared: PreparedRun, *, world: World, progress: Callable[[Progress], None] | None = None
) -> None:
    """Train every seed that is not done."""
    from ..cpu import use_fast_matmul
    from ..runs.lifetime import StopSignal
    from .seed import EvaluationData, FineTuneRun, run_seed
    from .state import delete_checkpoints
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
            delete_checkpoints(seed_folder(job.output, seed))
    with StopSignal() as stop:
        for seed in unfinished(job.output, job.seeds):
            title = f"seed {seed} ({list(job.seeds).index(seed) + 1}/{len(job.seeds)})"
            run_seed(run, seed=seed, stop=stop, title=title)
            if stop.number and seed != job.seeds[-1]:
                raise stop.interrupted(f"seed {seed} is done; run the same command again for the others.")


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
