"""From a task's files to its examples. Readers are chosen by name: the table of all of them is READERS."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Mapping

from ...errors import DataError
from ...tasks.examples import Example, QuestionExample, TaskName, TextExample
from ..dataset import Dataset, Split
from .file import Reader, TaskFile
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
    """The first of the split's file names that is in the folder `data`; None where none is."""
    return next((data / name for name in dataset.files.get(split, ()) if (data / name).exists()), None)


def read_split(dataset: Dataset, *, data: Path, split: str) -> Split:
    """Read a split of a task from the folder `data`.

    Raises DataError naming file and line: no file, an empty split, an id twice, a label that is not the task's, a
    column that is not there.
    """
    path = split_path(dataset, data=data, split=split)
    if path is None:
        raise DataError(_missing(dataset, data=data, split=split))
    file = TaskFile(path=path, split=split)
    examples = READERS[dataset.reader](file, dataset)
    if not examples:
        raise DataError(f"{path}: must hold examples for {split}, but holds none; is the file whole?")
    twice = [
        example_id for example_id, number in Counter(example.example_id for example in examples).items() if number > 1
    ]
    if twice:
        raise DataError(
            f"{path}: ids must be unique, but {len(twice)} are not, {twice[0]!r} for one; predictions are kept by id."
        )
    result = Split(name=split, path=str(path), sha256=file.sha256, examples=tuple(examples), counts=dict(file.counts))
    if not result.has_labels and any(_has_label(example) for example in examples):
        bad = next(example.example_id for example in examples if not _has_label(example))
        raise DataError(
            f"{path}: all examples must have labels or none, but {bad!r} has none and others have; split the file."
        )
    return result


def with_labels(dataset: Dataset, split: Split) -> Dataset:
    """The task with the labels of a (training) split, sorted, where it names none itself. Raises DataError for fewer
    than two.
    """
    if dataset.labels or dataset.task is TaskName.QUESTION_ANSWERING:
        return dataset
    labels: set[str] = set()
    for example in split.examples:
        if isinstance(example, TextExample):
            labels.update(() if example.label is None else (example.label,))
        elif not isinstance(example, QuestionExample):
            labels.update(example.labels or ())
    if len(labels) < 2:
        raise DataError(
            f"{split.path}: a task must have two labels at least, but {split.name} has "
            f"{', '.join(sorted(labels)) or 'none'}."
        )
    return replace(dataset, labels=tuple(sorted(labels)))


def _has_label(example: Example) -> bool:
    if isinstance(example, QuestionExample):
        return bool(example.answers)
    return (example.label if isinstance(example, TextExample) else example.labels) is not None


def _missing(dataset: Dataset, *, data: Path, split: str) -> str:
    if not data.is_dir():
        return (
            f"{data}: no such folder; it must hold "
            f"{', '.join(name for names in dataset.files.values() for name in names)} of {dataset.title}."
        )
    if split not in dataset.files:
        return f"{data}: {dataset.title} has no split {split!r}; it has {', '.join(dataset.files)}."
    there = sorted(path.name for path in data.iterdir() if path.is_file())
    names = " or ".join(dataset.files[split])
    return f"{data}: must hold {names} for {split} of {dataset.title}, but holds {', '.join(there[:20]) or 'no file'}."
