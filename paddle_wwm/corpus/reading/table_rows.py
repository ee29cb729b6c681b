"""Read tables of columns: Parquet, and Arrow as files (Feather) or streams (the data sets of Hugging Face)."""

from __future__ import annotations

from typing import Any, Iterator

from ...optional import need_package
from ..compressed import READ_ERRORS
from ..counts import excerpt
from ..formats import Format
from .fields import NoTextError, text_of_record
from .intake import Intake, RawDocument

_ROWS_AT_ONCE = 64
_ARROW_FILE = b"ARROW1"


def read_table(intake: Intake) -> Iterator[RawDocument]:
    """Yield the text of every row as a document."""
    need_package("pyarrow", purpose="a table of Parquet or Arrow")
    import pyarrow

    try:
        with intake.open_seekable() as stream:
            if intake.source.format is Format.PARQUET:
                yield from _read_parquet(intake, stream)
            else:
                yield from _read_arrow(intake, stream)
    # UnicodeDecodeError: raised for the names of columns and for nested strings
    except (*READ_ERRORS, pyarrow.ArrowException, UnicodeDecodeError) as error:
        intake.broken(error)


def _read_parquet(intake: Intake, stream: Any) -> Iterator[RawDocument]:
    from pyarrow import parquet

    table = parquet.ParquetFile(stream, buffer_size=1 << 16, pre_buffer=False)
    names = _columns_of(intake, table.schema_arrow)
    if names:
        batches = table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=names)
        yield from _rows(intake, batches, num_rows=table.metadata.num_rows)


def _read_arrow(intake: Intake, stream: Any) -> Iterator[RawDocument]:
    from pyarrow import ipc

    is_file = stream.read(len(_ARROW_FILE)) == _ARROW_FILE
    stream.seek(0)
    reader = ipc.open_file(stream) if is_file else ipc.open_stream(stream)
    names = _columns_of(intake, reader.schema)
    if not names:
        return
    batches = (reader.get_batch(index) for index in range(reader.num_record_batches)) if is_file else iter(reader)
    yield from _rows(intake, (batch.select(names) for batch in batches), num_rows=None)


def _columns_of(intake: Intake, schema: Any) -> list[str]:
    """Return the columns that hold the text.

    If one is missing, that is reported, and an empty list is returned.
    """
    kinds = dict(zip(schema.names, schema.types))
    names: list[str] = []
    for key in intake.form.text_keys:
        name = key if key in kinds else key.split(".")[0]
        kind = kinds.get(name)
        if kind is None or not _may_hold_text(kind):
            wrong = "does not exist" if kind is None else f"holds {kind}"
            columns = excerpt(", ".join(f"{known} ({of_column})" for known, of_column in kinds.items()))
            message = f"the text must be a column of strings, but {key!r} {wrong} (columns: {columns}); see --text-key."
            intake.bad("broken_files", place=intake.place(), text=columns, message=message)
            return []
        names += [name] if name not in names else []
    return names


def _may_hold_text(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_dictionary(kind):  # pandas writes categories as this type
        return _may_hold_text(kind.value_type)
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        return _may_hold_text(kind.value_type)
    if pyarrow.types.is_struct(kind):
        return True
    return kind in (pyarrow.string(), pyarrow.large_string()) or kind == pyarrow.string_view()


def _rows(intake: Intake, batches: Iterator[Any], *, num_rows: int | None) -> Iterator[RawDocument]:
    number = 0
    for batch in batches:
        for first in range(0, batch.num_rows, _ROWS_AT_ONCE):
            for record in _records_of(batch.slice(first, _ROWS_AT_ONCE)):
                number += 1
                intake.share = number / num_rows if num_rows else None
                yield from _row(intake, record, number)
    if not number:
        intake.empty("the table has no rows.")


def _records_of(batch: Any) -> Iterator[dict[str, Any]]:
    """Yield rows.

    The strings of plain columns are bytes, so that one that is not UTF-8 spoils only its row.
    """
    import pyarrow

    columns = []
    for column in batch.columns:
        values = column.type.value_type if pyarrow.types.is_dictionary(column.type) else column.type
        is_plain = values in (pyarrow.string(), pyarrow.large_string())
        columns.append((column.cast(pyarrow.large_binary()) if is_plain else column).to_pylist())
    for row in zip(*columns):
        yield dict(zip(batch.schema.names, row))


def _row(intake: Intake, record: dict[str, Any], number: int) -> Iterator[RawDocument]:
    place = intake.place(f", row {number}")
    try:
        decoded = {name: value.decode() if isinstance(value, bytes) else value for name, value in record.items()}
        text = text_of_record(decoded, keys=intake.form.text_keys)
    except UnicodeDecodeError as error:
        message = f"not UTF-8 (byte {error.start} of the text); write the table again with UTF-8 strings."
        shown = error.object.decode("utf-8", "replace")
        intake.bad("invalid_utf8", place=place, text=shown, message=message, characters=len(shown))
    except NoTextError as error:
        intake.bad_record(place, str(record)[:400], str(error))
    else:
        yield from intake.record(number, text)
