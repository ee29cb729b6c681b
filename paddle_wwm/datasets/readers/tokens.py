"""Sequence labelling: CoNLL files (one token and its label per line) and tables (one sentence per row).

`spans.py` reads JSON with entities as parts of a text.
"""

from __future__ import annotations

import re
from typing import Mapping

from ...tasks.examples import Example, TokenExample
from ..dataset import Dataset
from .file import Reader, TaskFile, excerpt
from .labels import token_label
from .rows import without_empty_end
from .spans import read_spans

TABLE_HEADER = ("text_a", "label")
_DOCUMENT_MARK = "-DOCSTART-"


def read_conll(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read lines "token … label" with tabs or spaces between columns.

    Blank lines separate sentences. The first column is the token and the last one its label, unless `columns` of the
    data set gives other numbers. If a split needs no labels, it may have tokens only.

    Raises:
        DataError: a line has another number of columns than the first line, or a label is unknown.
    """
    token_place, label_place = (_number(file, dataset, field) for field in ("tokens", "labels"))
    examples: list[Example] = []
    tokens: list[str] = []
    labels: list[str] = []
    first_line, num_columns = 1, 0

    def end_sentence() -> None:
        if tokens:
            examples.append(
                TokenExample(
                    example_id=str(first_line), tokens=tuple(tokens), labels=tuple(labels) if num_columns > 1 else None
                )
            )
        tokens.clear()
        labels.clear()

    for number, line in file.lines():
        if not line.strip():
            end_sentence()
            continue
        if line.startswith(_DOCUMENT_MARK):
            end_sentence()
            file.counts["document_marks"] += 1
            continue
        values = line.rstrip("\t ").split("\t") if "\t" in line.rstrip() else line.split()
        num_columns = num_columns or len(values)
        if len(values) != num_columns or not values[token_place or 0].strip():
            raise file.error(
                f"must have {num_columns} columns like the first line, and a token, but is {excerpt(line)}.",
                line=number,
            )
        if num_columns == 1 and file.needs_labels:
            raise file.error(f"must be a token and its label, but is {excerpt(line)}.", line=number)
        for place in (token_place, label_place):
            if place is not None and place >= num_columns:
                raise file.error(
                    f"`columns` names column {place} (from 0), but the line has {num_columns} columns.", line=number
                )
        first_line = first_line if tokens else number
        tokens.append(values[token_place or 0])
        if num_columns > 1:
            labels.append(
                token_label(file, values[-1 if label_place is None else label_place], dataset=dataset, line=number)
            )
    end_sentence()
    return examples


def read_token_table(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read a table with a header and one row of tokens and labels per sentence.

    Spaces or U+0002 (as in the copies of PaddleNLP) separate the tokens, and the labels.
    """
    rows = file.lines()
    names = next(rows, (1, ""))[1].split("\t")
    token_name, label_name = (
        str(dataset.columns.get(field, name)) for field, name in zip(("tokens", "labels"), TABLE_HEADER)
    )
    if token_name not in names or (label_name not in names and file.needs_labels):
        raise file.error(
            (
                f"must have the columns {token_name} and {label_name}, but has {', '.join(names)}; name them with "
                f"--column."
            ),
            line=1,
        )
    examples: list[Example] = []
    for number, line in rows:
        if not line.strip():
            file.counts["blank_lines"] += 1
            continue
        values = without_empty_end(file, line.split("\t"), num_columns=len(names))
        if len(values) != len(names):
            raise file.error(
                (
                    f"must have {len(names)} tab-separated columns like the header, but has {len(values)}: "
                    f"{excerpt(line)}"
                ),
                line=number,
            )
        tokens = _items(values[names.index(token_name)])
        labels = _items(values[names.index(label_name)]) if label_name in names else None
        if not tokens:
            raise file.error("must have tokens, but has none.", line=number)
        if labels is not None:
            if len(labels) != len(tokens):
                raise file.error(
                    f"must have a label for every token, but has {len(labels)} for {len(tokens)}.", line=number
                )
            labels = tuple(token_label(file, label, dataset=dataset, line=number) for label in labels)
        examples.append(TokenExample(example_id=str(number), tokens=tokens, labels=labels))
    return examples


def read_tokens(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read a table if the first line is a header, otherwise a CoNLL file.

    The named entities of MSRA are published in both formats.
    """
    first = next(file.lines(), (1, ""))[1].split("\t")
    return (read_token_table if first[0] == str(dataset.columns.get("tokens", TABLE_HEADER[0])) else read_conll)(
        file, dataset
    )


def read_labelled_texts(file: TaskFile, dataset: Dataset) -> list[Example]:
    """Read JSON with entities, a table or a CoNLL file, as the content shows."""
    return (read_spans if file.is_json else read_tokens)(file, dataset)


READERS_OF_TOKENS: Mapping[str, Reader] = {
    "conll": read_conll,
    "tsv-tokens": read_token_table,
    "tokens-either": read_tokens,
    "spans": read_spans,
    "tokens-by-content": read_labelled_texts,
}


def _items(value: str) -> tuple[str, ...]:
    return tuple(item for item in re.split("[ \x02]", value) if item)


def _number(file: TaskFile, dataset: Dataset, field: str) -> int | None:
    column = dataset.columns.get(field)
    return column if isinstance(column, int) else None
