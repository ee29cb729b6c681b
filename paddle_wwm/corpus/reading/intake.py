"""What the readers of all formats share: opening a source, bad input, lines, and documents of limited length."""

from __future__ import annotations

import codecs
import contextlib
from dataclasses import dataclass, field
from typing import BinaryIO, Generator, Iterator

from ...errors import DataError
from ...text_encodings import UTF_8, advice, as_utf_8
from ..compressed import READ_ERRORS, seekable, uncompressed
from ..counts import CorpusReport, excerpt
from ..formats import Source
from ..lines import Chunk, read_chunks
from ..sentences import SentenceRule
from .options import MAX_RECORD_BYTES, OnError, TextForm
from .wiki_pages import open_part

MAX_DOCUMENT_CHARS = 1_000_000
MAX_CHUNK_BYTES = 1 << 20  # of a line of text that is in memory at once
_LOOK_BYTES = 1 << 16  # that are looked at to guess an encoding
_EMPTY = "the file is empty."


@dataclass(frozen=True, kw_only=True)
class RawDocument:
    """Lines without their line ends.

    `doc_id` is "<name>:<first line, record or page>".
    """

    doc_id: str
    lines: tuple[str, ...]


@dataclass(kw_only=True)
class Intake:
    """One source while it is read.

    Attributes:
        share: The share of the source that was read, for formats that are not read from begin to end. None: `raw`
            shows it.
        raw: The open file.
    """

    source: Source
    report: CorpusReport
    form: TextForm
    on_error: OnError
    sentences: SentenceRule
    share: float | None = None
    raw: BinaryIO | None = field(default=None, repr=False)

    def place(self, where: str = "") -> str:
        """Return the path and a place in the file, for messages."""
        return f"{self.source.path}{where}"

    def bad(self, rule: str, *, place: str, text: str, message: str, characters: int = 0) -> None:
        """Raise an error about bad input, or count it.

        Raises:
            DataError: Bad input is not skipped.
        """
        if self.on_error is OnError.FAIL:
            raise DataError(f"{place}: {message} (With --on-error skip, it is skipped and counted.)")
        self.report.characters["read"] += characters
        self.report.add(rule, place=place, text=text, removed=characters)

    def bad_record(self, place: str, shown: str, message: str) -> None:
        """Report a record without text."""
        shown = shown.strip()
        self.bad("bad_records", place=place, text=shown, message=f"{message} The record: {excerpt(shown)}")

    def broken(self, error: Exception) -> None:
        """Report a file that cannot be read to its end."""
        # an error of the machine, for example no permission; the data are not bad
        if isinstance(error, OSError) and error.errno is not None:
            raise error
        message = f"cannot be read to its end ({error}); it is truncated or damaged: get it again."
        self.bad("broken_files", place=self.place(), text=str(error), message=message)

    def empty(self, message: str = _EMPTY) -> None:
        """Report a file without content."""
        self.bad("empty_files", place=self.place(), text="", message=message)

    def not_decodable(self, place: str, raw: bytes, *, byte: int) -> None:
        """Report a line or record that is invalid in its encoding.

        Args:
            place: The place of the line or record.
            raw: Its bytes.
            byte: The first invalid byte, from 0.
        """
        text = raw.decode("utf-8", "replace")
        message = ""
        if self.on_error is OnError.FAIL:  # to guess an encoding takes long, and millions of lines may be skipped
            is_utf_8 = self.form.encoding == UTF_8
            what = f"not UTF-8 (byte {byte} of the line)" if is_utf_8 else f"invalid in {self.form.encoding}"
            message = f"{what}; {advice(self._head(), line=raw)}."
        self.bad("invalid_utf8", place=place, text=text, message=message, characters=len(text))

    def _head(self) -> bytes:
        with open(self.source.path, "rb") as raw:
            try:
                return uncompressed(raw, compression=self.source.compression).read(_LOOK_BYTES)
            except READ_ERRORS:
                return b""

    def share_read(self) -> float:
        """Return the share of the source that was read so far."""
        if self.share is not None:
            return self.share
        size = self.source.path.stat().st_size
        return 1.0 if self.raw is None or self.raw.closed or not size else min(1.0, self.raw.tell() / size)

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the source as a stream of uncompressed UTF-8."""
        source = self.source
        with open(source.path, "rb") as raw:
            self.raw = raw
            if source.part is None:
                stream = uncompressed(raw, compression=source.compression)
            else:
                stream = open_part(raw, part=source.part, compression=source.compression)
            with stream, as_utf_8(stream, encoding=self.form.encoding) as text:
                yield text

    @contextlib.contextmanager
    def open_seekable(self) -> Iterator[BinaryIO]:
        """Open the source as a seekable stream of uncompressed bytes."""
        with (
            open(self.source.path, "rb") as raw,
            seekable(raw, compression=self.source.compression) as stream,
        ):
            yield stream

    def chunks(self, *, max_bytes: int) -> Generator[Chunk, None, None]:
        """Yield lines without the byte order mark; see `read_chunks`."""
        with self.open() as stream:
            try:
                chunks = read_chunks(stream, max_bytes=max_bytes)
                first = next(chunks, None)
                if first is None:  # a compressed file without content
                    self.empty()
                    return
                yield first._replace(data=first.data.removeprefix(codecs.BOM_UTF8))
                yield from chunks
            except READ_ERRORS as error:
                self.broken(error)

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not blank, with their numbers.

        Records that are too long are bad input.
        """
        for number, raw, offset, is_last in self.chunks(max_bytes=MAX_RECORD_BYTES):
            if offset:  # counted below when it began
                characters = len(raw.decode("utf-8", "replace"))
                self.report.characters.update(read=characters, endless_lines=characters)
            elif not is_last:
                text = raw.decode("utf-8", "replace")
                message = f"is longer than {MAX_RECORD_BYTES >> 20} MB; check the format of the file."
                place = self.place(f", line {number}")
                self.bad("endless_lines", place=place, text=text, message=message, characters=len(text))
            elif raw.strip():
                yield number, raw

    def lines(self) -> Iterator[tuple[int, str, bool]]:
        """Yield lines of text with their numbers, and True for the last part of a line.

        A long line is yielded in parts.
        """
        number, cut_number, rest = 0, 0, ""
        for number, raw, offset, is_last in self.chunks(max_bytes=MAX_CHUNK_BYTES):
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                self.not_decodable(self.place(f", line {number}"), raw, byte=offset + error.start)
                if not rest:
                    continue
                text = ""
            self.report.characters["read"] += len(text)
            if is_last and not rest and len(text) <= MAX_DOCUMENT_CHARS:  # nearly every line
                yield number, text, True
                continue
            *parts, rest = self.sentences.cut(rest + text, max_chars=MAX_DOCUMENT_CHARS)
            if parts and number != cut_number:
                self.report.add("long_lines", place=f"{self.source.name}:{number}", text=parts[0], removed=0)
                cut_number = number
            yield from ((number, part, False) for part in parts)
            if is_last:
                yield number, rest, True
                rest = ""
        if rest:  # before the damaged part of a file
            yield number, rest, True

    def record(self, number: int | str, text: str) -> Iterator[RawDocument]:
        """Yield the text of a record as one document, or several if it is very long."""
        gathered = Gathering(report=self.report)
        doc_id = f"{self.source.name}:{number}"
        for line in text.split("\n"):
            parts = self.sentences.cut(line, max_chars=MAX_DOCUMENT_CHARS)
            if len(parts) > 1:
                self.report.add("long_lines", place=doc_id, text=line, removed=0)
            for part in parts:
                self.report.characters["read"] += len(part)
                yield from gathered.add(part, doc_id=doc_id)
        yield from gathered.end()


@dataclass(kw_only=True)
class Gathering:
    """The lines of the document that is being read.

    A very long document is cut between lines.
    """

    report: CorpusReport
    lines: list[str] = field(default_factory=list)
    num_chars: int = 0
    doc_id: str = ""

    def add(self, line: str, *, doc_id: str) -> Iterator[RawDocument]:
        """Add a line. Yield the document before it if it is full.

        Args:
            line: The line.
            doc_id: The id of a document that begins at this line.
        """
        if self.num_chars and self.num_chars + len(line) > MAX_DOCUMENT_CHARS:
            self.report.add("long_documents", place=self.doc_id, text=self.lines[0], removed=0)
            yield from self.end()
        if not self.lines:
            self.doc_id = doc_id
        self.lines.append(line)
        self.num_chars += len(line)

    def end(self) -> Iterator[RawDocument]:
        """Yield the document, if there is one, and begin a new one."""
        if self.lines:
            document = RawDocument(doc_id=self.doc_id, lines=tuple(self.lines))
            self.lines, self.num_chars = [], 0
            yield document
