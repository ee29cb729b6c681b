"""Read sources as raw documents, in a stream.

Bad input raises an error that names the file and the line, or it is skipped and counted. Cleaning is done in
`cleaning.py`. Text without blank lines is cut into documents of at most MAX_DOCUMENT_CHARS. A longer line (a book on
one line) is cut after the end of a sentence.
"""

from __future__ import annotations

import codecs
import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from ..errors import DataError
from ..optional import need_package
from .counts import CorpusReport, excerpt
from .lines import Chunk, read_chunks
from .sentences import SentenceRule
from .source_files import READ_ERRORS, Format, Source, open_seekable, open_source

MAX_DOCUMENT_CHARS = 1_000_000
MAX_CHUNK_BYTES = 1 << 20  # of a line of text that is in memory at once
MAX_RECORD_BYTES = 64 << 20
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # a little-endian UTF-32 mark begins with the same bytes
_EMPTY = "the file is empty."

# name of the kind of bad input: what it counts
BAD_INPUT = {
    "empty_files": "files",
    "broken_files": "files, read up to the damaged part",
    "invalid_utf8": "lines or records",
    "endless_lines": f"records of more than {MAX_RECORD_BYTES >> 20} MB",
    "bad_records": "records without the key or without text",
}


class OnError(enum.Enum):
    """The reaction to bad input: raise an error, or skip it and count it."""

    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class RawDocument:
    """Lines without their line ends. `doc_id` is "<name>:<first line or record>"."""

    doc_id: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DocumentReader:
    """A reader of sources.

    text_key: the field of JSON lines, or the column of Parquet files, that holds the text.
    sentences: where a line that is too long may be cut.
    """

    on_error: OnError = OnError.FAIL
    text_key: str = "text"
    sentences: SentenceRule = SentenceRule()

    def read(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        """Yield the documents of a source in order; count characters and bad input.

        Raises:
            DataError: The input is bad, and `on_error` is not SKIP.
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
            raise DataError(f"{place}: {message} (With --on-error skip, it is skipped and counted.)")
        report.characters["read"] += characters
        report.add(rule, place=place, text=text, removed=characters)

    def _broken(self, report: CorpusReport, source: Source, error: Exception) -> None:
        # an error of the machine, for example no permission; the data are not bad
        if isinstance(error, OSError) and error.errno is not None:
            raise error
        message = f"cannot be read to its end ({error}); it is truncated or damaged: get it again."
        self._bad(report, "broken_files", place=str(source.path), text=str(error), message=message)

    def _chunks(self, source: Source, report: CorpusReport, *, max_bytes: int) -> Iterator[Chunk]:
        """Yield lines without the byte order mark; see `read_chunks`.

        A UTF-16 file is bad input as a whole, because some of its lines can be valid UTF-8 by chance.
        """
        with open_source(source) as stream:
            try:
                chunks = read_chunks(stream, max_bytes=max_bytes)
                first = next(chunks, None)
                if first is None:  # a compressed file without content
                    self._bad(report, "empty_files", place=str(source.path), text="", message=_EMPTY)
                elif first.data.startswith(_UTF_16):
                    self._utf_16(report, source)
                else:
                    yield first._replace(data=first.data.removeprefix(codecs.BOM_UTF8))
                    yield from chunks
            except READ_ERRORS as error:
                self._broken(report, source, error)

    def _utf_16(self, report: CorpusReport, source: Source) -> None:
        message = f"UTF-16 or UTF-32, not UTF-8; convert the file first, for example: {_conversion(source, 'UTF-16')}"
        self._bad(report, "broken_files", place=f"{source.path}, line 1", text="UTF-16", message=message)

    def _read_text(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        name = source.name
        lines: list[str] = []
        first_line = num_chars = line_with_text = 0
        for number, line, is_last in self._lines(source, report):
            if line.strip():
                if num_chars and num_chars + len(line) > MAX_DOCUMENT_CHARS:
                    report.add("long_documents", place=f"{name}:{first_line}", text=lines[0], removed=0)
                    yield RawDocument(doc_id=f"{name}:{first_line}", lines=tuple(lines))
                    lines, num_chars = [], 0
                first_line = first_line if lines else number
                lines.append(line)
                num_chars += len(line)
                line_with_text = number
            else:
                report.characters["white_space"] += len(line)
                if lines and is_last and line_with_text != number:
                    yield RawDocument(doc_id=f"{name}:{first_line}", lines=tuple(lines))
                    lines, num_chars = [], 0
        if lines:
            yield RawDocument(doc_id=f"{name}:{first_line}", lines=tuple(lines))

    def _lines(self, source: Source, report: CorpusReport) -> Iterator[tuple[int, str, bool]]:
        """Yield lines with their numbers, and True for the last part of a line.

        A long line is yielded in parts.
        """
        number, cut_number, rest = 0, 0, ""
        for number, raw, offset, is_last in self._chunks(source, report, max_bytes=MAX_CHUNK_BYTES):
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                self._not_utf8(report, f"{source.path}, line {number}", raw, source, byte=offset + error.start)
                if not rest:
                    continue
                text = ""
            report.characters["read"] += len(text)
            if is_last and not rest and len(text) <= MAX_DOCUMENT_CHARS:  # nearly every line
                yield number, text, True
                continue
            *parts, rest = self.sentences.cut(rest + text, max_chars=MAX_DOCUMENT_CHARS)
            if parts and number != cut_number:
                report.add("long_lines", place=f"{source.name}:{number}", text=parts[0], removed=0)
                cut_number = number
            yield from ((number, part, False) for part in parts)
            if is_last:
                yield number, rest, True
                rest = ""
        if rest:  # before the damaged part of a file
            yield number, rest, True

    def _not_utf8(self, report: CorpusReport, place: str, raw: bytes, source: Source, *, byte: int) -> None:
        text = raw.decode("utf-8", "replace")
        message = (
            f"not UTF-8 (byte {byte} of the line); convert the file first, for example: "
            f"{_conversion(source, 'GB18030')}"
        )
        self._bad(report, "invalid_utf8", place=place, text=text, message=message, characters=len(text))

    def _read_json_lines(self, source: Source, report: CorpusReport) -> Iterator[RawDocument]:
        for number, raw, offset, is_last in self._chunks(source, report, max_bytes=MAX_RECORD_BYTES):
            place = f"{source.path}, line {number}"
            if offset:  # counted below when it began
                characters = len(raw.decode("utf-8", "replace"))
                report.characters.update(read=characters, endless_lines=characters)
                continue
            if not is_last:
                text = raw.decode("utf-8", "replace")
                message = f"is longer than {MAX_RECORD_BYTES >> 20} MB; check the format of the file."
                self._bad(report, "endless_lines", place=place, text=text, message=message, characters=len(text))
                continue
            if not raw.strip():
                continue
            try:
                record = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                self._not_utf8(report, place, raw, source, byte=error.start)
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
                # pandas writes categories as a dictionary type
                values = kind.value_type if isinstance(kind, pyarrow.DictionaryType) else kind
                if values not in (pyarrow.string(), pyarrow.large_string()):
                    wrong = "does not exist" if kind is None else f"holds {kind}"
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
        # UnicodeDecodeError: raised for the names of columns
        except (*READ_ERRORS, pyarrow.ArrowException, UnicodeDecodeError) as error:
            self._broken(report, source, error)

    def _row(self, report: CorpusReport, source: Source, number: int, value: bytes | None) -> Iterator[RawDocument]:
        place = f"{source.path}, row {number}"
        if value is None:
            self._bad_record(report, place, b"null", f"{self.text_key!r} must be a string, but is null.")
            return
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            self._not_utf8(report, place, value, source, byte=error.start)
            return
        yield from self._record(report, source, number, text)

    def _record(self, report: CorpusReport, source: Source, number: int, text: str) -> Iterator[RawDocument]:
        """Yield the text of a record as one document, or several if it is very long."""
        doc_id = f"{source.name}:{number}"
        lines: list[str] = []
        num_chars = 0
        for line in self._cut_lines(text, doc_id, report):
            report.characters["read"] += len(line)
            if num_chars and num_chars + len(line) > MAX_DOCUMENT_CHARS:
                report.add("long_documents", place=doc_id, text=lines[0], removed=0)
                yield RawDocument(doc_id=doc_id, lines=tuple(lines))
                lines, num_chars = [], 0
            lines.append(line)
            num_chars += len(line)
        yield RawDocument(doc_id=doc_id, lines=tuple(lines))

    def _cut_lines(self, text: str, doc_id: str, report: CorpusReport) -> Iterator[str]:
        for line in text.split("\n"):
            parts = self.sentences.cut(line, max_chars=MAX_DOCUMENT_CHARS)
            if len(parts) > 1:
                report.add("long_lines", place=doc_id, text=line, removed=0)
            yield from parts

    def _bad_record(self, report: CorpusReport, place: str, raw: bytes, message: str) -> None:
        shown = raw[:400].decode("utf-8", "replace").strip()
        self._bad(report, "bad_records", place=place, text=shown, message=f"{message} The record: {excerpt(shown)}")


def _conversion(source: Source, encoding: str) -> str:
    """Return a command that converts a source to UTF-8."""
    if source.format is Format.PARQUET:
        return "write the table again with UTF-8 strings"
    inner = Path(source.file_name.removesuffix(source.path.suffix) if source.compression else source.file_name)
    unpacked = {"": "", ".gz": "gzip -dc", ".xz": "xz -dc", ".zst": "zstd -dc"}[source.compression]
    command = (
        f"{unpacked} {source.file_name} | iconv -f {encoding} -t UTF-8"
        if unpacked
        else f"iconv -f {encoding} -t UTF-8 {source.file_name}"
    )
    return f"{command} > {inner.stem}.utf8{inner.suffix}"
