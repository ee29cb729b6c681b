"""The result of a fine-tuning run: its scores and the paths of its files."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from .results import MODEL_NAME, SUMMARY_NAME, RunRecord, SeedResult, read_results, read_run, seed_folder
from .summary import best_seed


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score over the seeds, in percent.

    The authors of the models write it as max (mean).
    """

    max: float
    mean: float
    num_seeds: int


@dataclass(frozen=True, kw_only=True)
class FineTuneResult:
    """The result of a fine-tuning run.

    Attributes:
        output: the folder of the run.
        record: the record that all seeds share: task, data, model, recipe.
        seeds: the result of each seed, in order.
        scores: the scores over the seeds, by split and metric; only splits with labels.
        best_model: the model folder of the seed with the best score on dev (of the first seed if dev has no labels);
            None if no models were kept.
        summary: the file with the summary of the run.
    """

    output: Path
    record: RunRecord
    seeds: tuple[SeedResult, ...]
    scores: Mapping[str, Mapping[str, Score]]
    best_model: Path | None
    summary: Path


def read_result(output: Path) -> FineTuneResult:
    """Read the result of the run in `output`; at least one seed must be finished."""
    results = tuple(read_results(output))
    values: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for split, scores in result.scores.items():
            for name, value in scores.items():
                values.setdefault(split, {}).setdefault(name, []).append(value)
    model = seed_folder(output, best_seed(results).seed) / MODEL_NAME
    return FineTuneResult(
        output=output,
        record=read_run(output),
        seeds=results,
        scores={
            split: {
                name: Score(max=max(found), mean=statistics.fmean(found), num_seeds=len(found))
                for name, found in scores.items()
            }
            for split, scores in values.items()
        },
        best_model=model if model.exists() else None,
        summary=output / SUMMARY_NAME,
    )
