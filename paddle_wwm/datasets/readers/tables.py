"""Classes of texts and of pairs: tab-separated tables, with or without a header, and JSON lines.

Quotes are characters like others: the authors' files neither quote nor escape. Fields are found by the task's
`columns`, or else by the names that published files use (COLUMN_NAMES).
"""

from __future__ import annotations

import enum
from functools import partial
from typing import Any, Mapping, Sequence

from ...tasks.examples import Example, TextExample
from ..dataset import Dataset
from .file import Reader, TaskFile, excerpt

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "text": ("text_a", "text", "sentence1", "sentence", "premise", "question1", "title", "content", "review"),
    "text_pair": ("text_b", "text_pair", "sentence2", "hypothesis", "hypo", "question2"),
    "label": ("label", "gold_label"),
}
FIELDS = ("text", "text_pair", "label", "id")
XNLI_LABELS = {
    "contradictory": "contradiction"
}  # the translated training file's word for what the other two call contradiction
CLASS_FILE = "class.txt"


class Header(enum.Enum):
    """Whether a table's first line names its columns. EITHER: it does if the names of published files are in it."""

    REQUIRED = "required"
    NONE = "none"
    EITHER = "either"


def read_table(
    file: TaskFile,
    dataset: Dataset,
    *,
    header: Header,
    keep: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> list[Example]:
    """Rows of a tab-separated table. keep: only rows with these values, where the table has such columns. aliases:
    other words for labels.

    Raises DataError for a column that is not there, a row of another length and a label that is not the task's.
    """
    rows = [
        (number, line.split("\t")) for number, line in file.lines() if line.strip() or file.counts.update(blank_lines=1)
    ]
    if not rows:
        return []
    first = rows[0][1]
    names = first if _has_header(first, header=header, dataset=dataset) else None
    if names is not None:
        rows = rows[1:]
        _check_names(file, names)
    places = _places(file, dataset, header=header, names=names, num_columns=len(first))
    text_is_last = (
        names is None and "label" in places and max(places.values()) in (places["text"], places.get("text_pair"))
    )
    wanted = [(names.index(column), value) for column, value in (keep or {}).items() if names and column in names]
    examples: list[Example] = []
    for number, values in rows:
        if len(values) > len(first) and text_is_last:  # a document with tabs in it
            values = [*values[: len(first) - 1], "\t".join(values[len(first) - 1 :])]
            file.counts["texts_with_tabs"] += 1
        if len(values) != len(first):
            shape = (
                f"must have {len(first)} tab-separated columns as the {'header' if names else 'first line'} has, "
                f"but has {len(values)}"
            )
            raise file.error(f"{shape}: {excerpt(chr(9).join(values))}", line=number)
        if any(values[place] != value for place, value in wanted):
            file.counts["rows_of_other_languages"] += 1
            continue
        found = {field: values[place] for field, place in places.items()}
        examples.append(_example(file, found, dataset=dataset, number=number, aliases=aliases or {}))
    return examples


def read_json_lines(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Objects with a text, perhaps a second one, a label (a string or a whole number), perhaps an "id"."""
    examples: list[Example] = []
    for number, record in file.json_lines():
        places = {field: _key(file, dataset, field=field, record=record, number=number) for field in FIELDS}
        found = {
            field: _text(file, record[key], key=key, number=number) for field, key in places.items() if key is not None
        }
        examples.append(_example(file, found, dataset=dataset, number=number, aliases={}))
    return examples


def read_numbered_classes(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Rows "text, class number", without a header: the number counts the lines of class.txt beside the file, or the
    task's labels.
    """
    classes = file.path.with_name(CLASS_FILE)
    labels = list(dataset.labels)
    if classes.exists():
        labels = [line.strip() for _, line in TaskFile(path=classes, split=file.split).lines() if line.strip()]
        if dataset.labels and labels != list(dataset.labels):
            raise file.error(
                f"{CLASS_FILE} beside it must name the task's labels in order ({', '.join(dataset.labels)}), but "
                f"names {', '.join(labels)}."
            )
    numbers = {str(number): label for number, label in enumerate(labels)}
    return read_table(file, dataset, header=Header.NONE, aliases=numbers)


READERS_OF_TABLES: Mapping[str, Reader] = {
    "tsv": partial(read_table, header=Header.REQUIRED),
    "tsv-no-header": partial(read_table, header=Header.NONE),
    "tsv-either": partial(read_table, header=Header.EITHER),
    "xnli": partial(read_table, header=Header.EITHER, keep={"language": "zh"}, aliases=XNLI_LABELS),
    "tsv-class-numbers": read_numbered_classes,
    "json-lines": read_json_lines,
}


def _has_header(first: Sequence[str], *, header: Header, dataset: Dataset) -> bool:
    if header is not Header.EITHER:
        return header is Header.REQUIRED
    wanted = [field for field in ("text", "text_pair") if field in dataset.columns or field == "text"]
    return all(set(first) & set(COLUMN_NAMES[field]) for field in wanted)


def _check_names(file: TaskFile, names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise file.error(
            f"the header must name each column once, but has {', '.join(sorted(twice))} more than once.", line=1
        )


def _places(
    file: TaskFile, dataset: Dataset, *, header: Header, names: Sequence[str] | None, num_columns: int
) -> dict[str, int]:
    """Where each field is. The label may be missing from a split that needs none.

    Where a header may be there or not, the numbers of `columns` are those of files without one.
    """
    places: dict[str, int] = {}
    for field in FIELDS:
        column = dataset.columns.get(field)
        if names is None:
            if isinstance(column, str):
                raise file.error(f"has no header, so `columns` must give numbers, but gives {column!r} for {field}.")
            place = column if column is not None and column < num_columns else None
        elif isinstance(column, str):
            place = names.index(column) if column in names else None
        elif column is not None and header is Header.REQUIRED:
            place = column if column < num_columns else None
        else:
            place = next((names.index(name) for name in COLUMN_NAMES.get(field, ()) if name in names), None)
        if place is not None:
            places[field] = place
        elif field == "text" or (field == "label" and file.needs_labels) or (field != "label" and column is not None):
            has = f"columns {', '.join(names)}" if names is not None else f"{num_columns} column(s) and no header"
            wanted = repr(column) if column is not None else " or ".join(COLUMN_NAMES[field])
            raise file.error(
                f"must have the column {wanted} for {field}, but has {has}; name it with --column.", line=1
            )
    return places


def _key(file: TaskFile, dataset: Dataset, *, field: str, record: Mapping[str, Any], number: int) -> str | None:
    column = dataset.columns.get(field)
    candidates = (str(column),) if column is not None else ("id",) if field == "id" else COLUMN_NAMES[field]
    key = next((name for name in candidates if name in record), None)
    required = (
        field == "text" or (field == "label" and file.needs_labels) or (field == "text_pair" and column is not None)
    )
    if key is None and required:
        has = ", ".join(record) or "none"
        raise file.error(
            f"must have the key {' or '.join(candidates)} for {field}, but has {has}; see --column.", line=number
        )
    return key


def _text(file: TaskFile, value: Any, *, key: str, number: int) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise file.error(f"{key!r} must be a string or a whole number, but is {excerpt(repr(value))}.", line=number)
    return str(value)


def _example(
    file: TaskFile, found: Mapping[str, str], *, dataset: Dataset, number: int, aliases: Mapping[str, str]
) -> TextExample:
    label = found.get("label", "").strip() or None
    if label is None and file.needs_labels:
        raise file.error("the label must not be empty.", line=number)
    if label is not None:
        label = file.check_label(aliases.get(label, label), labels=dataset.labels, line=number)
    if not found["text"].strip() or not found.get("text_pair", "x").strip():
        file.counts["empty_texts"] += 1
    return TextExample(
        example_id=found.get("id", str(number)), text=found["text"], text_pair=found.get("text_pair"), label=label
    )
