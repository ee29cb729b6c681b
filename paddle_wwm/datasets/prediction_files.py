"""Files of predictions: our JSON lines, and the formats of the authors' scripts.

Our JSON lines::

    {"id": "7", "label": "1"}                  a class
    {"id": "3", "labels": ["O", "B-PER"]}      token labels
    {"id": "DEV_0_QUERY_0", "answer": "光荣"}  an answer

The formats of the authors' scripts::

    {"DEV_0_QUERY_0": "光荣和ω-force", …}            CMRC 2018, DRCD
    [{"id": "1_1", "answer": "夫妻感情破裂"}, …]      CJRC
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

from ..errors import DataError
from ..files import atomic_write, write_json
from ..tasks.examples import TaskName
from .dataset import Dataset
from .metrics.scores import Prediction, Predictions
from .readers.file import TaskFile, excerpt

_KEYS = {TaskName.SEQ_CLS: "label", TaskName.TOKEN_CLS: "labels", TaskName.QUESTION_ANSWERING: "answer"}


def write_predictions(path: Path, predictions: Predictions, dataset: Dataset) -> None:
    """Write our JSON lines atomically, in the order of `predictions`."""
    key = _KEYS[dataset.task]
    with atomic_write(path, "w") as stream:
        for example_id, value in predictions.items():
            stream.write(json.dumps({"id": example_id, key: value}, ensure_ascii=False) + "\n")


def write_answers_for_authors(path: Path, predictions: Predictions, dataset: Dataset) -> None:
    """Write answers in the format of the data set's script.

    The format is a list of records for CJRC, and {id: answer} for the others.
    """
    as_list = dataset.reader == "cjrc"
    write_json(
        path, [{"id": one, "answer": answer} for one, answer in predictions.items()] if as_list else dict(predictions)
    )


def read_predictions(path: Path, dataset: Dataset) -> dict[str, Prediction]:
    """Read a file of predictions in any of the formats.

    Raises:
        DataError: the file is not JSON, a key is missing, a value has the wrong type, an id occurs twice, or a label
            is unknown. The message names the file and the line.
    """
    file = TaskFile(path=Path(path), split="predictions")
    if not file.path.exists():
        raise DataError(f"{path}: no such file of predictions.")
    result: dict[str, Prediction] = {}
    for line, example_id, value in _records(file, dataset):
        if example_id in result:
            raise file.error(f"ids must be unique, but {example_id!r} occurs twice.", line=line)
        result[example_id] = _prediction(file, value, dataset=dataset, example_id=example_id, line=line)
    if not result:
        raise file.error("must contain predictions, but has none.")
    return result


def _records(file: TaskFile, dataset: Dataset) -> Iterator[tuple[int | None, str, Any]]:
    """Yield line numbers (None for JSON without lines), ids and values."""
    key = _KEYS[dataset.task]
    whole = _whole(file) if dataset.task is TaskName.QUESTION_ANSWERING else None
    if isinstance(whole, dict):
        yield from ((None, example_id, value) for example_id, value in whole.items())
        return
    records = ((None, record) for record in whole) if isinstance(whole, list) else file.json_lines()
    for line, record in records:
        if not isinstance(record, dict) or "id" not in record or key not in record:
            found = ", ".join(map(str, record)) if isinstance(record, dict) else excerpt(repr(record))
            raise file.error(
                f"a prediction for {dataset.title} must have the keys id and {key}, but has {found or 'none'}.",
                line=line,
            )
        yield line, str(record["id"]), record[key]


def _whole(file: TaskFile) -> Any:
    """Return the file as one JSON value, or None if it has JSON lines."""
    first = next((line for _, line in file.lines() if line.strip()), "")
    try:
        record = json.loads(first)
    except ValueError:
        return file.json()  # one value on many lines
    return (
        None
        if isinstance(record, dict) and set(record) == {"id", "answer"}
        else record
        if file.content.strip().count(b"\n") == 0
        else file.json()
    )


def _prediction(file: TaskFile, value: Any, *, dataset: Dataset, example_id: str, line: int | None) -> Prediction:
    if dataset.task is TaskName.TOKEN_CLS:
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise file.error(
                f"the labels of {example_id!r} must be a list of texts, but are {excerpt(repr(value))}.", line=line
            )
        return tuple(file.check_label(label, labels=dataset.labels, line=line or 1) for label in value)
    if not isinstance(value, str):
        raise file.error(
            f"the {_KEYS[dataset.task]} of {example_id!r} must be a text, but is {excerpt(repr(value))}.", line=line
        )
    return (
        value
        if dataset.task is TaskName.QUESTION_ANSWERING
        else file.check_label(value, labels=dataset.labels, line=line or 1)
    )
