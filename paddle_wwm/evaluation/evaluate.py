"""The public function `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping, Sequence

from ..datasets.dataset import Dataset
from ..datasets.table import find_dataset
from ..errors import ConfigError
from ..progress import Progress
from ..tasks.reading_comprehension import DecodingConfig
from .job import Evaluation, EvaluationJob
from .job import evaluate as evaluate_job


def evaluate(
    model: str | Path | None = None,
    *,
    task: str | Dataset,
    data: str | Path | None = None,
    split: str = "test",
    output: str | Path,
    predictions: str | Path | None = None,
    labels: Mapping[str, str] | Sequence[str] | None = None,
    decoding: DecodingConfig | None = None,
    find_threshold: bool = False,
    max_seq_length: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Evaluation:
    """Score a fine-tuned model or a file of predictions on a split of a task.

    Args:
        model: a fine-tuned model folder, unless `predictions` is given.
        task: a name from the table of data sets (`"chnsenticorp"`), or a Dataset of your own files (see `finetune`).
        data: the folder with the task's files; required for a task from the table.
        split: the split to score: "dev", "test", …
        output: the folder for scores.json and, with a model, the predictions.
        predictions: a file of predictions to score instead of a model.
        labels: the labels of the data, if the model predicts other words: a list in the order of the model's labels,
            or the label of the model for each. With `predictions`: the labels, or the predicted word for each.
        decoding: how answers of reading comprehension are chosen. None: the best span.
        find_threshold: find the best no-answer threshold on this split.
        max_seq_length: the maximum tokens of a row. None: the length that the model was fine-tuned with.
        overwrite: replace the files of an earlier evaluation in `output`.
        progress: called with the number of computed rows.

    Returns:
        The scores in percent (None for a split without labels), the ids without a prediction, and the written files.

    Raises:
        ConfigError: the arguments do not fit together, or `output` already has scores.
        DataError: the split or the predictions are missing or not valid.
        CheckpointError: the model is not fine-tuned for this kind of task.

    Source:
        The metrics are those of the data sets' own scripts, as in the papers of the series.

    Example:
        >>> from paddle_wwm import evaluate
        >>> from paddle_wwm.datasets.own_files import dataset_of_flags
        >>> task = dataset_of_flags(kind="classification", files={"dev": "dev.tsv"})
        >>> evaluation = evaluate("finetuned", task=task, split="dev", output="runs/scores")
        >>> 0 <= evaluation.scores["accuracy"] <= 100
        True
    """
    if isinstance(task, str):
        if data is None:
            raise ConfigError(f"`data` must name the folder with the files of {task!r}, but is None.")
        dataset = find_dataset(task)
    else:
        dataset = task
    job = EvaluationJob(
        dataset=dataset,
        data=Path() if data is None else Path(data),
        split=split,
        output=Path(output),
        model=None if model is None else Path(model),
        predictions=None if predictions is None else Path(predictions),
        labels=labels,
        decoding=DecodingConfig() if decoding is None else decoding,
        find_threshold=find_threshold,
        max_seq_length=max_seq_length,
        overwrite=overwrite,
    )
    return evaluate_job(job, progress=progress)
