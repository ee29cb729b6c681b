"""One file of a task, as readers use it: its lines, its JSON, and errors with the file and the line."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from ...errors import DataError
from ...file_kinds import kind_of
from ...tasks.examples import Example
from ...text_encodings import UTF_8, conversion, encoding_of_mark
from ..dataset import Dataset

LABELLED_SPLITS = ("train", "dev", "trial")  # training and model selection need labels; other splits may have none
_SHOWN = 60
_HEAD_BYTES = 1 << 16  # that show the kind of a file and its encoding
_JSON_START = re.compile(rb"""\s*(?:\{\s*["'}]|\[\s*(?:["'{\[\]\d]|true|false|null))""")
_JSON_GAP = re.compile(r"[\s,]*")  # between two items of an array


@dataclass(frozen=True, kw_only=True)
class Record:
    """A JSON object of a file.

    Attributes:
        number: its line, or its place from 1 in a JSON array.
        line: the line where it begins.
        values: the object.
    """

    number: int
    line: int
    values: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TaskFile:
    """A file of a split. `counts`: how many items were repaired or skipped, by rule."""

    path: Path
    split: str
    counts: Counter[str] = field(default_factory=Counter)

    @cached_property
    def content(self) -> bytes:
        """The bytes of the file. They are read once."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such file.") from None
        except IsADirectoryError:
            raise DataError(f"{self.path}: is a folder, but must be a file.") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}.") from None
        if (kind := kind_of(content[:_HEAD_BYTES])) is not None:
            raise self.error(f"must be text, but is {kind.refusal(self.path.name)}")
        mark = encoding_of_mark(content)
        if mark not in (None, UTF_8):
            name = str(mark).upper()
            raise self.error(f"is {name}, but must be UTF-8; convert it: iconv -f {name} -t UTF-8 {self.path.name}")
        return content

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def needs_labels(self) -> bool:
        """True if missing labels are an error."""
        return self.split in LABELLED_SPLITS

    @property
    def _conversion(self) -> str:
        """A command that converts the file to UTF-8."""
        return conversion(self.content[:_HEAD_BYTES], file_name=self.path.name)

    def error(self, message: str, *, line: int | None = None) -> DataError:
        """Return a DataError whose message begins with the file and the line."""
        return DataError(f"{self.path}{'' if line is None else f', line {line}'}: {message}")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield line numbers and lines without line ends.

        Only line feeds end a line, or carriage returns in a file without line feeds. U+2028 and form feeds can be part
        of a text.
        """
        content = self.content.removeprefix(codecs.BOM_UTF8)
        end = b"\n" if b"\n" in content else b"\r"
        for number, line in enumerate(content.removesuffix(end).split(end), 1):
            try:
                yield number, line.removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                remedy = f"convert the file, for example: {self._conversion}"
                raise self.error(
                    f"must be UTF-8, but byte {error.start} of the line is not; {remedy}", line=number
                ) from None

    def json(self) -> Any:
        """Return the file as one JSON value."""
        try:
            value = json.loads(self.content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            raise self.error(
                f"must be UTF-8, but is not; convert it, for example: {self._conversion}",
                line=line,
            ) from None
        except json.JSONDecodeError as error:
            raise self.error(
                f"must be JSON, but: {error.msg} (column {error.colno}); is the file complete?", line=error.lineno
            ) from None
        except RecursionError:
            raise self.error("must be JSON, but is nested too deeply.") from None
        self._check_characters(value, raw=self.content)
        return value

    def json_lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield line numbers and objects. Blank lines are counted and skipped."""
        for number, line in self.lines():
            if not line.strip():
                self.counts["blank_lines"] += 1
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise self.error(
                    f"must be one JSON object per line, but is not ({error}): {excerpt(line)}; one object on several "
                    f"lines can be read in a JSON array only.",
                    line=number,
                ) from None
            if not isinstance(record, dict):
                raise self.error(
                    f"must be a JSON object, but is a {type(record).__name__}: {excerpt(line)}", line=number
                )
            self._check_characters(record, raw=line.encode(), line=number)
            yield number, record

    @property
    def is_json(self) -> bool:
        """True if the content begins as JSON does; a bracket alone may be a token."""
        return _JSON_START.match(self.content.removeprefix(codecs.BOM_UTF8)) is not None

    def json_records(self) -> Iterator[Record]:
        """Yield the objects of JSON lines or of one JSON array."""
        if self.content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] != b"[":
            yield from (Record(number=line, line=line, values=values) for line, values in self.json_lines())
            return
        for number, (line, value) in enumerate(self._items_of_array(), 1):
            if not isinstance(value, dict):
                kind = type(value).__name__
                raise self.error(
                    f"item {number} must be a JSON object, but is a {kind}: {excerpt(repr(value))}", line=line
                )
            yield Record(number=number, line=line, values=value)

    def _items_of_array(self) -> Iterator[tuple[int, Any]]:
        """Yield the items of a JSON array, and the line where each begins."""
        items = self.json()  # first the whole file, because an error in it has its line
        text, decoder = self.content.decode("utf-8-sig"), json.JSONDecoder()
        place, line = text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
        for item in items:
            start = _JSON_GAP.match(text, place).end()  # type: ignore[union-attr]  # the pattern matches everywhere
            line += text.count("\n", place, start)
            yield line, item
            place = decoder.raw_decode(text, start)[1]
            line += text.count("\n", start, place)

    def _check_characters(self, value: Any, *, raw: bytes, line: int | None = None) -> None:
        """Raise DataError for half of a character, which cannot be written as UTF-8.

        JSON can contain one as an unpaired surrogate, such as "\\ud83d".
        """
        if b"\\ud" not in raw.lower():
            return
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(error.object[error.start]):x}"
            raise self.error(
                f"must have whole characters, but has one half of a surrogate pair, {half}; a text was cut.", line=line
            ) from None

    def check_label(self, label: str, *, labels: Sequence[str], line: int) -> str:
        """Return the label, if it is one of `labels` or `labels` is empty.

        Raises:
            DataError: the label is unknown.
        """
        if labels and label not in labels:
            known = excerpt(", ".join(map(repr, labels)), limit=300)
            raise self.error(
                f"the label must be one of {known}, but is {excerpt(label)}; name your labels with "
                f"--labels, or leave such rows out with --drop-label.",
                line=line,
            )
        return label


Reader = Callable[[TaskFile, Dataset], list[Example]]


def excerpt(text: str, *, limit: int = _SHOWN) -> str:
    """Return the beginning of a text for an error message."""
    shown = text if len(text) <= limit else f"{text[:limit]}…"
    return repr(shown) if limit == _SHOWN else shown
