"""The tables of a report, like those of the authors' document.

There is one table per task, the table of small models with several tasks per row, and the table of relative scores.

The rules of the authors were found by reproducing their numbers. The average of a model is over all single values (EM
and F1 are two values). The relative average is the ratio of two averages. The classification average of the relative
table is the mean of its cells. Parameters include a classifier for three classes, and are rounded down to millions.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Mapping, Sequence

from ..errors import DataError
from ..model.folder import model_config_from
from ..model_config import count_parameters
from ..variants.lookup import find_variant, known_variant
from ..variants.types import NUM_XNLI_LABELS
from .format import NOTHING, Table, max_and_mean, numbers
from .notes import task_notes
from .runs import Entry, Gathered

REFERENCE = "chinese-roberta-wwm-ext"  # 100% in the authors' table


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """The test scores of a model on several tasks.

    `scores`: task -> metric -> percent, the best seed. `num_parameters`: None if it is unknown.
    """

    name: str
    scores: Mapping[str, Mapping[str, float]]
    num_parameters: int | None

    def average(self, tasks: Sequence[str]) -> float | None:
        """Return the mean of all single values; None if a task is missing."""
        if any(task not in self.scores for task in tasks):
            return None
        return statistics.fmean(value for task in tasks for value in self.scores[task].values())


def tables_of(gathered: Gathered, *, reference: str | None = None) -> list[Table]:
    """Return a table per task, and with several tasks also the tables over tasks."""
    tables = [task_table(task, entries) for task, entries in gathered.entries.items()]
    rows = model_rows(gathered)
    titles = {
        task: entries[0].record.title
        for task, entries in gathered.entries.items()
        if any(task in row.scores for row in rows)
    }
    if len(titles) > 1:
        tables.append(small_model_table(rows, titles=titles, reference=find_reference(rows, reference)))
        tables.append(relative_table(rows, titles=titles, reference=find_reference(rows, reference)))
    return tables


def task_table(task: str, entries: Sequence[Entry]) -> Table:
    """Return a table of models and splits.

    Cells: max (mean), standard deviation, the published numbers, and the difference of the means (or of the maxima).
    """
    splits = list(dict.fromkeys(split for entry in entries for split in entry.splits))
    published = {
        split
        for split in splits
        for entry in entries
        if any(entry.published(split, name) for name in _metrics(entry, split))
    }
    header = ["model", "learning rate", "seeds"]
    for split in splits:
        header += [split, f"{split}: sd"] + (
            [f"{split}: published", f"{split}: difference"] if split in published else []
        )
    header.append("minutes per seed")
    rows = []
    for entry in entries:
        cells = [entry.name, f"{entry.record.learning_rate:g}", str(len(entry.results))]
        for split in splits:
            metrics = _metrics(entry, split)
            summaries = [entry.summary(split, name) for name in metrics]
            cells += [
                max_and_mean((item.max, item.mean) for item in summaries),
                numbers((item.std for item in summaries), ".2f"),
            ]
            if split in published:
                scores = [entry.published(split, name) for name in metrics]
                known = [(mine, theirs) for mine, theirs in zip(summaries, scores) if theirs is not None]
                cells += [
                    max_and_mean((theirs.max, theirs.mean) for _, theirs in known),
                    numbers(
                        (
                            mine.max - theirs.max if theirs.mean is None else mine.mean - theirs.mean
                            for mine, theirs in known
                        ),
                        "+.1f",
                    ),
                ]
        cells.append(f"{statistics.fmean(result.seconds for result in entry.results) / 60:.1f}")
        rows.append(tuple(cells))
    return Table(
        key=task,
        title=entries[0].record.title,
        header=tuple(header),
        rows=tuple(rows),
        notes=task_notes(entries, published=bool(published)),
    )


def _metrics(entry: Entry, split: str) -> tuple[str, ...]:
    return entry.metrics(split) if split in entry.splits else ()


def model_rows(gathered: Gathered) -> list[ModelRow]:
    """Return the models with test scores in the order of their first run.

    The published rows of the same models follow.
    """
    scores: dict[str, dict[str, Mapping[str, float]]] = {}
    sizes: dict[str, int | None] = {}
    for task, entries in gathered.entries.items():
        for entry in entries:
            if "test" in entry.splits:
                values = {name: entry.summary("test", name).max for name in entry.metrics("test")}
                scores.setdefault(entry.name, {})[task] = values
                sizes.setdefault(entry.name, _num_parameters(entry))
    rows = [ModelRow(name=name, scores=values, num_parameters=sizes[name]) for name, values in scores.items()]
    tasks = list(dict.fromkeys(task for row in rows for task in row.scores))
    return rows + [row for name in scores if (row := published_row(name, tasks=tasks)) is not None]


def published_row(name: str, *, tasks: Sequence[str]) -> ModelRow | None:
    """Return the published test scores of a model, or None if these tasks have none."""
    variant = known_variant(name)
    found = (
        {task: variant.published_scores[task]["test"] for task in tasks if task in variant.published_scores}
        if variant
        else {}
    )
    if variant is None or not found:
        return None
    return ModelRow(
        name=f"{variant.title}, published",
        scores={task: {metric: score.max for metric, score in cell.by_metric.items()} for task, cell in found.items()},
        num_parameters=count_parameters(variant.config, num_labels=NUM_XNLI_LABELS),
    )


def _num_parameters(entry: Entry) -> int | None:
    config = entry.record.model.get("config")
    if config:
        return count_parameters(model_config_from(dict(config), source=entry.paths[0]), num_labels=NUM_XNLI_LABELS)
    return entry.record.model.get("num_parameters")


def find_reference(rows: Sequence[ModelRow], name: str | None) -> ModelRow:
    """Return the row of 100%: `name`, or RoBERTa-wwm-ext, or the largest model.

    Raises:
        DataError: `name` has no row.
    """
    if name is not None:
        variant = known_variant(name)
        row = next((row for row in rows if row.name in (name, variant.title if variant else name)), None)
        if row is None:
            raise DataError(
                f"--reference {name}: must be a model with test scores, one of {', '.join(row.name for row in rows)}."
            )
        return row
    usual = next((row for row in rows if row.name == find_variant(REFERENCE).title), None)
    return usual or max(rows, key=lambda row: row.num_parameters or 0)


def small_model_table(rows: Sequence[ModelRow], *, titles: Mapping[str, str], reference: ModelRow) -> Table:
    """Return a table of the best test scores, their average, and the model's size."""
    lines = [
        (
            row.name,
            *(numbers(row.scores[task].values()) if task in row.scores else NOTHING for task in titles),
            numbers([row.average(list(titles))], ".3f"),
            _size(row, reference=reference),
        )
        for row in rows
    ]
    return Table(
        key="small-models",
        title="Several tasks: best test scores and size",
        header=("model", *titles.values(), "average", "parameters"),
        rows=tuple(lines),
        notes=(
            "Best score on test over the seeds. The average is over all single values; EM and F1 are two values.",
            f"Parameters include a classifier for three classes; in parentheses relative to {reference.name}.",
        ),
    )


def _size(row: ModelRow, *, reference: ModelRow) -> str:
    if row.num_parameters is None:
        return NOTHING
    if row is reference or not reference.num_parameters:
        return _millions(row.num_parameters)
    return f"{_millions(row.num_parameters)} ({row.num_parameters / reference.num_parameters:.1%})"


def _millions(count: int) -> str:
    return f"{count // 1_000_000}M" if count >= 10_000_000 else f"{count / 1e6:.1f}M"


def relative_table(rows: Sequence[ModelRow], *, titles: Mapping[str, str], reference: ModelRow) -> Table:
    """Return a table of all scores relative to the reference model."""
    tasks = list(titles)
    lines = []
    for row in rows:
        ratios = {task: _ratios(row, reference, task) for task in tasks}
        single = [ratios[task] for task in tasks if _num_metrics(rows, task) == 1]
        firsts = [values[0] for values in single if values and all(values) and values[0] is not None]
        average, whole = row.average(tasks), reference.average(tasks)
        lines.append(
            (
                row.name,
                *(numbers(ratios[task], ".1%") for task in tasks),
                numbers([average / whole if average is not None and whole else None], ".1%"),
                numbers(
                    [statistics.fmean(firsts) if firsts and len(firsts) == len(single) else None],
                    ".1%",
                ),
            )
        )
    return Table(
        key="relative-scores",
        title=f"Several tasks: scores relative to {reference.name}",
        header=("model", *titles.values(), "average", "classification average"),
        rows=tuple(lines),
        notes=(
            "The average is the ratio of the averages of both models. The classification average is the mean over "
            "the tasks with one value.",
        ),
    )


def _num_metrics(rows: Sequence[ModelRow], task: str) -> int:
    return max(len(row.scores.get(task, ())) for row in rows)


def _ratios(row: ModelRow, reference: ModelRow, task: str) -> list[float | None]:
    """Return the ratio of each score; None if the reference has 0.

    The list is empty if one of the two models was not tested.
    """
    if task not in row.scores or task not in reference.scores:
        return []
    theirs = reference.scores[task]
    return [value / theirs[metric] if theirs.get(metric) else None for metric, value in row.scores[task].items()]
