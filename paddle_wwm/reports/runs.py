"""Find the fine-tuning runs for a report, check that they are comparable, and group them by task and model.

Scores with different data or recipes are never in one table: `gather` raises DataError with the files and the fields
that differ.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Mapping

from ..datasets.metrics.scores import METRICS
from ..datasets.table import DATASETS
from ..errors import DataError
from ..finetuning.results import RESULT_NAME, RunRecord, SeedResult, read_results, read_run
from ..runs.folder import RUN_NAME
from ..variants.lookup import known_variant
from ..variants.scores import Score

SPLITS = ("dev", "test", "challenge")  # in the order of the authors' tables
# not the path, and not the number of windows, which depends on the model's vocabulary
COMPARED_OF_DATA = ("sha256", "num_examples")
# how a batch is split; the gradient is that of the whole batch
NOT_COMPARED_OF_RECIPE = ("micro_batch_size", "micro_batch_tokens")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A metric over seeds, in percent. `std`: of the sample (n - 1), None for 1 seed."""

    max: float
    mean: float
    std: float | None
    num_seeds: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The seeds of a model on a task.

    They come from one run folder, or from several with the same weights and learning rate.
    """

    name: str
    record: RunRecord
    paths: tuple[Path, ...]
    results: tuple[SeedResult, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have scores for every seed."""
        found = [name for name in self.results[0].scores if all(name in result.scores for result in self.results)]
        return tuple(sorted(found, key=lambda name: (SPLITS.index(name) if name in SPLITS else len(SPLITS), name)))

    def metrics(self, split: str) -> tuple[str, ...]:
        """Return the metrics of a split that tables show."""
        return shown_metrics(self.record.metric, self.results[0].scores[split])

    def summary(self, split: str, metric: str) -> Summary:
        """Summarise a metric over the seeds."""
        return summarise([result.scores[split][metric] for result in self.results])

    def published(self, split: str, metric: str) -> Score | None:
        """Return the authors' score of this model, or None."""
        variant = known_variant(self.record.model["name"])
        scores = variant.published_scores.get(self.record.task, {}).get(split) if variant else None
        return scores.by_metric.get(metric) if scores else None


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All runs of a report.

    Attributes:
        entries: by task, in the authors' order.
        unfinished: seeds without a result, and runs without a seed.
        skipped: folders with another kind of run.
    """

    entries: Mapping[str, tuple[Entry, ...]]
    unfinished: tuple[str, ...]
    skipped: tuple[str, ...]


def summarise(values: Iterable[float]) -> Summary:
    """Return the maximum, the mean and the standard deviation of scores."""
    scores = list(values)
    return Summary(
        max=max(scores),
        mean=statistics.fmean(scores),
        std=statistics.stdev(scores) if len(scores) > 1 else None,
        num_seeds=len(scores),
    )


def shown_metrics(metric: str, scores: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names of the scores that tables show.

    They are the scores that choose a checkpoint. For a metric that this version does not know, all scores are shown.
    """
    values = METRICS[metric].main if metric in METRICS else tuple(scores)
    return tuple(name for name in values if name in scores)


def gather(paths: Iterable[Path]) -> Gathered:
    """Read the runs in these folders. A folder is a run, or contains runs.

    Raises:
        DataError: there are no runs, or two of them cannot be compared.
    """
    runs: list[tuple[Path, RunRecord, tuple[SeedResult, ...]]] = []
    unfinished, skipped = [], []
    for path in _run_folders(paths):
        if _is_another_kind(path):
            skipped.append(f"{path}: not a run of paddle-wwm finetune")
            continue
        record, results = read_run(path), read_results(path)
        unfinished += [
            f"{folder}: no {RESULT_NAME} yet"
            for folder in sorted(path.glob("seed-*"))
            if not (folder / RESULT_NAME).exists()
        ]
        if results:
            _check_results(path, results)
            runs.append((path, record, results))
        elif not any(path.glob("seed-*")):
            unfinished.append(f"{path}: no seed has started")
    if not runs and not unfinished:
        raise DataError(
            f"no run of paddle-wwm finetune in {', '.join(map(str, paths))}; a run has a {RUN_NAME} and folders seed-N."
        )
    by_task: dict[str, list] = {}
    for run in runs:
        by_task.setdefault(run[1].task, []).append(run)
    for task_runs in by_task.values():
        _check_comparable(task_runs)
    return Gathered(
        entries={task: _entries(by_task[task]) for task in sorted(by_task, key=_place)},
        unfinished=tuple(unfinished),
        skipped=tuple(skipped),
    )


def _place(task: str) -> tuple[int, str]:
    """Return a sort key: the authors' order of tasks, then your own tasks by name."""
    names = list(DATASETS)
    return (names.index(task) if task in names else len(names), task)


def _run_folders(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise DataError(f"{path}: no such folder.")
        if (path / RUN_NAME).exists():
            found[path] = None
        else:
            found.update(dict.fromkeys(item.parent for item in sorted(path.rglob(RUN_NAME))))
    return list(found)


def _is_another_kind(path: Path) -> bool:
    """Return True for a pretraining run, which also has a run.json."""
    try:
        return "config_fingerprint" in json.loads((path / RUN_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False  # read_run reports the error


def _check_results(path: Path, results: tuple[SeedResult, ...]) -> None:
    for result in results:
        if not result.scores:
            raise DataError(
                f"{path}/seed-{result.seed}/{RESULT_NAME}: must have scores, but has none; a run without labelled dev "
                f"data cannot be in a table."
            )


def _check_comparable(runs: list[tuple[Path, RunRecord, Any]]) -> None:
    first_path, first, _ = runs[0]
    expected = _comparable_fields(first)
    for path, record, _ in runs[1:]:
        found = _comparable_fields(record)
        names = [
            name
            for name in dict.fromkeys([*expected, *found])
            if expected.get(name, "absent") != found.get(name, "absent")
        ]
        if names:
            differing = "; ".join(
                f"{name}: {_short(expected.get(name))} against {_short(found.get(name))}" for name in names
            )
            raise DataError(
                f"{first_path / RUN_NAME} and {path / RUN_NAME}: their scores cannot be in one table of "
                f"{first.title}, because these fields differ: {differing}. Make a separate report for each."
            )


def _comparable_fields(record: RunRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {"metric": record.metric}
    for split, values in record.data.items():
        fields |= {f"data.{split}.{name}": value for name, value in values.items() if name in COMPARED_OF_DATA}
    return fields | {
        f"recipe.{name}": value for name, value in record.recipe.items() if name not in NOT_COMPARED_OF_RECIPE
    }


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "…"


def _entries(runs: list[tuple[Path, RunRecord, tuple[SeedResult, ...]]]) -> tuple[Entry, ...]:
    groups: dict[tuple, list] = {}
    for run in runs:
        record = run[1]
        groups.setdefault((record.model["name"], record.model.get("sha256"), record.learning_rate), []).append(run)
    names = [key[0] for key in groups]
    entries = []
    for (name, _, _), members in groups.items():
        paths = tuple(path for path, _, _ in members)
        results = [result for _, _, results in members for result in results]
        seeds = [result.seed for result in results]
        if len(set(seeds)) < len(seeds):
            twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
            raise DataError(
                f"{' and '.join(map(str, paths))}: have the same seeds of one model "
                f"({', '.join(map(str, twice))}); give only one of them."
            )
        entries.append(
            Entry(
                # different weights with the same name get the name of their folder
                name=_title(name) if names.count(name) == 1 else f"{_title(name)} ({paths[0].name})",
                record=members[0][1],
                paths=paths,
                results=tuple(sorted(results, key=lambda result: result.seed)),
            )
        )
    return tuple(entries)


def _title(name: str) -> str:
    variant = known_variant(name)
    return variant.title if variant else name
