"""Read a JSON array of objects or strings, or objects that are written over several lines.

The file is read as a stream: only one element is in memory.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, BinaryIO, Iterator

from ..compressed import READ_ERRORS
from .fields import NoTextError, text_of_record
from .intake import Intake, RawDocument
from .json_lines import shown_of
from .options import MAX_RECORD_BYTES

_BLOCK_BYTES = 1 << 20
_LONGEST_WORD = len("-Infinity") + 1  # if the text ends in it, the error is at its begin
_SPACE = re.compile(r"[ \t\r\n]*")


class _JsonError(ValueError):
    """The text is not JSON from `line` on, and the elements after it cannot be found."""

    def __init__(self, message: str, *, line: int, shown: str) -> None:
        super().__init__(message)
        self.line, self.shown = line, shown


class _ElementTooLongError(_JsonError):
    """An element has more bytes than the limit."""


def read_json_array(intake: Intake) -> Iterator[RawDocument]:
    """Yield the text of every element as a document.

    Ids have the number of the element, from 1.
    """
    number = 0
    with intake.open() as stream:
        elements = _Elements(stream)
        while True:
            try:
                element = next(elements, None)
            except UnicodeDecodeError as error:
                place = intake.place(f", line {elements.line} or later")
                intake.not_decodable(place, error.object[error.start : error.start + 40], byte=error.start)
                return
            except _ElementTooLongError as error:
                message = (
                    f"is longer than {MAX_RECORD_BYTES >> 20} MB, or a quote or bracket in it is not closed; the rest "
                    f"of the file cannot be read."
                )
                place = intake.place(f", element {number + 1} (line {elements.line})")
                intake.bad("broken_files", place=place, text=error.shown, message=message)
                return
            except _JsonError as error:
                message = f"not valid JSON ({error}); the rest of the file cannot be read."
                place = intake.place(f", line {error.line}")
                intake.bad("broken_files", place=place, text=error.shown, message=message)
                return
            except READ_ERRORS as error:
                intake.broken(error)
                return
            if element is None:
                break
            number += 1
            place = intake.place(f", element {number} (line {elements.line})")
            try:
                text = text_of_record(element[0], keys=intake.form.text_keys)
            except NoTextError as error:
                shown = shown_of(json.dumps(element[0], ensure_ascii=False)[:400].encode("utf-8", "replace"))
                intake.bad_record(place, shown, str(error))
            else:
                yield from intake.record(number, text)
    if not number:
        intake.empty("the JSON array has no elements.")


class _Elements(Iterator[tuple[Any]]):
    """The elements of an array, or the values that follow each other.

    `line` is where the last one began.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._json = json.JSONDecoder()
        self._text, self._at = "", 0
        self._is_begun = self._is_at_end = False
        self._next_line = self.line = 1
        self._is_array = self._is_closed = self._needs_comma = False

    def _begin(self) -> None:
        self._is_begun = True
        self._read(_BLOCK_BYTES)
        self._text = self._text.removeprefix("\ufeff")
        self._is_array = self._peek() == "["
        if self._is_array:
            self._skip(1)

    def _read(self, num_bytes: int) -> None:
        block = self._stream.read(num_bytes)
        self._is_at_end = not block
        self._text = self._text[self._at :] + self._decode(block, self._is_at_end)
        self._at = 0

    def _skip(self, count: int) -> None:
        self._next_line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _peek(self) -> str:
        """Skip white space and return the next character; "" at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._skip(match.end() - self._at)
            if self._at < len(self._text) or self._is_at_end:
                return self._text[self._at : self._at + 1]
            self._read(_BLOCK_BYTES)

    def __next__(self) -> tuple[Any]:
        """Return the next element, in a tuple because it may be null."""
        if not self._is_begun:
            self._begin()
        character = self._peek()
        if self._is_array:
            if character == "]" and not self._is_closed:
                self._skip(1)
                self._is_closed = True
                character = self._peek()
            if self._is_closed:
                if character:
                    raise self._error("there is text after the end of the array")
                raise StopIteration
            if not character:
                raise self._error("the array is not closed; is the file cut short?")
            if self._needs_comma:
                if character != ",":
                    raise self._error("a comma is missing between two elements")
                self._skip(1)
                self._peek()
            self._needs_comma = True
        elif not character:
            raise StopIteration
        self.line = self._next_line
        num_bytes = _BLOCK_BYTES
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
                # a number or word at the end of the block may continue
                if end < len(self._text) or self._is_at_end or isinstance(value, (dict, list, str)):
                    break
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            except ValueError as error:
                is_cut = "Unterminated" in str(error) or getattr(error, "pos", 0) > len(self._text) - _LONGEST_WORD
                if is_cut and not self._is_at_end:
                    self._check_length(len(self._text))
                elif self._is_at_end or self._is_too_long(len(self._text)):
                    raise self._error(getattr(error, "msg", str(error))) from None
            self._read(num_bytes)
            num_bytes *= 2  # so that a large element is not parsed very often
        self._check_length(end)
        self._skip(end - self._at)
        return (value,)

    def _is_too_long(self, end: int) -> bool:
        """Return True if the text from here to `end` has more bytes than the limit."""
        if 4 * (end - self._at) <= MAX_RECORD_BYTES:  # a character has at most four bytes
            return False
        return len(self._text[self._at : end].encode("utf-8", "surrogatepass")) > MAX_RECORD_BYTES

    def _check_length(self, end: int) -> None:
        if self._is_too_long(end):
            raise _ElementTooLongError("too long", line=self.line, shown=self._shown())

    def _shown(self) -> str:
        return self._text[self._at : self._at + 60]

    def _error(self, message: str) -> _JsonError:
        return _JsonError(message, line=self._next_line, shown=self._shown())
