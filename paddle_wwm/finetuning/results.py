"""The files of a fine-tuning run, which `paddle-wwm report` reads.

RUN/run.json                     RunRecord: task, data, model, recipe; the same for all seeds
RUN/seed-1/result.json           SeedResult: the scores of a seed
RUN/seed-1/log.jsonl             the training log, one JSON object per line
RUN/seed-1/predictions/dev.jsonl the predictions
RUN/seed-1/model/                the best checkpoint by dev, as a model folder
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..datasets.metrics.scores import ScoreValues
from ..errors import DataError
from ..files import write_json
from ..runs.folder import RUN_NAME

RESULT_NAME = "result.json"
LOG_NAME = "log.jsonl"
PREDICTIONS_NAME = "predictions"
MODEL_NAME = "model"
SUMMARY_NAME = "summary.txt"
CONTENTS = ("seed-[0-9]*", SUMMARY_NAME)  # names in the folder of a run, besides those that every run has
RESULTS_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of a run, which all its seeds share.

    Runs of a task can be compared in one table if their `data` and `recipe` are equal.

    Attributes:
        task: the name of the task.
        title: the title of the task in tables.
        metric: the name of the metric.
        model: {"name", "path", "sha256" of its weights, "vocab_sha256", "num_parameters", "num_encoder_parameters",
            "config"}.
        data: for each split {"path", "sha256", "num_examples", "counts"}.
        recipe: every setting that changes the result, {"max_seq_length", "batch_size", …}. The learning rate is not
            in it, because it depends on the model.
        learning_rate: the learning rate.
        version: the version of paddle_wwm.
        format: the version of this format.
    """

    task: str
    title: str
    metric: str
    model: Mapping[str, Any]
    data: Mapping[str, Mapping[str, Any]]
    recipe: Mapping[str, Any]
    learning_rate: float
    version: str
    format: int = RESULTS_FORMAT


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """The result of one seed.

    Attributes:
        seed: the seed.
        scores: the scores of the best checkpoint by split, in percent; only splits with labels.
        best_step: the step of the best checkpoint.
        num_steps: the number of steps.
        seconds: the time of training and evaluation.
        texts_per_second: the speed of training alone.
        num_workers: the number of workers.
        dev_scores: the scores after every evaluation, [{"step", "epoch", **scores}].
    """

    seed: int
    scores: Mapping[str, ScoreValues]
    best_step: int
    num_steps: int
    seconds: float
    texts_per_second: float
    num_workers: int
    dev_scores: tuple[Mapping[str, float], ...] = ()


def seed_folder(run: Path, seed: int) -> Path:
    """Return the folder of a seed."""
    return run / f"seed-{seed}"


def write_record(path: Path, record: RunRecord | SeedResult) -> None:
    """Write run.json or result.json, completely or not at all."""
    write_json(path, dataclasses.asdict(record))


def read_run(run: Path) -> RunRecord:
    """Read run.json.

    Raises:
        DataError: the file is missing or not a run record.
    """
    return _read(run / RUN_NAME, RunRecord)


def read_results(run: Path) -> tuple[SeedResult, ...]:
    """Return the results of the finished seeds, in the order of the seeds."""
    found = [_read(path, SeedResult) for path in run.glob(f"seed-*/{RESULT_NAME}")]
    return tuple(sorted(found, key=lambda result: result.seed))


def unfinished(run: Path, seeds: Sequence[int]) -> list[int]:
    """Return the seeds without a result."""
    return [seed for seed in seeds if not (seed_folder(run, seed) / RESULT_NAME).exists()]


def differences(before: RunRecord, now: RunRecord) -> list[str]:
    """Return the differences between two runs that change scores, in words.

    Paths and names are not compared, because they do not change scores.
    """
    found = [
        f"{name} was {getattr(before, name)!r} and is {getattr(now, name)!r}"
        for name in ("task", "metric", "learning_rate")
        if getattr(before, name) != getattr(now, name)
    ]
    found += [
        f"the model's {name} differs"
        for name in ("sha256", "vocab_sha256")
        if before.model.get(name) != now.model[name]
    ]
    for name in sorted(before.data.keys() | now.data.keys()):
        if before.data.get(name, {}).get("sha256") != now.data.get(name, {}).get("sha256"):
            found.append(f"the data of {name} differ")
    for name in sorted(before.recipe.keys() | now.recipe.keys()):
        if before.recipe.get(name) != now.recipe.get(name):
            found.append(f"`{name}` was {before.recipe.get(name)!r} and is {now.recipe.get(name)!r}")
    return found


def _read(path: Path, kind: type) -> Any:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if kind is RunRecord and values.get("format") != RESULTS_FORMAT:
            raise ValueError(f"`format` must be {RESULTS_FORMAT}, but is {values.get('format')!r}")
        if kind is RunRecord:  # version 0.1 called it warmup_share
            values["recipe"] = {
                {"warmup_share": "warmup_ratio"}.get(name, name): value for name, value in values["recipe"].items()
            }
        return kind(**values)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; every run of paddle-wwm finetune has one.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: not a valid file of paddle-wwm finetune: {error}.") from None
