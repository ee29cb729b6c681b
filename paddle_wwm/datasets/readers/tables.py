"""Classification of texts and pairs: tables, with or without a header, and JSON objects.

`columns` of the data set names the columns of the fields. Otherwise COLUMN_NAMES, the names of published files, are
used. Upper and lower case are the same if no name matches exactly.
"""

from __future__ import annotations

import enum
from functools import partial
from typing import Any, Mapping, Sequence

from ...tasks.examples import Example, TextExample
from ..dataset import Dataset
from .file import Reader, TaskFile, excerpt
from .labels import class_of, is_dropped, label_text, without_decimal_point
from .rows import COMMAS, TABS, TableForm, find_name, form_of, rows_of, without_empty_end, wrong_length

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "text": ("text_a", "text", "sentence1", "sentence", "premise", "question1", "title", "content", "review"),
    "text_pair": ("text_b", "text_pair", "sentence2", "hypothesis", "hypo", "question2"),
    "label": ("label", "gold_label"),
}
FIELDS = ("text", "text_pair", "label", "id")
# the translated training file has "contradictory", the files of dev and test have "contradiction"
XNLI_LABELS = {"contradictory": "contradiction"}
CLASS_FILE = "class.txt"


class Header(enum.Enum):
    """Whether the first line of a table is a header.

    EITHER means that it is a header if it contains the column names of published files.
    """

    REQUIRED = "required"
    NONE = "none"
    EITHER = "either"


def read_table(
    file: TaskFile,
    dataset: Dataset,
    *,
    header: Header,
    form: TableForm = TABS,
    keep: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> list[Example]:
    """Read a table.

    Args:
        file: the file to read.
        dataset: the data set that it belongs to.
        header: whether the first line is a header.
        form: how the columns are written.
        keep: by column name, the value of the rows that are kept. Missing columns are ignored.
        aliases: other words for labels.

    Raises:
        DataError: a column is missing, a row has another length, or a label is unknown.
    """
    rows = rows_of(file, form)
    if not rows:
        return []
    first = rows[0][1]
    names = first if _has_header(first, header=header, dataset=dataset) else None
    if names is not None:
        while len(names) > 1 and not names[-1].strip():
            names.pop()
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
        values = without_empty_end(file, values, num_columns=len(first))
        if len(values) != len(first):
            like = "header" if names else "first line"
            expected = f"{len(first)} {form.name}-separated columns like the {like}"
            raise file.error(wrong_length(values, form, expected=expected), line=number)
        if any(values[place] != value for place, value in wanted):
            file.counts["rows_of_other_languages"] += 1
            continue
        found = {field: values[place] for field, place in places.items()}
        examples += _example(file, found, dataset=dataset, number=number, line=number, aliases=aliases or {})
    return examples


def read_json_records(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read JSON objects, one per line or all in one array.

    An object has a text, and optionally a second text and an id. A text may be a list of texts, such as keywords; they
    are joined with spaces. The label is a text, a number or a boolean (true is "true").
    """
    examples: list[Example] = []
    for record in file.json_records():
        values, line = record.values, record.line
        places = {field: _key(file, dataset, field=field, record=values, number=line) for field in FIELDS}
        found = {
            field: label_text(file, values[key], line=line)
            if field == "label"
            else _text(file, values[key], key=key, number=line)
            for field, key in places.items()
            if key is not None
        }
        examples += _example(file, found, dataset=dataset, number=record.number, line=line, aliases={})
    return examples


def read_texts(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read JSON lines, a JSON array, or a table with a header, as the content shows."""
    if file.is_json:
        return read_json_records(file, dataset)
    return read_table(file, dataset, header=Header.REQUIRED, form=form_of(file))


def read_numbered_classes(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read rows "text, class number" without a header.

    The number is the index of a line in class.txt in the same folder, or of a label of the data set.
    """
    classes = file.path.with_name(CLASS_FILE)
    labels = list(dataset.labels)
    if classes.exists():
        labels = [line.strip() for _, line in TaskFile(path=classes, split=file.split).lines() if line.strip()]
        if dataset.labels and labels != list(dataset.labels):
            raise file.error(
                f"{CLASS_FILE} in the same folder must name the task's labels in order ({', '.join(dataset.labels)}), "
                f"but names {', '.join(labels)}."
            )
    numbers = {str(number): label for number, label in enumerate(labels)}
    return read_table(file, dataset, header=Header.NONE, aliases=numbers)


READERS_OF_TABLES: Mapping[str, Reader] = {
    "tsv": partial(read_table, header=Header.REQUIRED),
    "tsv-no-header": partial(read_table, header=Header.NONE),
    "tsv-either": partial(read_table, header=Header.EITHER),
    "xnli": partial(read_table, header=Header.EITHER, keep={"language": "zh"}, aliases=XNLI_LABELS),
    "tsv-class-numbers": read_numbered_classes,
    "json-lines": read_json_records,
    "csv": partial(read_table, header=Header.REQUIRED, form=COMMAS),
    "csv-no-header": partial(read_table, header=Header.NONE, form=COMMAS),
    "texts-by-content": read_texts,
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
    """Return the column of each field.

    If the split needs no labels, the label column may be missing.

    With Header.EITHER, numbers in `columns` are used only for files without a header.
    """
    places: dict[str, int] = {}
    for field in FIELDS:
        column = dataset.columns.get(field)
        if names is None:
            if isinstance(column, str):
                raise file.error(f"has no header, so `columns` must have numbers, but has {column!r} for {field}.")
            place = column if column is not None and column < num_columns else None
        elif isinstance(column, str):
            place = _place(names, (column,))
        elif column is not None and header is Header.REQUIRED:
            place = column if column < num_columns else None
        else:
            place = _place(names, COLUMN_NAMES.get(field, ()))
        if place is not None:
            places[field] = place
        elif field == "text" or (field == "label" and file.needs_labels) or (field != "label" and column is not None):
            has = f"columns {', '.join(names)}" if names is not None else f"{num_columns} column(s) and no header"
            wanted = repr(column) if column is not None else " or ".join(COLUMN_NAMES[field])
            no_header = (
                ""
                if names is None
                else "; if the first line is not a header, use --format tsv-no-header (or csv-no-header) and numbers "
                "from 0, such as --column text=1"
            )
            raise file.error(
                f"must have the column {wanted} for {field}, but has {has}; name it with --column{no_header}.", line=1
            )
    return places


def _place(names: Sequence[str], candidates: Sequence[str]) -> int | None:
    found = _first_name(names, candidates)
    return None if found is None else names.index(found)


def _first_name(names: Sequence[str], candidates: Sequence[str]) -> str | None:
    """Return the first candidate among the names; exact matches come first."""
    exact = next((name for name in candidates if name in names), None)
    return exact or next((found for name in candidates if (found := find_name(names, name)) is not None), None)


def _key(file: TaskFile, dataset: Dataset, *, field: str, record: Mapping[str, Any], number: int) -> str | None:
    column = dataset.columns.get(field)
    candidates = (str(column),) if column is not None else ("id",) if field == "id" else COLUMN_NAMES[field]
    key = _first_name(list(record), candidates)
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
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise file.error(f"{key!r} must be a string or a whole number, but is {excerpt(repr(value))}.", line=number)
    return str(value)


def _example(
    file: TaskFile, found: Mapping[str, str], *, dataset: Dataset, number: int, line: int, aliases: Mapping[str, str]
) -> list[TextExample]:
    """Return the example of a row, or nothing if rows with its label are left out."""
    label = None
    if "label" in found:
        text = without_decimal_point(file, found["label"].strip(), dataset=dataset)
        if is_dropped(file, text, dataset=dataset):
            return []
        label = class_of(file, text, dataset=dataset, line=line, aliases=aliases)
    texts = [found[field] for field in ("text", "text_pair") if field in found]
    if not all(map(str.strip, texts)):
        file.counts["empty_texts"] += 1
    if any("\0" in text for text in texts):
        file.counts["texts_with_nul_characters"] += 1
    example_id = found.get("id", str(number))
    return [TextExample(example_id=example_id, text=found["text"], text_pair=found.get("text_pair"), label=label)]
