"""The set-up of a fine-tuning run: read and check model and data, write the record of the run folder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from ..datasets.dataset import Dataset, Split
from ..datasets.label_names import names_of_labels
from ..datasets.readers.splits import read_split, split_path, with_labels
from ..download.finding import ModelSource, find_model
from ..errors import ConfigError, DataError
from ..files import check_space, sha256_of_file
from ..model.config_keys import ANSWER_KINDS
from ..model.folder import VOCAB_NAME
from ..model_config import count_parameters
from ..progress import Progress
from ..runs.devices import visible_gpus
from ..runs.folder import (
    BYTES_PER_PARAMETER,
    RUN_NAME,
    check_output,
    discard_run,
    refuse_differences,
    write_record,
)
from ..runs.precision import check_amp
from ..tasks.answer_kinds import uses_kinds
from ..tasks.examples import TaskName
from ..tasks.fine_tuned import load_tokenizer
from ..tasks.model_folder import Description, read_description
from ..tasks.task import Features, Reading, Task
from ..tasks.task_table import task_class
from ..tokenization.wordpiece import WordPieceTokenizer
from ..version import __version__
from ..weights import WEIGHTS_NAME
from .recipe import FineTuneRecipe, chosen_examples, recipe_of
from .results import CONTENTS, RunRecord, differences, read_run, unfinished

EVALUATED = ("dev", "test")
# On the CPU, small micro-batches are the fastest, because the activations of a layer stay in the processor cache.
GPU_MICRO_BATCH_TOKENS = 16_384


@dataclass(frozen=True, kw_only=True)
class FineTuneJob:
    """A fine-tuning job, as the command line describes it.

    Attributes:
        dataset: the data set.
        data: the folder with its files.
        model: a folder or the name of a published model.
        output: the folder of the run.
        seeds: the seeds to train.
        model_name: the name of the model in tables; None for the name of its folder.
        changes: settings of the recipe; None for the default of the task.
        label_names: names for the labels of the data, for the models; see `names_of_labels`.
        num_workers: the number of workers.
        keep_models: False keeps only scores and predictions.
        save_every_minutes: minutes between checkpoints, besides those at evaluations; 0 for none.
        overwrite: discard the run in `output`.
        dry_run: only check and describe the job.
    """

    dataset: Dataset
    data: Path
    model: str
    output: Path
    seeds: Sequence[int]
    model_name: str | None = None
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    label_names: Mapping[str, str] | Sequence[str] | None = None
    num_workers: int = 1
    keep_models: bool = True
    save_every_minutes: float = 10.0
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """The model, the data and the settings of a run, read and checked.

    Attributes:
        dataset: the data set, with its labels.
        label_names: the names of the labels in the models; the labels themselves, if no names are given.
        task: the task.
        model: the model to start from.
        description: the description of the model.
        tokenizer: the tokenizer of the model.
        recipe: the settings.
        record: the record of the run.
        train: the rows and labels of the training split.
        evaluation: the other splits and their rows, by name.
        example: the first row and its label as text.
    """

    dataset: Dataset
    label_names: tuple[str, ...]
    task: Task
    model: ModelSource
    description: Description
    tokenizer: WordPieceTokenizer
    recipe: FineTuneRecipe
    record: RunRecord
    train: Features
    evaluation: Mapping[str, tuple[Split, Features]]
    example: str


def check_folder(job: FineTuneJob, record: RunRecord) -> bool:
    """Return True if the output folder already holds this run.

    Raises:
        ConfigError: the folder holds other files, or the disk has too little space.
        CheckpointError: the folder holds another run.
    """
    check_output(job.output)
    if seeds := unfinished(job.output, job.seeds):
        # two checkpoints (while a new one is written), the network of the best one, and the models that are kept
        num_networks = 1 + (len(seeds) if job.keep_models else 0)
        check_space(
            job.output,
            num_bytes=record.model["num_parameters"] * (2 * BYTES_PER_PARAMETER + 4 * num_networks),
            what="the run, with its checkpoints and models,",
            remedy="free some disk space, choose another --output, or keep no models (--keep-models none)",
            error=ConfigError,
        )
    if job.overwrite or not (job.output / RUN_NAME).exists():
        return False
    found = differences(read_run(job.output), record)
    refuse_differences(job.output, found, remedy="Choose another --output, or discard that run with --overwrite.")
    return True


def set_up(job: FineTuneJob, record: RunRecord) -> None:
    """Write the record of the run, unless the folder already holds this run."""
    if check_folder(job, record):
        return
    discard_run(job.output, contents=CONTENTS)
    write_record(job.output, dataclasses.asdict(record))


def prepare(job: FineTuneJob, *, progress: Callable[[Progress], None] | None = None) -> PreparedRun:
    """Read and check the model and the data, and convert the data to rows.

    Nothing is written.

    Raises:
        ConfigError: a setting is wrong.
        DataError: a file of the data set is missing or wrong.
        CheckpointError: the model cannot be used.
    """
    model = find_model(job.model, name=job.model_name, progress=progress)
    description = read_description(model.folder)
    tokenizer = load_tokenizer(model.folder, description.config)
    on_gpu = {"micro_batch_tokens": GPU_MICRO_BATCH_TOKENS} if visible_gpus() else {}
    positions = description.config.max_position_embeddings
    shortened = {"max_seq_length": min(job.dataset.max_seq_length, positions)}  # unless the job sets a length
    changes = {name: value for name, value in job.changes.items() if value is not None}
    recipe = recipe_of(job.dataset, model=model.title, **{**on_gpu, **shortened, **changes})
    if recipe.max_seq_length > positions:
        raise ConfigError(
            f"--max-seq-length must be at most {positions}, the number of positions of {model.folder}, but is "
            f"{recipe.max_seq_length}."
        )
    check_amp(recipe.amp, on_gpu=bool(visible_gpus()))
    train = read_split(job.dataset, data=job.data, split="train")
    if not train.has_labels:
        raise DataError(f"{train.path}: the training split must have labels, but has none.")
    dataset = with_labels(job.dataset, train)
    names = dataset.labels
    if job.label_names is not None:
        names = names_of_labels(dataset.labels, job.label_names, is_ordered=bool(job.dataset.labels))
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
        raise DataError(f"{train.path}: no example can be used for training; counts: {features.counts}.")
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
        recipe={
            **recipe.plain(),
            "labels": list(dataset.labels),
            **({} if names == dataset.labels else {"label_names": list(names)}),
            **({"drop_labels": sorted(dataset.drop_labels)} if dataset.drop_labels else {}),
            "kinds_of_answers": with_kinds,
        },
        learning_rate=recipe.learning_rate,
        version=__version__,
    )
    first = features.rows[0]
    example = " ".join(tokenizer.vocab.tokens[number] for number in first.input_ids[:40]) + (
        " …" if len(first) > 40 else ""
    )
    return PreparedRun(
        dataset=dataset,
        label_names=names,
        task=task,
        model=model,
        description=description,
        tokenizer=tokenizer,
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
