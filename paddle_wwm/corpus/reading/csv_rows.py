"""Read CSV and TSV: a header with the names of the columns, then one row per document.

CSV is read as RFC 4180 defines it: fields with commas, quotes or line ends stand in double quotes. In TSV, quotes are
ordinary characters, because most tools write it without them, unless a field begins and ends with one. Spreadsheets
also write semicolons, tabs or bars in files that they name CSV; the header shows it.
If --text-key is a number, the file has no header.
"""

from __future__ import annotations

import contextlib
import csv
from typing import Iterator

from ...csv_limit import next_row
from ..counts import excerpt
from ..formats import Format
from ..lines import Chunk
from .intake import Intake, RawDocument
from .options import MAX_RECORD_BYTES

_DELIMITERS = (",", ";", "\t", "|")


class _Lines(Iterator[str]):
    """The lines of a file for the csv module.

    A line that is not UTF-8 makes its row invalid. One that is too long raises csv.Error.
    """

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self.number = 0
        self.invalid: tuple[int, bytes, int] | None = None  # line, bytes, first invalid byte

    def __next__(self) -> str:
        chunk = next(self._chunks)
        self.number = chunk.number
        if not chunk.is_last:
            raise csv.Error(f"line {chunk.number} is longer than {MAX_RECORD_BYTES >> 20} MB")
        try:
            text = chunk.data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.invalid = chunk.number, chunk.data, error.start
            text = chunk.data.decode("utf-8", "replace")
        return text + "\n"


def read_csv(intake: Intake) -> Iterator[RawDocument]:
    """Yield the text of every row as a document. Ids have the first line of the row."""
    with contextlib.closing(intake.chunks(max_bytes=MAX_RECORD_BYTES)) as chunks:
        yield from _read(intake, _Lines(chunks))


def _read(intake: Intake, lines: _Lines) -> Iterator[RawDocument]:
    try:
        first = next(lines, None)
        if first is None:
            return
        delimiter = _delimiter_of(intake, first)
        rows = _Rows(lines, first=first, delimiter=delimiter, is_csv=intake.source.format is Format.CSV)
        header = None if all(key.isdecimal() for key in intake.form.text_keys) else rows.next()
    except csv.Error as error:
        _broken(intake, error, lines, line=1)
        return
    if header is not None and lines.invalid is not None:
        _not_decodable(intake, lines)
    columns = _columns_of(intake, header)
    if not columns:
        return
    number_of_columns = None if header is None else len(header)
    num_rows = 0
    while True:
        begin = rows.next_line
        place = intake.place(f", line {begin}")
        try:
            row = rows.next()
        except csv.Error as error:
            _broken(intake, error, lines, line=begin)
            return
        if row is None:
            break
        if not row or row == [""]:
            continue
        num_rows += 1
        if lines.invalid is not None:
            _not_decodable(intake, lines)
            continue
        number_of_columns = number_of_columns or len(row)
        if len(row) != number_of_columns or max(columns, default=0) >= len(row):
            message = f"the row has {len(row)} fields, but must have {max(number_of_columns, max(columns) + 1)}."
            if not rows.is_csv:
                message += " If a field in double quotes holds tabs or line ends, add --format csv."
            intake.bad_record(place, str(row)[:400], message)
            continue
        yield from intake.record(begin, "\n".join(_unified(row[column]) for column in columns))
    if not num_rows:
        intake.empty("the table has no rows.")


def _not_decodable(intake: Intake, lines: _Lines) -> None:
    assert lines.invalid is not None
    line, raw, byte = lines.invalid
    lines.invalid = None
    intake.not_decodable(intake.place(f", line {line}"), raw, byte=byte)


def _broken(intake: Intake, error: csv.Error, lines: _Lines, *, line: int) -> None:
    if lines.invalid is not None:  # the cause, for example another encoding
        _not_decodable(intake, lines)
    message = f"cannot be read as CSV ({error}); is a double quote not closed?"
    intake.bad("broken_files", place=intake.place(f", line {line}"), text=str(error), message=message)


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


class _Rows:
    """The rows of a table. `next_line` is the first line of the next row."""

    def __init__(self, lines: _Lines, *, first: str, delimiter: str, is_csv: bool) -> None:
        self._lines, self._delimiter, self.is_csv = lines, delimiter, is_csv
        self._pending: str | None = first
        self.next_line = 1
        self._reader = csv.reader(self._source(), delimiter=delimiter, strict=True)

    def _source(self) -> Iterator[str]:
        if self._pending is not None:
            yield self._pending
            self._pending = None
        yield from self._lines

    def next(self) -> list[str] | None:
        """Return the next row, or None at the end.

        Raises:
            csv.Error: The row is not CSV.
        """
        row: list[str] | None
        if self.is_csv:
            row = next_row(self._reader, max_field_chars=MAX_RECORD_BYTES)
        else:
            line = next(self._lines, None) if self._pending is None else self._pending
            self._pending = None
            row = None
            if line is not None:
                row = [_without_quotes(field) for field in line.rstrip("\n").split(self._delimiter)]
        self.next_line = self._lines.number + 1
        return row


def _without_quotes(field: str) -> str:
    is_quoted = len(field) > 1 and field[0] == field[-1] == '"' and field.count('"') % 2 == 0
    return field[1:-1].replace('""', '"') if is_quoted else field


def _delimiter_of(intake: Intake, header: str) -> str:
    """Return the character between two fields.

    A file that is named CSV can have other characters than commas: spreadsheets write what their country uses.
    """
    if intake.source.format is Format.TSV:
        return "\t"
    keys = intake.form.text_keys
    for delimiter in _DELIMITERS:
        names = next_row(csv.reader([header], delimiter=delimiter), max_field_chars=MAX_RECORD_BYTES) or []
        if all(key.strip() in map(str.strip, names) for key in keys):
            return delimiter
    return max(_DELIMITERS, key=header.count) if any(map(header.count, _DELIMITERS)) else ","


def _columns_of(intake: Intake, header: list[str] | None) -> list[int]:
    """Return the columns that hold the text.

    If one is missing, that is reported, and an empty list is returned.
    """
    keys = intake.form.text_keys
    if header is None:
        return [int(key) for key in keys]
    names = [name.strip() for name in header]
    columns = []
    for key in keys:
        if names.count(key) != 1:
            wrong = "is in the header twice" if key in names else "does not exist"
            shown = excerpt(", ".join(names))
            message = (
                f"the text must be a column, but {key!r} {wrong} (columns: {shown}); see --text-key. For a file "
                "without a header, give the number of the column, from 0."
            )
            intake.bad("broken_files", place=intake.place(", line 1"), text=shown, message=message)
            return []
        columns.append(names.index(key))
    return columns
