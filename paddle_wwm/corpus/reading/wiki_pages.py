"""Cut the pages out of a MediaWiki dump, and divide a large dump into parts for parallel work.

The text of a page is escaped in XML, so the bytes <page> and </page> stand only around pages. A dump "multistream" is
a row of bz2 streams. Each begins with the same ten bytes, so parts begin there, and no index file is needed.
"""

from __future__ import annotations

import bz2
import io
from dataclasses import replace
from typing import BinaryIO, Iterator

from ...text_encodings import UTF_8
from ..formats import Format, Source

BEGIN, END = b"<page>", b"</page>"
_STREAM = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
_BLOCK_BYTES = 1 << 18
PART_BYTES = {"": 32 << 20, ".bz2": 8 << 20}  # compression: bytes of a part


class PageTooLongError(ValueError):
    """A page has more bytes than the limit, or a tag is missing."""


def parts_of(source: Source, *, encoding: str) -> list[Source]:
    """Divide a dump into parts of a few minutes of work.

    Other sources are returned unchanged. So is a dump in another encoding than UTF-8: the places where its parts would
    end are unknown in the text that it is converted to.

    Args:
        source: The dump.
        encoding: The encoding of its text.
    """
    part_bytes = PART_BYTES.get(source.compression)
    if source.format is not Format.MEDIAWIKI or part_bytes is None or source.refusal or encoding != UTF_8:
        return [source]
    size = source.path.stat().st_size
    with open(source.path, "rb") as raw:
        begins = [0]
        for target in range(part_bytes, size, part_bytes):
            begin = target if not source.compression else _next_stream(raw, target, min(size, target + part_bytes))
            if begin is not None and begin > begins[-1]:
                begins.append(begin)
    if len(begins) == 1:
        return [source]
    return [replace(source, part=part) for part in zip(begins, [*begins[1:], size])]


def _next_stream(raw: BinaryIO, begin: int, end: int) -> int | None:
    """Return where the first bz2 stream in [begin, end) begins."""
    length = len(_STREAM[0])
    raw.seek(begin)
    at, kept = begin, b""
    while at < end and (block := raw.read(_BLOCK_BYTES)):
        data = kept + block
        start = at - len(kept)
        found = [data.find(magic) for magic in _STREAM]
        places = [start + place for place in found if place >= 0]
        if places:
            return min(places) if min(places) < end else None
        at, kept = at + len(block), data[-(length - 1) :]
    return None


class _Part(io.RawIOBase):
    """The uncompressed bytes from the begin of a part to the end of the file.

    `boundary` is the uncompressed place where the part ends; None while it is not reached.
    """

    def __init__(self, raw: BinaryIO, *, part: tuple[int, int], compression: str) -> None:
        self._raw, (begin, self._end) = raw, part
        self.boundary: int | None = None if compression else self._end - begin
        self._bz2 = bz2.BZ2Decompressor() if compression else None
        self._place = begin  # in the file, of the first byte after `_rest`
        self._rest = b""
        self._num_read = 0
        raw.seek(begin)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        data = self._raw.read(len(buffer)) if self._bz2 is None else self._decompressed(len(buffer))
        buffer[: len(data)] = data
        self._num_read += len(data)
        return len(data)

    def _decompressed(self, max_bytes: int) -> bytes:
        while True:
            assert self._bz2 is not None
            if self._bz2.eof:
                self._rest = self._bz2.unused_data
                if not self._fill():
                    return b""
                if self.boundary is None and self._place - len(self._rest) >= self._end:
                    self.boundary = self._num_read
                self._bz2 = bz2.BZ2Decompressor()
            elif self._bz2.needs_input and not self._fill():
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            data, self._rest = self._bz2.decompress(self._rest, max_bytes), b""
            if data:
                return data

    def _fill(self) -> bool:
        """Read more compressed bytes if necessary.

        Returns:
            False at the end of the file.
        """
        if not self._rest:
            self._rest = self._raw.read(_BLOCK_BYTES)
            self._place += len(self._rest)
        return bool(self._rest)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


def open_part(raw: BinaryIO, *, part: tuple[int, int], compression: str) -> BinaryIO:
    """Return the uncompressed bytes from the begin of a part to the end of the file."""
    return _Part(raw, part=part, compression=compression)  # type: ignore[return-value]


def pages_of(stream: BinaryIO, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of every page, with its tags.

    From a part, the pages that begin in it are yielded; the last of them may end after it.

    Raises:
        PageTooLongError: A page is longer than `max_bytes`, or is not closed.
    """
    data, at, before = bytearray(), 0, 0  # `at`: how much is used up; `before`: uncompressed bytes before `data`
    while True:
        begin = data.find(BEGIN, at)
        place = before + (begin if begin >= 0 else max(at, len(data) - len(BEGIN) + 1))  # no page begins before it
        boundary = getattr(stream, "boundary", None)
        if boundary is not None and place >= boundary:
            return
        at = place - before
        if begin >= 0 and (end := data.find(END, at)) >= 0:
            at = end + len(END)
            _check_length(at - begin, max_bytes=max_bytes)
            yield bytes(data[begin:at])
            continue
        del data[:at]  # a bytearray does this without copying the rest, once per block
        before, at = place, 0
        if not _read_block(stream, data):
            if begin >= 0:
                raise PageTooLongError("the last page is not closed; the file is cut short")
            return
        if begin >= 0:
            _read_to_end_of_page(stream, data, max_bytes=max_bytes)


def _read_block(stream: BinaryIO, data: bytearray) -> bool:
    """Append a block to `data`. Return False at the end of the stream."""
    block = stream.read(_BLOCK_BYTES)
    data += block
    return bool(block)


def _read_to_end_of_page(stream: BinaryIO, data: bytearray, *, max_bytes: int) -> None:
    """Read on until the page at the begin of `data` is closed, or the stream ends."""
    searched = 0
    while data.find(END, searched) < 0:
        _check_length(len(data), max_bytes=max_bytes)
        searched = max(0, len(data) - len(END) + 1)
        if not _read_block(stream, data):
            return


def _check_length(num_bytes: int, *, max_bytes: int) -> None:
    if num_bytes > max_bytes:
        raise PageTooLongError(f"a page is longer than {max_bytes >> 20} MB, or is not closed")
