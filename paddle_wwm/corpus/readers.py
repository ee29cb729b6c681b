"""Sources to raw documents, streaming: bad input ends with an error that names file and line, or is skipped and
counted.

Nothing is cleaned here; `cleaning.py` does that. A document never grows beyond MAX_DOCUMENT_CHARS: what has no blank
lines is cut.
"""

from __future__ import annotations

import codecs
import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterator

from ..errors import DataError
from ..optional import need_package
from .counts import CorpusReport, excerpt
from .source_files import READ_ERRORS, Format, Source, open_seekable, open_source

MAX_DOCUMENT_CHARS = 1_000_000
MAX_LINE_BYTES = 8 << 20
MAX_RECORD_BYTES = 64 << 20
_BLOCK = 1 << 16
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # UTF-32's little-endian mark begins with the same bytes
_EMPTY = "the file is empty."

# rules of bad input, and what each counts
BAD_INPUT = {
    "empty_files": "files",
    "broken_files": "files, read up to the fault",
    "invalid_utf8": "lines or records",
    "endless_lines": f"lines of more than {MAX_LINE_BYTES >> 20} MB",
    "bad_records": "records without the key, or whose text is none",
}


class OnError(enum.Enum):
    """What bad input leads to: an error, or a skip that is counted."""

    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class RawDocument:
    """Lines as they were read, without their ends. `doc_id` is "file name:line (or record) it begins at"."""

    doc_id: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DocumentReader:
    """Reads sources. `text_key`: the field of JSON lines or the column of Parquet files that holds the text."""

    on_error: OnError = OnError.FAIL
    text_key: str = "text"

    def read(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        """The documents of a source in order. Counts characters read and bad input in `report`.

        Raises DataError for bad input unless it is to be skipped.
        """
        if source.path.stat().st_size == 0:
            self._bad(report, "empty_files", place=str(source.path), text="", message=_EMPTY)
            return
        read = {
            Format.TEXT: self._read_text,
            Format.JSON_LINES: self._read_json_lines,
            Format.PARQUET: self._read_parquet,
        }[source.format]
        yield from read(source, report)

    def _bad(
        self, report: CorpusReport, rule: str, *, place: str, text: str, message: str, characters: int = 0
    ) -> None:
        if self.on_error is OnError.FAIL:
            raise DataError(f"{place}: {message} (--on-error skip passes over it and counts it.)")
        report.characters["read"] += characters
        report.add(rule, place=place, text=text, removed=characters)

    def _broken(self, report: CorpusReport, source: Source, error: Exception) -> None:
        if (
            isinstance(error, OSError) and error.errno is not None
        ):  # of this machine (no permission, no space), not of the data
            raise error
        message = f"cannot be read to its end ({error}); it is truncated or damaged: get it again."
        self._bad(report, "broken_files", place=str(source.path), text=str(error), message=message)

    def _raw_lines(self, source: Source, report: CorpusReport, *, max_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Line numbers and lines without line feed, carriage return and byte order mark; what is too long or broken is
        bad input.

        A file in UTF-16 is broken as a whole: some of its lines might be valid UTF-8 by chance, and nonsense.
        """
        number = 0
        with open_source(source) as stream:
            try:
                while raw := stream.readline(max_bytes + 2):
                    number += 1
                    if number == 1 and raw.startswith(_UTF_16):
                        message = (
                            f"UTF-16 or UTF-32, not UTF-8; convert the file first, for example: "
                            f"{_conversion(source, 'UTF-16')}"
                        )
                        self._bad(
                            report, "broken_files", place=f"{source.path}, line 1", text="UTF-16", message=message
                        )
                        return
                    if len(raw) > max_bytes and not raw.endswith(b"\n"):
                        characters = _skip_line(stream, raw)
                        place, message = (
                            f"{source.path}, line {number}",
                            f"is longer than {max_bytes >> 20} MB; what is it?",
                        )
                        text = raw[:400].decode("utf-8", "replace")
                        self._bad(
                            report, "endless_lines", place=place, text=text, message=message, characters=characters
                        )
                        continue
                    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
                    yield number, raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            except READ_ERRORS as error:
                self._broken(report, source, error)
                return
        if not number:  # nothing, compressed
            self._bad(report, "empty_files", place=str(source.path), text="", message=_EMPTY)

    def _read_text(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        name = source.name
        lines: list[str] = []
        first_line = num_chars = 0
        for number, line in self._lines(source, report):
            if line.strip():
                if num_chars and num_chars + len(line) > MAX_DOCUMENT_CHARS:
                    report.add("long_documents", place=f"{name}:{first_line}", text=lines[0], removed=0)
                    yield RawDocument(doc_id=f"{name}:{first_line}", lines=tuple(lines))
                    lines, num_chars = [], 0
                first_line = first_line if lines else number
                lines.append(line)
                num_chars += len(line)
            else:
                report.characters["white_space"] += len(line)
                if lines:
                    yield RawDocument(doc_id=f"{name}:{first_line}", lines=tuple(lines))
                    lines, num_chars = [], 0
        if lines:
            yield RawDocument(doc_id=f"{name}:{first_line}", lines=tuple(lines))

    def _lines(self, source: Source, report: CorpusReport) -> Iterator[tuple[int, str]]:
        for number, raw in self._raw_lines(source, report, max_bytes=MAX_LINE_BYTES):
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                self._not_utf8(report, f"{source.path}, line {number}", raw, source, error)
                continue
            report.characters["read"] += len(line)
            yield number, line

    def _not_utf8(
        self, report: CorpusReport, place: str, raw: bytes, source: Source, error: UnicodeDecodeError
    ) -> None:
        text = raw.decode("utf-8", "replace")
        message = (
            f"not UTF-8 (byte {error.start} of the line); convert the file first, for example: "
            f"{_conversion(source, 'GB18030')}"
        )
        self._bad(report, "invalid_utf8", place=place, text=text, message=message, characters=len(text))

    def _read_json_lines(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        for number, raw in self._raw_lines(source, report, max_bytes=MAX_RECORD_BYTES):
            place = f"{source.path}, line {number}"
            if not raw.strip():
                continue
            try:
                record = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                self._not_utf8(report, place, raw, source, error)
                continue
            except (ValueError, RecursionError) as error:
                self._bad_record(report, place, raw, f"not valid JSON ({error}); every line must be one object.")
                continue
            if not isinstance(record, dict) or self.text_key not in record:
                has = (
                    f"has {excerpt(', '.join(record)) or 'none'}"
                    if isinstance(record, dict)
                    else f"is a {type(record).__name__}"
                )
                self._bad_record(report, place, raw, f"must have the key {self.text_key!r}, but {has}; see --text-key.")
                continue
            text = record[self.text_key]
            if not isinstance(text, str):
                self._bad_record(
                    report, place, raw, f"{self.text_key!r} must be a string, but is a {type(text).__name__}."
                )
                continue
            yield from self._record(report, source, number, text)

    def _read_parquet(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        need_package("pyarrow", purpose="a Parquet file")
        import pyarrow
        from pyarrow import parquet

        try:
            with open_seekable(source) as stream:
                table = parquet.ParquetFile(stream, buffer_size=1 << 16, pre_buffer=False)
                kinds = dict(zip(table.schema_arrow.names, table.schema_arrow.types))
                kind = kinds.get(self.text_key)
                values = (
                    kind.value_type if isinstance(kind, pyarrow.DictionaryType) else kind
                )  # as pandas' categories are
                if values not in (pyarrow.string(), pyarrow.large_string()):
                    wrong = "is none of them" if kind is None else f"holds {kind}"
                    columns = excerpt(", ".join(f"{name} ({of_column})" for name, of_column in kinds.items()))
                    message = (
                        f"the text must be a column of strings, but {self.text_key!r} {wrong} (columns: "
                        f"{columns}); see --text-key."
                    )
                    self._bad(report, "broken_files", place=str(source.path), text=columns, message=message)
                    return
                number = 0
                for batch in table.iter_batches(batch_size=64, columns=[self.text_key]):
                    for value in batch.column(0).cast(pyarrow.large_binary()).to_pylist():
                        number += 1
                        yield from self._row(report, source, number, value)
                if not number:
                    self._bad(report, "empty_files", place=str(source.path), text="", message="the table has no rows.")
        except (
            *READ_ERRORS,
            pyarrow.ArrowException,
            UnicodeDecodeError,
        ) as error:  # the last from the names of columns
            self._broken(report, source, error)

    def _row(self, report: CorpusReport, source: Source, number: int, value: bytes | None) -> Iterator[RawDocument]:
        place = f"{source.path}, row {number}"
        if value is None:
            self._bad_record(report, place, b"null", f"{self.text_key!r} must be a string, but is null.")
            return
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            self._not_utf8(report, place, value, source, error)
            return
        yield from self._record(report, source, number, text)

    def _record(self, report: CorpusReport, source: Source, number: int, text: str) -> Iterator[RawDocument]:
        """A record's text as documents; more than one only where it is very long."""
        doc_id = f"{source.name}:{number}"
        lines: list[str] = []
        num_chars = 0
        for line in text.split("\n"):
            report.characters["read"] += len(line)
            if num_chars and num_chars + len(line) > MAX_DOCUMENT_CHARS:
                report.add("long_documents", place=doc_id, text=lines[0], removed=0)
                yield RawDocument(doc_id=doc_id, lines=tuple(lines))
                lines, num_chars = [], 0
            lines.append(line)
            num_chars += len(line)
        yield RawDocument(doc_id=doc_id, lines=tuple(lines))

    def _bad_record(self, report: CorpusReport, place: str, raw: bytes, message: str) -> None:
        shown = raw[:400].decode("utf-8", "replace").strip()
        self._bad(report, "bad_records", place=place, text=shown, message=f"{message} The record: {excerpt(shown)}")


def _conversion(source: Source, encoding: str) -> str:
    """The command that makes a UTF-8 file of a source."""
    if source.format is Format.PARQUET:
        return "write the table again with UTF-8 strings"
    inner = Path(source.name.removesuffix(source.path.suffix) if source.compression else source.name)
    unpacked = {"": "", ".gz": "gzip -dc", ".xz": "xz -dc", ".zst": "zstd -dc"}[source.compression]
    command = (
        f"{unpacked} {source.name} | iconv -f {encoding} -t UTF-8"
        if unpacked
        else f"iconv -f {encoding} -t UTF-8 {source.name}"
    )
    return f"{command} > {inner.stem}.utf8{inner.suffix}"


def _skip_line(stream: BinaryIO, beginning: bytes) -> int:
    """Read on to the end of a line and return the number of its characters, with bounded memory."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    block, characters = beginning, 0
    while block and not block.endswith(b"\n"):
        characters += len(decoder.decode(block))
        block = stream.readline(_BLOCK)
    return characters + len(decoder.decode(block.removesuffix(b"\n"), final=True))
