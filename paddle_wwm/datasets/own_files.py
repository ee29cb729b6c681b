"""Make a data set of your own files from the flags of the command line, and check them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from ..errors import ConfigError
from ..tasks.examples import TaskName
from .dataset import Dataset
from .metrics.scores import METRICS
from .readers.splits import READERS, READERS_OF_KIND

# the values of --kind
KINDS = {
    "classification": TaskName.SEQ_CLS,
    "token-labels": TaskName.TOKEN_CLS,
    "reading-comprehension": TaskName.QUESTION_ANSWERING,
}
_DEFAULT_READERS = {
    TaskName.SEQ_CLS: "texts-by-content",
    TaskName.TOKEN_CLS: "tokens-by-content",
    TaskName.QUESTION_ANSWERING: "squad",
}
_DEFAULT_METRICS = {
    TaskName.SEQ_CLS: "accuracy",
    TaskName.TOKEN_CLS: "entity_f1",
    TaskName.QUESTION_ANSWERING: "cmrc",
}


def columns_of_flags(items: Iterable[str]) -> dict[str, str | int]:
    """Return columns by field, from flags such as "text=review" and "label=2".

    Numbers count from 0.

    Raises:
        ConfigError: a flag is not FIELD=COLUMN.
    """
    columns: dict[str, str | int] = {}
    for item in items:
        field, separator, column = item.partition("=")
        if not separator:
            raise ConfigError(f"--column must be FIELD=COLUMN, such as text=review, but is {item!r}.")
        columns[field] = int(column) if column.isdigit() else column
    return columns


def dataset_of_flags(
    *,
    name: str = "own",
    kind: str,
    files: Mapping[str, str | Path],
    reader: str | None = None,
    columns: Mapping[str, str | int] | None = None,
    labels: Sequence[str] = (),
    drop_labels: Sequence[str] = (),
    metric: str | None = None,
    max_seq_length: int | None = None,
    batch_size: int | None = None,
    num_epochs: int | None = None,
    learning_rate: float | None = None,
) -> Dataset:
    """Make a data set from your own files.

    Args:
        name: the name of the data set in results.
        kind: "classification", "token-labels" or "reading-comprehension"; or the name of a task, such as "seq-cls".
        files: the path of each split, at least one.
        reader: how the files are read. None: as their content shows.
        columns: by field, the name or the number of its column.
        labels: the labels in the order of their class numbers. Empty: those of the training split.
        drop_labels: rows with these labels are left out and counted; "" for an empty label.
        metric, …: None for the default of the kind.

    Raises:
        ConfigError: a reader or a metric is unknown or does not fit the kind, or a value is not valid.
    """
    task = {**KINDS, **{name.value: name for name in TaskName}}.get(kind)
    if task is None:
        raise ConfigError(f"--kind must be one of {', '.join(KINDS)}, but is {kind!r}.")
    if not files:
        raise ConfigError("a task must have at least one file, but has none; give --train, --dev or --test.")
    reader = reader or _DEFAULT_READERS[task]
    metric = metric or _DEFAULT_METRICS[task]
    if reader not in READERS or reader not in READERS_OF_KIND[task]:
        raise ConfigError(f"--format must be one of {', '.join(READERS_OF_KIND[task])} for {kind}, but is {reader!r}.")
    of_kind = [one for one, row in METRICS.items() if row.task is task]
    if metric not in of_kind:
        raise ConfigError(f"--metric must be one of {', '.join(of_kind)} for {kind}, but is {metric!r}.")
    if labels and len(set(labels)) != len(labels):
        raise ConfigError(f"--labels must name each label once, but is {', '.join(labels)}.")
    dataset = Dataset(
        name=name,
        title=name,
        task=task,
        files={split: (str(Path(path).absolute()),) for split, path in files.items()},
        reader=reader,
        columns=dict(columns or {}),
        labels=tuple(labels),
        drop_labels=checked_drop_labels(drop_labels, task=task, labels=labels),
        metric=metric,
        max_seq_length=512 if task is TaskName.QUESTION_ANSWERING else 256,
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
        dataset,
        max_seq_length=dataset.max_seq_length if max_seq_length is None else max_seq_length,
        batch_size=dataset.batch_size if batch_size is None else batch_size,
        num_epochs=dataset.num_epochs if num_epochs is None else num_epochs,
        learning_rate=dataset.learning_rate if learning_rate is None else learning_rate,
    )


def checked_drop_labels(drop_labels: Sequence[str], *, task: TaskName, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of rows that are left out.

    Raises:
        ConfigError: the rows of the task have no single label, or a label is a class of the task.
    """
    if drop_labels and task is not TaskName.SEQ_CLS:
        raise ConfigError("--drop-label is for classification, where a row has one label; leave it out.")
    if both := [label for label in drop_labels if label in labels]:
        raise ConfigError(f"--drop-label must not name a label of the task, but names {', '.join(both)}.")
    return tuple(label.strip() for label in drop_labels)
