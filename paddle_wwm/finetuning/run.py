"""Fine-tuning as one call."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ..datasets.dataset import Dataset
from ..datasets.table import find_dataset
from ..errors import ConfigError
from ..progress import Progress
from .job import run_job
from .result import FineTuneResult
from .set_up import FineTuneJob


def finetune(
    model: str | Path,
    *,
    task: str | Dataset,
    output: str | Path,
    data: str | Path | None = None,
    seeds: int = 1,
    first_seed: int = 1,
    model_name: str | None = None,
    max_seq_length: int | None = None,
    batch_size: int | None = None,
    num_epochs: int | None = None,
    learning_rate: float | None = None,
    warmup_ratio: float | None = None,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    layer_decay: float | None = None,
    limit_train: int | None = None,
    evaluate_every_steps: int | None = None,
    patience: int | None = None,
    micro_batch_size: int | None = None,
    micro_batch_tokens: int | None = None,
    doc_stride: int | None = None,
    max_question_len: int | None = None,
    max_answer_len: int | None = None,
    num_workers: int = 1,
    keep_models: bool = True,
    save_every_minutes: float = 10.0,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> FineTuneResult:
    """Fine-tune a model on a task, over several seeds, and score it.

    The same call again continues a run that was stopped; seeds that are done stay unchanged.

    Args:
        model: a folder (a model, a pretraining run, a hub module with weights) or a published model's name.
        task: a name of the table of data sets (`"chnsenticorp"`), or a Dataset of your own files, made by
            `paddle_wwm.datasets.own_files.dataset_of_flags(kind="classification", files={"train": "train.tsv"})`.
        output: the run's folder.
        data: the folder with the task's files; needed for a task of the table.
        seeds: how many seeds are trained: `first_seed`, `first_seed` + 1, …
        first_seed: the first seed.
        model_name: what tables call the model; None: its folder's name.
        max_seq_length: tokens of an example; None: the task's.
        batch_size: examples per step; None: the task's.
        num_epochs: how often every example is seen; None: the task's.
        learning_rate: the highest one, after warmup; None: the authors' for this task and model.
        warmup_ratio: of all steps, 0 to 1; None: 0.1.
        weight_decay: not applied to biases and LayerNorms; None: 0.01.
        clip_norm: the largest norm of the whole gradient; None: 1.0.
        layer_decay: each layer's learning rate is this times that of the layer above; None: 1.
        limit_train: use only so many training examples, the same for all seeds; None: all.
        evaluate_every_steps: how often dev is scored; None: after every epoch.
        patience: evaluations without a better one after which a seed stops; None: never.
        micro_batch_size: rows computed at once at most; the gradient is that of the whole batch. None: by tokens.
        micro_batch_tokens: tokens computed at once at most, padding counted; None: 1,024 on the CPU.
        doc_stride: pieces that the windows of a passage share; None: 128.
        max_question_len: pieces of a question that are read; None: 64.
        max_answer_len: pieces of an answer at most; None: 64.
        num_workers: 1 trains in this process, more start that many fleet processes that share every batch.
        keep_models: False keeps scores and predictions only.
        save_every_minutes: how often a checkpoint is written between evaluations, in minutes; 0: never.
        overwrite: discard the run that `output` holds.
        progress: called with the steps that are done of each seed.

    Returns:
        The scores over the seeds, each seed's result, and the best model's folder.

    Raises:
        ConfigError: the arguments do not go together, or `output` is taken.
        DataError: a file of the task is missing or wrong.
        CheckpointError: the model cannot be used, or `output` holds a run with other numbers.
        TrainingError: a gradient was not finite, or a worker failed.
        Interrupted: SIGTERM or Ctrl-C came; the seed's state was saved.

    Source:
        Hyperparameters by task: the tables of the Chinese-BERT-wwm series.

    Example:
        >>> from paddle_wwm import finetune
        >>> from paddle_wwm.datasets.own_files import dataset_of_flags
        >>> task = dataset_of_flags(kind="classification", files={"train": "train.tsv", "dev": "dev.tsv"})
        >>> result = finetune("model", task=task, output="runs/mine", num_epochs=1, max_seq_length=32)
        >>> result.scores["dev"]["accuracy"].num_seeds
        1
    """
    if isinstance(task, str):
        if data is None:
            raise ConfigError(f"`data` must name the folder with the files of {task!r}, but is None.")
        dataset = find_dataset(task)
    else:
        dataset = task
    for name, value in (("seeds", seeds), ("num_workers", num_workers)):
        if value < 1:
            raise ConfigError(f"`{name}` must be at least 1, but is {value}.")
    job = FineTuneJob(
        dataset=dataset,
        data=Path() if data is None else Path(data),
        model=str(model),
        model_name=model_name,
        output=Path(output),
        seeds=range(first_seed, first_seed + seeds),
        changes={
            "max_seq_length": max_seq_length,
            "batch_size": batch_size,
            "num_epochs": num_epochs,
            "learning_rate": learning_rate,
            "warmup_ratio": warmup_ratio,
            "weight_decay": weight_decay,
            "clip_norm": clip_norm,
            "layer_decay": layer_decay,
            "limit_train": limit_train,
            "evaluate_every_steps": evaluate_every_steps,
            "patience": patience,
            "micro_batch_size": micro_batch_size,
            "micro_batch_tokens": micro_batch_tokens,
            "doc_stride": doc_stride,
            "max_question_len": max_question_len,
            "max_answer_len": max_answer_len,
        },
        num_workers=num_workers,
        keep_models=keep_models,
        save_every_minutes=save_every_minutes,
        overwrite=overwrite,
        dry_run=False,
    )
    result = run_job(job, progress=progress)
    assert result is not None  # neither a dry run nor a worker
    return result
