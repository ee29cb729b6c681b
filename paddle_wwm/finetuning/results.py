"""What a fine-tuning run leaves for `paddle-wwm report`: run.json (what was compared) and result.json of every seed
(what came out).

RUN/run.json                     RunRecord: task, data, model, recipe; the same for all seeds
RUN/seed-1/result.json           SeedResult
RUN/seed-1/log.jsonl             the training log, one JSON object a line
RUN/seed-1/predictions/dev.jsonl what was predicted
RUN/seed-1/model/                the best checkpoint by dev, a model folder
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
CONTENTS = ("seed-[0-9]*", SUMMARY_NAME)  # of a run's folder, besides what every run has
RESULTS_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What all seeds of a run share. Runs may stand in one table where `data` and `recipe` of a task agree.

    data: by split {"path", "sha256", "num_examples", "counts"}. model: {"name", "path", "sha256" of its weights,
    "vocab_sha256", "num_parameters", "num_encoder_parameters", "config"}. recipe: every number that changes the result
    (learning rate excepted, which is the model's): {"max_seq_length", "batch_size", …}.
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
    """What one seed came to. scores: by split, in percent, of the best checkpoint; only splits with labels.
    dev_scores: after every evaluation, [{"step", "epoch", **scores}]. seconds: training and evaluation;
    texts_per_second: of training alone.
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
    """Where a seed of a run is."""
    return run / f"seed-{seed}"


def write_record(path: Path, record: RunRecord | SeedResult) -> None:
    """Write run.json or result.json, whole or not at all."""
    write_json(path, dataclasses.asdict(record))


def read_run(run: Path) -> RunRecord:
    """Raises DataError naming the file where it is none of ours."""
    return _read(run / RUN_NAME, RunRecord)


def read_results(run: Path) -> tuple[SeedResult, ...]:
    """The seeds of a run that are finished, by number."""
    found = [_read(path, SeedResult) for path in run.glob(f"seed-*/{RESULT_NAME}")]
    return tuple(sorted(found, key=lambda result: result.seed))


def unfinished(run: Path, seeds: Sequence[int]) -> list[int]:
    """Return the seeds without a result."""
    return [seed for seed in seeds if not (seed_folder(run, seed) / RESULT_NAME).exists()]


def differences(before: RunRecord, now: RunRecord) -> list[str]:
    """All in which two runs differ that changes scores, in words; paths and names do not."""
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
        if kind is RunRecord:  # runs of version 0.1 have the ratio under another name
            values["recipe"] = {
                {"warmup_share": "warmup_ratio"}.get(name, name): value for name, value in values["recipe"].items()
            }
        return kind(**values)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; a run of paddle-wwm finetune has one.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: is not what paddle-wwm finetune writes: {error}.") from None
