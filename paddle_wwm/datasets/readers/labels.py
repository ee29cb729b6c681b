"""The label of a row, from the forms in which people write it: words, numbers, JSON values, marks for "no label"."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..dataset import Dataset
from ..label_names import is_entity_label
from .file import TaskFile, excerpt

# how published data sets mark a row without a label; -1 is a class if the labels of the data set contain it
NO_LABEL = ("", "-", "-1")
DROPPED = "rows_with_a_dropped_label"
_DECIMAL = re.compile(r"[+-]?\d+\.\d+|[+-]?\d+(?:\.\d+)?e-\d+")


def label_text(file: TaskFile, value: Any, *, line: int) -> str:
    """Return a label as text: True is "true", null and NaN are "".

    Raises:
        DataError: the value is a list or an object.
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise file.error(
            f"the label must be one class (a text or a number), but is {excerpt(repr(value))}; a text with several "
            f"labels cannot be used.",
            line=line,
        )
    return str(value).strip()


def class_of(
    file: TaskFile, text: str, *, dataset: Dataset, line: int, aliases: Mapping[str, str] | None = None
) -> str | None:
    """Return the class that a label names, or None for a row without a label.

    Raises:
        DataError: the split needs labels and the row has none, or the label is unknown or a fraction.
    """
    text = (aliases or {}).get(text, text)
    if not dataset.labels and _DECIMAL.fullmatch(text):
        raise file.error(
            f"the label must be a class, but is the number {text}; scores cannot be trained on. Make classes of them, "
            f"or name the labels with --labels if they are words.",
            line=line,
        )
    if text in NO_LABEL and text not in dataset.labels:
        if not file.needs_labels:
            return None
        if text != "-1":
            what = f"be {text!r}, which marks a row without a label" if text else "be empty"
            remedy = "leave such rows out with" if not text else "name it in --labels if it is a class, or use"
            raise file.error(
                f"the label must not {what} in {file.split}; {remedy} --drop-label={text or repr(text)}.", line=line
            )
        if not dataset.labels:
            file.counts["rows_with_the_class_-1"] += 1
    return file.check_label(text, labels=dataset.labels, line=line)


def without_decimal_point(file: TaskFile, text: str, *, dataset: Dataset) -> str:
    """Return a label such as 1.0 as 1.

    pandas writes whole numbers with a decimal point if a column has gaps. A label that the data set names is
    not changed.
    """
    if text in dataset.labels or not _DECIMAL.fullmatch(text) or not float(text).is_integer():
        return text
    file.counts["labels_with_a_decimal_point"] += 1
    return str(int(float(text)))


def is_dropped(file: TaskFile, text: str, *, dataset: Dataset) -> bool:
    """Return True, and count it, if rows with this label are left out."""
    if text not in dataset.drop_labels:
        return False
    file.counts[DROPPED] += 1
    return True


def token_label(file: TaskFile, label: str, *, dataset: Dataset, line: int) -> str:
    """Return the label of a token.

    Raises:
        DataError: the label is unknown, or the metric needs entities and the label does not name one.
    """
    if dataset.metric == "entity_f1" and not is_entity_label(label):
        raise file.error(
            f"the label of a token must be O, or B-, I-, M-, E- or S- before a type, but is {excerpt(label)}; for "
            f"labels that are not entities use --metric token_accuracy.",
            line=line,
        )
    return file.check_label(label, labels=dataset.labels, line=line)
