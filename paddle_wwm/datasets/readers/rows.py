"""Rows of tables: tab-separated lines, or CSV. The content of a file decides between them, not its name.

The files of published data sets do not quote or escape, so quotes are ordinary characters there. Spreadsheets and
pandas write a text with a quote, a line end or the delimiter between double quotes, and double its quotes.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import Iterator, Sequence

from ...csv_limit import next_row
from .file import TaskFile, excerpt

_DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon"}


@dataclass(frozen=True, kw_only=True)
class TableForm:
    """How the columns of a table are written.

    Attributes:
        delimiter: the character between two columns.
        is_quoted: True if double quotes around a field are not part of it. False: they are ordinary characters.
    """

    delimiter: str
    is_quoted: bool

    @property
    def name(self) -> str:
        """The name of the delimiter."""
        return _DELIMITERS[self.delimiter]


TABS = TableForm(delimiter="\t", is_quoted=False)
COMMAS = TableForm(delimiter=",", is_quoted=True)


def form_of(file: TaskFile) -> TableForm:
    """Return the form of a table, from its content.

    The first tab, comma or semicolon of the list that the first line contains is the delimiter. A table with tabs is
    quoted only if all its quotes are in quoted fields, and at least one of them needs its quotes; they are counted.
    """
    first = next((line for _, line in file.lines() if line.strip()), "")
    delimiter = next((one for one in _DELIMITERS if one in first), "\t")
    if delimiter != "\t":
        return TableForm(delimiter=delimiter, is_quoted=True)
    number = _num_quoted_fields([line for _, line in file.lines()], first=first)
    if number:
        file.counts["fields_in_quotes"] += number
    return TableForm(delimiter=delimiter, is_quoted=number > 0)


def rows_of(file: TaskFile, form: TableForm) -> list[tuple[int, list[str]]]:
    """Return the first line and the fields of every row.

    Blank lines are counted and skipped.

    Raises:
        DataError: a quoted field does not end, or text follows its end.
    """
    if form.is_quoted:
        rows = _quoted_rows(file, form)
    else:
        rows = ((number, line.split(form.delimiter) if line.strip() else []) for number, line in file.lines())
    return [(number, values) for number, values in rows if values or file.counts.update(blank_lines=1)]


def without_empty_end(file: TaskFile, values: list[str], *, num_columns: int) -> list[str]:
    """Return a row without empty fields after the last column, and count it."""
    if len(values) <= num_columns or any(value.strip() for value in values[num_columns:]):
        return values
    file.counts["rows_with_delimiters_at_the_end"] += 1
    return values[:num_columns]


def find_name(names: Sequence[str], wanted: str) -> str | None:
    """Return the name that is `wanted`, or the only one that differs in case.

    Spaces around names do not matter either.
    """
    if wanted in names:
        return wanted
    found = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
    return found[0] if len(found) == 1 else None


def _num_quoted_fields(lines: Sequence[str], *, first: str) -> int:
    """Return the number of quoted fields of a table with tabs.

    It is 0 if the quotes are ordinary characters. A quote inside of a field without quotes, or a quoted field with a
    single quote in it, is plain text. A field needs its quotes if it contains a quote, a tab or a line end. A header in
    quotes shows that all fields have quotes. Without one, quotes do not join lines that are complete rows already.
    """
    text = "\n".join(lines)
    if '"' not in text:
        return 0
    num_tabs = first.count("\t")
    are_rows = num_tabs > 0 and all(line.count("\t") == num_tabs for line in lines if line.strip())
    joins_no_rows = are_rows and not first.startswith('"')
    number, place, needs_quotes = 0, 0, first.startswith('"')
    while place < len(text):
        found = _FIELD.match(text, place)
        if found is None:
            return 0
        inner = found["quoted"]
        if joins_no_rows and inner is not None and "\n" in inner:
            return 0
        needs_quotes = needs_quotes or (inner is not None and any(mark in inner for mark in '"\t\n'))
        number += inner is not None
        place = found.end() + 1
    return number if needs_quotes else 0


_FIELD = re.compile(r'(?:"(?P<quoted>[^"]*(?:""[^"]*)*)"|[^"\t\n]*)(?=[\t\n]|\Z)')


def _quoted_rows(file: TaskFile, form: TableForm) -> Iterator[tuple[int, list[str]]]:
    lines = (f"{line}\n" for _, line in file.lines())
    reader = csv.reader(lines, delimiter=form.delimiter, strict=True)
    first_line = 1
    while True:
        try:
            values = next_row(reader, max_field_chars=len(file.content))
        except csv.Error as error:
            raise file.error(
                f"must be CSV, but: {error}. A text with a quote must be in double quotes, and its quotes doubled; in "
                f"--format tsv quotes are ordinary characters.",
                line=first_line,
            ) from None
        if values is None:
            return
        yield first_line, values if any(value.strip() for value in values) else []
        first_line = reader.line_num + 1


def wrong_length(values: Sequence[str], form: TableForm, *, expected: str) -> str:
    """Return the text of an error about a row with a wrong number of columns."""
    quotes = f"; a text with a {form.name} must be in double quotes" if form.is_quoted else ""
    return f"must have {expected}, but has {len(values)}: {excerpt(form.delimiter.join(values))}{quotes}"
