"""Read the splits of a data set. READERS is the table of all readers by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Mapping

from ...errors import DataError
from ...tasks.examples import Example, QuestionExample, TaskName, TextExample
from ..dataset import Dataset, Split
from ..label_names import in_order
from .file import Reader, TaskFile
from .labels import DROPPED, NO_LABEL
from .questions import READERS_OF_QUESTIONS
from .tables import READERS_OF_TABLES
from .tokens import READERS_OF_TOKENS

READERS: Mapping[str, Reader] = {**READERS_OF_TABLES, **READERS_OF_TOKENS, **READERS_OF_QUESTIONS}
READERS_OF_KIND: Mapping[TaskName, tuple[str, ...]] = {
    TaskName.SEQ_CLS: tuple(READERS_OF_TABLES),
    TaskName.TOKEN_CLS: tuple(READERS_OF_TOKENS),
    TaskName.QUESTION_ANSWERING: tuple(READERS_OF_QUESTIONS),
}


def split_path(dataset: Dataset, *, data: Path, split: str) -> Path | None:
    """Return the path of a split's file in the folder `data`, or None.

    The first of the split's file names that exists is used.

    Raises:
        DataError: the user named the file, and it does not exist.
    """
    names = dataset.files.get(split, ())
    for name in names:
        if (data / name).exists():
            return data / name
        if Path(name).is_absolute():
            raise DataError(f"{name}: no such file.")
    return None


def read_split(dataset: Dataset, *, data: Path, split: str) -> Split:
    """Read a split of a data set from the folder `data`.

    Raises:
        DataError: the file is missing, the split is empty, an id occurs twice, a label is unknown, or a column is
            missing. The message names the file and the line.
    """
    path = split_path(dataset, data=data, split=split)
    if path is None:
        raise DataError(_missing(dataset, data=data, split=split))
    file = TaskFile(path=path, split=split)
    examples = READERS[dataset.reader](file, dataset)
    if not examples and file.counts[DROPPED] and not file.needs_labels:  # a test split without any labels
        file.counts.clear()
        others = tuple(label for label in dataset.drop_labels if label not in NO_LABEL)
        examples = READERS[dataset.reader](file, replace(dataset, drop_labels=others))
    if not examples and file.counts[DROPPED]:
        raise DataError(f"{path}: all {file.counts[DROPPED]:,} rows have labels that --drop-label leaves out.")
    if not examples:
        raise DataError(f"{path}: must contain examples for {split}, but has none; is the file complete?")
    twice = [
        example_id for example_id, number in Counter(example.example_id for example in examples).items() if number > 1
    ]
    if twice:
        raise DataError(
            f"{path}: ids must be unique, because predictions are stored by id, but {len(twice)} are not, such as "
            f"{twice[0]!r}."
        )
    result = Split(name=split, path=str(path), sha256=file.sha256, examples=tuple(examples), counts=dict(file.counts))
    if not result.has_labels and any(_has_label(example) for example in examples):
        bad = next(example.example_id for example in examples if not _has_label(example))
        raise DataError(
            f"{path}: all examples must have labels, or none of them, but {bad!r} has no label and others have one; "
            f"split the file, or leave rows out with --drop-label. A class that is written as - or -1 must be named in "
            f"--labels."
        )
    return result


def with_labels(dataset: Dataset, split: Split) -> Dataset:
    """Return the data set with labels: its own, or those of the split, in order.

    Raises:
        DataError: the split has fewer than two labels.
    """
    if dataset.labels or dataset.task is TaskName.QUESTION_ANSWERING:
        return dataset
    labels = labels_of(split)
    if len(labels) < 2:
        raise DataError(
            f"{split.path}: a task must have at least two labels, but {split.name} has "
            f"{', '.join(sorted(labels)) or 'none'}."
        )
    return replace(dataset, labels=in_order(labels))


def labels_of(split: Split) -> set[str]:
    """Return the labels that occur in a split."""
    labels: set[str] = set()
    for example in split.examples:
        if isinstance(example, TextExample):
            labels.update(() if example.label is None else (example.label,))
        elif not isinstance(example, QuestionExample):
            labels.update(example.labels or ())
    return labels


def _has_label(example: Example) -> bool:
    if isinstance(example, QuestionExample):
        return bool(example.answers)
    return (example.label if isinstance(example, TextExample) else example.labels) is not None


def _missing(dataset: Dataset, *, data: Path, split: str) -> str:
    if not data.is_dir():
        return (
            f"{data}: no such folder; it must contain "
            f"{', '.join(name for names in dataset.files.values() for name in names)} of {dataset.title}."
        )
    if split not in dataset.files:
        return f"{data}: {dataset.title} has no split {split!r}; it has {', '.join(dataset.files)}."
    there = sorted(path.name for path in data.iterdir() if path.is_file())
    names = " or ".join(dataset.files[split])
    found = ", ".join(there[:20]) or "no files"
    return f"{data}: must contain {names} for {split} of {dataset.title}, but contains {found}."
