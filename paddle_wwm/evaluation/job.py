"""Score a fine-tuned model or a file of predictions on a split.

If the split has no labels, only the predictions are written.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from ..datasets.dataset import Dataset, Split
from ..datasets.metrics.scores import METRICS, Predictions, main_score, score, unanswered, unknown_ids
from ..datasets.prediction_files import read_predictions, write_answers_for_authors, write_predictions
from ..datasets.readers.splits import read_split, with_labels
from ..errors import ConfigError, DataError
from ..files import write_json
from ..model.folder import check_is_ours, model_folder_in
from ..progress import Progress
from ..tasks.answer_kinds import best_no_answer_threshold
from ..tasks.examples import Example, TaskName
from ..tasks.reading_comprehension import DecodingConfig
from .labels import GivenLabels, LabelMatch, given_labels, matched_labels

SCORES_NAME, PREDICTIONS_NAME, ANSWERS_NAME, NBEST_NAME = (
    "scores.json",
    "predictions.jsonl",
    "answers.json",
    "nbest.json",
)


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """The arguments of an evaluation. Give either `model` or `predictions`.

    Attributes:
        dataset, data, split: the data set, the folder with its files, and the split.
        output: the folder for the results.
        model: a fine-tuned model folder, or the folder of a hub module.
        predictions: a file of predictions.
        labels: the labels of the data, if the model or the predictions have other words; see `given_labels`.
        decoding: how answers are chosen. If `num_answers` is above 1, the n-best answers are written, too.
        find_threshold: find the best no-answer threshold on this split.
        max_seq_length: None means the length that the model was fine-tuned with.
        overwrite: replace the files of an earlier evaluation.
    """

    dataset: Dataset
    data: Path
    split: str
    output: Path
    model: Path | None = None
    predictions: Path | None = None
    labels: GivenLabels | None = None
    decoding: DecodingConfig = DecodingConfig()
    find_threshold: bool = False
    max_seq_length: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        split: the split that was read.
        scores: in percent by name; None for a split without labels.
        unanswered: the ids of examples without a prediction.
        unknown: the ids of predictions without an example.
        threshold: the best no-answer threshold, if it was asked for.
        written: the written files.
    """

    split: Split
    scores: Mapping[str, float] | None
    unanswered: Sequence[str]
    unknown: Sequence[str]
    threshold: float | None = None
    written: Sequence[Path] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class _Predicted:
    dataset: Dataset
    predictions: Predictions
    nbest: dict[str, Any] | None = None
    threshold: float | None = None


def evaluate(job: EvaluationJob, *, progress: Callable[[Progress], None] | None = None) -> Evaluation:
    """Predict with a model or read predictions, score them, and write the results.

    There are no scores if the split has no labels.

    Raises:
        ConfigError: the flags do not fit together, or the output already has scores.
        DataError, CheckpointError: a file or the model is missing or not valid.
    """
    _check(job)
    if job.model is not None:
        folder = model_folder_in(job.model)
        check_is_ours(folder)
        job = dataclasses.replace(job, model=folder)
    match = given_labels(job.dataset, model=job.model, given=job.labels)
    split = read_split(match.dataset, data=job.data, split=job.split)
    if job.find_threshold and not split.has_labels:
        raise DataError(f"{split.path}: must have labels to find a threshold, but has none.")
    found = _predict(job, split, match, progress=progress) if job.model is not None else _read(job, split, match)
    scores = score(found.dataset.metric, split.examples, found.predictions) if split.has_labels else None
    missing, unknown = unanswered(split.examples, found.predictions), unknown_ids(split.examples, found.predictions)
    if unknown and len(unknown) == len(found.predictions):
        raise DataError(
            f"{job.predictions}: none of its {len(unknown):,} ids is in {split.path}, for example {unknown[0]!r}; "
            f"does it belong to another split?"
        )
    record = {
        "task": job.dataset.name,
        "split": {
            "name": split.name,
            "path": split.path,
            "sha256": split.sha256,
            "num_examples": len(split.examples),
            "counts": dict(split.counts),
        },
        "model": str(job.model) if job.model is not None else None,
        "predictions": str(job.predictions) if job.predictions is not None else None,
        "metric": found.dataset.metric,
        "scores": scores,
        "unanswered": len(missing),
        "unknown_ids": len(unknown),
        "decoding": dataclasses.asdict(job.decoding) if job.dataset.task is TaskName.QUESTION_ANSWERING else None,
        "best_no_answer_threshold": found.threshold,
    }
    return Evaluation(
        split=split,
        scores=scores,
        unanswered=missing,
        unknown=unknown,
        threshold=found.threshold,
        written=_write(job, found, record),
    )


def _check(job: EvaluationJob) -> None:
    if (job.model is None) == (job.predictions is None):
        raise ConfigError("give either a model or a file of predictions.")
    reads = job.dataset.task is TaskName.QUESTION_ANSWERING
    if (job.find_threshold or job.decoding != DecodingConfig()) and (job.model is None or not reads):
        raise ConfigError(
            "n-best answers and thresholds need a model for reading comprehension; remove these options, or give one."
        )
    if (job.output / SCORES_NAME).exists() and not job.overwrite:
        raise ConfigError(
            f"{job.output / SCORES_NAME}: exists already; choose another --output, or add --overwrite to replace it."
        )


def _read(job: EvaluationJob, split: Split, match: LabelMatch) -> _Predicted:
    assert job.predictions is not None
    dataset = with_labels(match.dataset, split) if split.has_labels else match.dataset
    predicted = read_predictions(
        job.predictions, dataclasses.replace(dataset, labels=tuple(match.in_data) or dataset.labels)
    )
    return _Predicted(
        dataset=dataset, predictions={one: match.in_labels_of_data(value) for one, value in predicted.items()}
    )


def _predict(
    job: EvaluationJob, split: Split, match: LabelMatch, *, progress: Callable[[Progress], None] | None
) -> _Predicted:
    from ..tasks.fine_tuned import load_finetuned, predict_examples
    from ..tasks.task import ResultOptions

    assert job.model is not None
    match = matched_labels(match, split, model=job.model)
    model = load_finetuned(job.model, task=job.dataset.task, max_seq_length=job.max_seq_length)

    def on_batch(num_done: int, num_rows: int) -> None:
        if progress:
            progress(Progress(stage=f"predict {split.name}", done=num_done, total=num_rows, unit=" rows"))

    options = ResultOptions(
        top_k=job.decoding.num_answers,
        max_answer_len=job.decoding.max_answer_len,
        no_answer_threshold=job.decoding.no_answer_threshold,
    )
    results: Sequence[Any] = predict_examples(model, split.examples, options=options, on_batch=on_batch)
    ids = [example.example_id for example in split.examples]
    has_nbest = job.decoding.num_answers > 1
    return _Predicted(
        dataset=match.dataset,
        predictions={one: match.in_labels_of_data(result.predicted) for one, result in zip(ids, results)},
        nbest={one: result.shown["answers"] for one, result in zip(ids, results)} if has_nbest else None,
        threshold=_best_threshold(split.examples, results, metric=match.dataset.metric) if job.find_threshold else None,
    )


def _best_threshold(examples: Sequence[Example], results: Sequence[Any], *, metric: str) -> float:
    """Return the no-answer threshold with the best main score on these examples."""

    def score_of(example: Example, text: str) -> float:
        return main_score(metric, score(metric, [example], {example.example_id: text}))

    return best_no_answer_threshold(
        np.array([result.no_answer_margin for result in results]),
        span_scores=np.array([score_of(example, result.best_span) for example, result in zip(examples, results)]),
        no_answer_scores=np.array([score_of(example, "") for example in examples]),
    ).value


def _write(job: EvaluationJob, found: _Predicted, record: dict[str, Any]) -> list[Path]:
    written = []
    if job.model is not None:
        written.append(job.output / PREDICTIONS_NAME)
        write_predictions(written[-1], found.predictions, found.dataset)
        if job.dataset.task is TaskName.QUESTION_ANSWERING:
            written.append(job.output / ANSWERS_NAME)
            write_answers_for_authors(written[-1], found.predictions, found.dataset)
    if found.nbest is not None:
        written.append(job.output / NBEST_NAME)
        write_json(written[-1], found.nbest)
    written.append(job.output / SCORES_NAME)  # last: if it exists, the other files are complete
    write_json(written[-1], record)
    return written


def summary(job: EvaluationJob, evaluation: Evaluation) -> str:
    """Return the text to print."""
    split = evaluation.split
    lines = [f"{job.dataset.title}, {split.name}: {len(split.examples):,} examples of {split.path}"]
    if evaluation.scores is None:
        lines.append("  this split has no labels: predictions are written, but no scores")
    else:
        shown = dict.fromkeys([*METRICS[job.dataset.metric].main, *evaluation.scores])
        lines.append("  " + ", ".join(f"{name.replace('_', ' ')} {evaluation.scores[name]:.2f}" for name in shown))
    for what, ids in (
        ("without a prediction, counted as wrong", evaluation.unanswered),
        ("predictions for ids that are not in this split", evaluation.unknown),
    ):
        if ids:
            lines.append(f"  {len(ids):,} {what}: {', '.join(ids[:5])}{' …' if len(ids) > 5 else ''}")
    repaired = {name: count for name, count in split.counts.items() if count}
    if repaired:
        lines.append(
            "  in the data: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in repaired.items())
        )
    if evaluation.threshold is not None:
        lines.append(
            f"  best no-answer threshold on this split: {evaluation.threshold:.4f}; use it as "
            f"--no-answer-threshold on another split"
        )
    return "\n".join([*lines, *(f"  written     {path}" for path in evaluation.written)])
