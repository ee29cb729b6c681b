"""A user's own files as a task: what the flags of the command line say, checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from ..errors import ConfigError
from .metrics.scores import METRICS
from .readers.splits import READERS, READERS_OF_KIND
from .types import Task, TaskKind

_DEFAULT_READERS = {
    TaskKind.CLASSIFICATION: "tsv",
    TaskKind.TOKEN_LABELS: "conll",
    TaskKind.READING_COMPREHENSION: "squad",
}
_DEFAULT_METRICS = {
    TaskKind.CLASSIFICATION: "accuracy",
    TaskKind.TOKEN_LABELS: "entity_f1",
    TaskKind.READING_COMPREHENSION: "cmrc",
}


def columns_of_flags(items: Iterable[str]) -> dict[str, str | int]:
    """Columns by field, from "text=review" and "label=2" (a number counts from 0). Raises ConfigError."""
    columns: dict[str, str | int] = {}
    for item in items:
        field, separator, column = item.partition("=")
        if not separator:
            raise ConfigError(f"--column must be FIELD=COLUMN, such as text=review, but is {item!r}.")
        columns[field] = int(column) if column.isdigit() else column
    return columns


def task_of_flags(
    *,
    name: str = "own",
    kind: TaskKind | str,
    files: Mapping[str, str | Path],
    reader: str | None = None,
    columns: Mapping[str, str | int] | None = None,
    labels: Sequence[str] = (),
    metric: str | None = None,
    max_seq_length: int | None = None,
    batch_size: int | None = None,
    num_epochs: int | None = None,
    learning_rate: float | None = None,
) -> Task:
    """A user's own files as a task. files: a path for every split, at least one. What is None is as for other tasks of
    its kind.

    Raises ConfigError for a reader or metric that there is none of, or that is for another kind.
    """
    try:
        kind = TaskKind(kind)
    except ValueError:
        raise ConfigError(
            f"--kind must be one of {', '.join(one.value for one in TaskKind)}, but is {kind!r}."
        ) from None
    if not files:
        raise ConfigError("a task must have at least one file; see --train, --dev and --test.")
    for path in map(str, files.values()):
        if reader is None and kind is TaskKind.CLASSIFICATION and path.endswith((".jsonl", ".json")):
            reader = "json-lines"
    reader = reader or _DEFAULT_READERS[kind]
    metric = metric or _DEFAULT_METRICS[kind]
    if reader not in READERS or reader not in READERS_OF_KIND[kind]:
        raise ConfigError(
            f"--format must be one of {', '.join(READERS_OF_KIND[kind])} for {kind.value}, but is {reader!r}."
        )
    of_kind = [one for one, row in METRICS.items() if row.kind is kind]
    if metric not in of_kind:
        raise ConfigError(f"--metric must be one of {', '.join(of_kind)} for {kind.value}, but is {metric!r}.")
    if labels and len(set(labels)) != len(labels):
        raise ConfigError(f"--labels must name each label once, but are {', '.join(labels)}.")
    task = Task(
        name=name,
        title=name,
        kind=kind,
        files={split: (str(Path(path).absolute()),) for split, path in files.items()},
        reader=reader,
        columns=dict(columns or {}),
        labels=tuple(labels),
        metric=metric,
        max_seq_length=512 if kind is TaskKind.READING_COMPREHENSION else 256,
    )
    given = {
        "max_seq_length": max_seq_length,
        "batch_size": batch_size,
        "num_epochs": num_epochs,
        "learning_rate": learning_rate,
    }
    for field, value in given.items():
        if value is not None and not value > 0:
            raise ConfigError(f"--{field.replace('_', '-')} must be above 0, but is {value!r}.")
    return replace(
        task,
        max_seq_length=task.max_seq_length if max_seq_length is None else max_seq_length,
        batch_size=task.batch_size if batch_size is None else batch_size,
        num_epochs=task.num_epochs if num_epochs is None else num_epochs,
        learning_rate=task.learning_rate if learning_rate is None else learning_rate,
    )
