"""Read a stream as lines, with bounded memory.

A line ends at a line feed (also with carriage returns before it: CRLF, and CRCRLF of broken conversions) or at a single
carriage return (old Mac files). One file may mix them.
"""

from __future__ import annotations

from typing import BinaryIO, Iterator, NamedTuple


class Chunk(NamedTuple):
    """A line without its line end, or a part of a very long line.

    number: the number of the line, from 1.
    offset: where the part begins, in bytes of the line.
    is_last: False if the next chunk continues the line.
    """

    number: int
    data: bytes
    offset: int
    is_last: bool


def read_chunks(stream: BinaryIO, *, max_bytes: int) -> Iterator[Chunk]:
    """Yield the lines of a stream, each as one chunk of at most `max_bytes`.

    A longer line is yielded in several chunks, which are cut between characters of UTF-8.
    """
    number, offset = 1, 0
    rest = b""  # of the open line, with the carriage returns after it: a line feed may follow
    while block := stream.readline(max_bytes + 2 - len(rest)):
        if not rest and b"\r" not in block and block.endswith(b"\n") and len(block) <= max_bytes:  # nearly every line
            yield Chunk(number, block[:-1], offset, True)
            number, offset = number + 1, 0
            continue
        data = rest + block if rest else block
        has_ended = data.endswith(b"\n")
        text = data[:-1].rstrip(b"\r") if has_ended else data.rstrip(b"\r")
        if b"\r" in text:
            *ended, text = text.split(b"\r")
            for line in ended:
                yield Chunk(number, line, offset, True)
                number, offset = number + 1, 0
        if len(text) > max_bytes:
            end = _last_character(text)
            yield Chunk(number, text[:end], offset, False)
            offset, text = offset + end, text[end:]
        if has_ended:
            yield Chunk(number, text, offset, True)
            number, offset, rest = number + 1, 0, b""
            continue
        rest = text + b"\r" * (len(data) - len(data.rstrip(b"\r")))
        if len(rest) > max_bytes:  # a line with very many carriage returns after it, which are blank lines
            yield Chunk(number, text, offset, True)
            yield Chunk(number + 1, b"", 0, True)
            number, offset, rest = number + len(rest) - len(text), 0, b""
    if rest or offset:
        yield Chunk(number, rest.rstrip(b"\r"), offset, True)


def _last_character(data: bytes) -> int:
    """Return where the last character of UTF-8 begins."""
    end = len(data) - 1
    while end > len(data) - 4 and data[end] & 0xC0 == 0x80:
        end -= 1
    return end
