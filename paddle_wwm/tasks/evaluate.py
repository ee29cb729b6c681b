"""The scores of a fine-tuned model, or of a file of predictions, on a split; predictions alone where the split has no
labels.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from ..errors import ConfigError, DataError
from ..files import write_json
from ..progress import Progress
from .answer_kinds import best_no_answer_threshold
from .metrics.scores import METRICS, Predictions, main_score, score, unanswered, unknown_ids
from .predictions import read_predictions, write_answers_for_authors, write_predictions
from .readers.splits import read_split, with_labels
from .reading_comprehension import DecodingConfig, answers_as_json, decode, no_answer_margin
from .types import Example, Split, Task, TaskKind

SCORES_NAME, PREDICTIONS_NAME, ANSWERS_NAME, NBEST_NAME = (
    "scores.json",
    "predictions.jsonl",
    "answers.json",
    "nbest.json",
)


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """What to score: `model`, a fine-tuned model folder, or `predictions`, a file. decoding.num_answers above 1 also
    writes n-best answers.

    find_threshold: look for the no-answer threshold that is best on this split. max_seq_length: None as the model was
    fine-tuned.
    """

    task: Task
    data: Path
    split: str
    output: Path
    model: Path | None = None
    predictions: Path | None = None
    decoding: DecodingConfig = DecodingConfig()
    find_threshold: bool = False
    max_seq_length: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out. scores: None for a split without labels. written: the files."""

    split: Split
    scores: Mapping[str, float] | None
    unanswered: Sequence[str]
    unknown: Sequence[str]
    threshold: float | None = None
    written: Sequence[Path] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class _Predicted:
    task: Task
    predictions: Predictions
    nbest: dict[str, Any] | None = None
    threshold: float | None = None


def evaluate(job: EvaluationJob, *, progress: Callable[[Progress], None] | None = None) -> Evaluation:
    """Predict where a model is given, score where the split has labels, write all of it to `output`.

    Raises ConfigError for flags that do not go together or an output that is taken, DataError and CheckpointError for
    files.
    """
    _check(job)
    split = read_split(job.task, data=job.data, split=job.split)
    if job.find_threshold and not split.has_labels:
        raise DataError(f"{split.path}: has no labels, so no threshold can be found on it.")
    found = _predict(job, split, progress=progress) if job.model is not None else _read(job, split)
    scores = score(found.task.metric, split.examples, found.predictions) if split.has_labels else None
    missing, unknown = unanswered(split.examples, found.predictions), unknown_ids(split.examples, found.predictions)
    if unknown and len(unknown) == len(found.predictions):
        raise DataError(
            f"{job.predictions}: none of its {len(unknown):,} ids is in {split.path}, {unknown[0]!r} for one; "
            f"is it of another split?"
        )
    record = {
        "task": job.task.name,
        "split": {
            "name": split.name,
            "path": split.path,
            "sha256": split.sha256,
            "num_examples": len(split.examples),
            "counts": dict(split.counts),
        },
        "model": str(job.model) if job.model is not None else None,
        "predictions": str(job.predictions) if job.predictions is not None else None,
        "metric": found.task.metric,
        "scores": scores,
        "unanswered": len(missing),
        "unknown_ids": len(unknown),
        "decoding": dataclasses.asdict(job.decoding) if job.task.kind is TaskKind.READING_COMPREHENSION else None,
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
        raise ConfigError("give a model, or a file of predictions.")
    reads = job.task.kind is TaskKind.READING_COMPREHENSION
    if (job.find_threshold or job.decoding != DecodingConfig()) and (job.model is None or not reads):
        raise ConfigError("n-best answers and thresholds are of reading comprehension, by a model; leave them out.")
    if (job.output / SCORES_NAME).exists() and not job.overwrite:
        raise ConfigError(
            f"{job.output / SCORES_NAME}: exists already; name another --output, or add --overwrite to replace it."
        )


def _read(job: EvaluationJob, split: Split) -> _Predicted:
    assert job.predictions is not None
    task = with_labels(job.task, split) if split.has_labels else job.task
    return _Predicted(task=task, predictions=read_predictions(job.predictions, task))


def _predict(job: EvaluationJob, split: Split, *, progress: Callable[[Progress], None] | None) -> _Predicted:
    from .network.features import features_of
    from .network.heads import predictions_of
    from .network.inference import compute_outputs, load_finetuned

    assert job.model is not None
    model = load_finetuned(job.model, kind=job.task.kind, max_seq_length=job.max_seq_length)
    labels = model.reading.labels
    if job.task.labels and set(job.task.labels) != set(labels):
        raise DataError(
            f"{job.model}: must predict the labels of {job.task.title}, {', '.join(job.task.labels)}, but "
            f"predicts {', '.join(labels)}; "
            "it was fine-tuned for another task."
        )
    features = features_of(split.examples, reading=model.reading, tokenizer=model.tokenizer, with_labels=False)
    outputs = compute_outputs(
        model.network,
        features,
        reading=model.reading,
        pad_id=model.tokenizer.vocab.pad_id,
        stage=f"predict {split.name}",
        progress=progress,
    )
    one = dataclasses.replace(job.decoding, num_answers=1)
    predictions = predictions_of(split.examples, features, outputs, reading=model.reading, decoding=one)
    task = dataclasses.replace(job.task, labels=job.task.labels or tuple(labels))
    if job.task.kind is not TaskKind.READING_COMPREHENSION:
        return _Predicted(task=task, predictions=predictions)
    questions = _Questions(features=features, outputs=outputs, with_kinds=model.reading.with_kinds)
    return _Predicted(
        task=task,
        predictions=predictions,
        nbest=questions.nbest(split.examples, config=job.decoding) if job.decoding.num_answers > 1 else None,
        threshold=questions.threshold(split.examples, metric=task.metric, config=job.decoding)
        if job.find_threshold
        else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Questions:
    """The rows and logits of all questions."""

    features: Any
    outputs: Sequence[Any]
    with_kinds: bool

    @cached_property
    def places(self) -> Mapping[int, Sequence[int]]:
        """The numbers of each question's rows."""
        found: dict[int, list[int]] = {}
        for place, row in enumerate(self.features.rows):
            found.setdefault(row.owner, []).append(place)
        return found

    def of(self, number: int) -> tuple[Any, dict[str, Any]]:
        """A question as it was encoded, its windows, and their logits."""
        from ..model.networks import split_kinds

        places = self.places[number]
        logits = [split_kinds(self.outputs[place])[0] if self.with_kinds else self.outputs[place] for place in places]
        return self.features.rows[places[0]].encoded, {
            "windows": [self.features.rows[place].window for place in places],
            "logits": logits,
        }

    def nbest(self, examples: Sequence[Example], *, config: DecodingConfig) -> dict[str, Any]:
        found = {}
        for number, example in enumerate(examples):
            encoded, rest = self.of(number)
            found[example.example_id] = answers_as_json(decode(encoded, **rest, config=config))
        return found

    def threshold(self, examples: Sequence[Example], *, metric: str, config: DecodingConfig) -> float:
        """The threshold whose main score on these examples is best."""
        spans = dataclasses.replace(config, num_answers=1, no_answer_threshold=None)
        margins: list[float] = []
        span_scores: list[float] = []
        none_scores: list[float] = []
        for number, example in enumerate(examples):
            encoded, rest = self.of(number)
            best = decode(encoded, **rest, config=spans)
            margins.append(no_answer_margin(**rest, config=spans))
            for text, scores in ((best[0].text if best else "", span_scores), ("", none_scores)):
                scores.append(main_score(metric, score(metric, [example], {example.example_id: text})))
        return best_no_answer_threshold(
            np.array(margins), span_scores=np.array(span_scores), no_answer_scores=np.array(none_scores)
        ).value


def _write(job: EvaluationJob, found: _Predicted, record: dict[str, Any]) -> list[Path]:
    written = []
    if job.model is not None:
        written.append(job.output / PREDICTIONS_NAME)
        write_predictions(written[-1], found.predictions, found.task)
        if job.task.kind is TaskKind.READING_COMPREHENSION:
            written.append(job.output / ANSWERS_NAME)
            write_answers_for_authors(written[-1], found.predictions, found.task)
    if found.nbest is not None:
        written.append(job.output / NBEST_NAME)
        write_json(written[-1], found.nbest)
    written.append(job.output / SCORES_NAME)  # last: it tells that the others are whole
    write_json(written[-1], record)
    return written


def summary(job: EvaluationJob, evaluation: Evaluation) -> str:
    """What to print."""
    split = evaluation.split
    lines = [f"{job.task.title}, {split.name}: {len(split.examples):,} examples of {split.path}"]
    if evaluation.scores is None:
        lines.append("  no labels in this split: predictions are written, there is no score")
    else:
        shown = dict.fromkeys([*METRICS[job.task.metric].main, *evaluation.scores])
        lines.append("  " + ", ".join(f"{name.replace('_', ' ')} {evaluation.scores[name]:.2f}" for name in shown))
    for what, ids in (
        ("without a prediction, counted as wrong", evaluation.unanswered),
        ("predictions of no example of this split", evaluation.unknown),
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
            f"--no-answer-threshold on another one"
        )
    return "\n".join([*lines, *(f"  written     {path}" for path in evaluation.written)])
