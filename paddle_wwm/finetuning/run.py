"""Fine-tuning in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping, Sequence

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
    label_names: Mapping[str, str] | Sequence[str] | None = None,
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
    precision: str | None = None,
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

    To continue a run that was stopped, make the same call again. Finished seeds stay unchanged.

    Args:
        model: a folder (a model, a pretraining run, a hub module with weights) or the name of a published model.
        task: the name of a known data set (`"chnsenticorp"`), or a Dataset of your own files, made by
            `paddle_wwm.datasets.own_files.dataset_of_flags(kind="classification", files={"train": "train.tsv"})`.
        output: the folder of the run.
        data: the folder with the files of the data set; needed if `task` is a name.
        seeds: the number of seeds: `first_seed`, `first_seed` + 1, …
        first_seed: the first seed.
        model_name: the name of the model in tables; None for the name of its folder.
        label_names: words for the labels of the data, so that the model predicts words: a map such as
            `{"0": "bad", "1": "good"}`, or a list in the order of the labels. None: the labels of the data.
        max_seq_length: tokens per example, at most; None for the default of the task.
        batch_size: examples per step; None for the default of the task.
        num_epochs: the number of epochs; None for the default of the task.
        learning_rate: the highest learning rate, after warmup; None for the value that the authors published for this
            task and model.
        warmup_ratio: the share of all steps that is warmup, 0 to 1; None for 0.1.
        weight_decay: the weight decay; biases and LayerNorms have none. None for 0.01.
        clip_norm: the largest norm of the whole gradient; None for 1.0.
        layer_decay: the learning rate of a layer divided by that of the layer above; None for 1.
        limit_train: the number of training examples to use, the same for all seeds; None for all.
        evaluate_every_steps: steps between evaluations on dev; None for one evaluation after every epoch.
        patience: a seed stops after this many evaluations without a better score; None to never stop early.
        micro_batch_size: rows per micro-batch, at most; the gradient is that of the whole batch. None for no limit
            besides `micro_batch_tokens`.
        micro_batch_tokens: tokens per micro-batch with padding, at most; None for 1,024 on the CPU.
        precision: "bf16" computes matrix products of bfloat16 numbers, on processors with AMX or AVX512_BF16; None for
            "fp32".
        doc_stride: pieces that two windows of a passage share; None for 128.
        max_question_len: pieces per question, at most; None for 64.
        max_answer_len: pieces per answer, at most; None for 64.
        num_workers: 1 trains in this process; a larger number starts that many fleet processes that share every batch.
        keep_models: False keeps only scores and predictions.
        save_every_minutes: minutes between checkpoints, besides those at evaluations; 0 for none.
        overwrite: discard the run in `output`.
        progress: called with the progress of each seed.

    Returns:
        The scores over the seeds, the result of each seed, and the folder of the best model.

    Raises:
        ConfigError: an argument is wrong, or `output` holds other files.
        DataError: a file of the data set is missing or wrong.
        CheckpointError: the model cannot be used, or `output` holds a run with other settings.
        TrainingError: a loss or a gradient was not finite, or a worker failed.
        Interrupted: SIGTERM or Ctrl-C came; the state of the seed was saved.

    Source:
        The default settings of each task are those that the authors of Chinese-BERT-wwm published.

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
            raise ConfigError(f"`data` must be the folder with the files of {task!r}, but is None.")
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
        label_names=label_names,
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
            "precision": precision,
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
