"""Read a tar archive from front to back, and refuse what GNU tar refuses.

tarfile takes a damaged header for the end of the archive, so members are lost without an error, and it ignores damage
in extended headers. Here every header is checked: its checksum, its numbers, and the records of extended headers.

Formats: POSIX (ustar and pax), GNU (long names, large sizes) and the older one (v7). The content of members has no
checksum in a tar, so damage inside of it cannot be found. Errors do not name the archive; the caller adds its path.
Source: IEEE Std 1003.1, "pax Interchange Format"; GNU tar, src/list.c and src/xheader.c.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import IO, Callable, Iterator

from .errors import ArchiveError

logger = logging.getLogger(__name__)

BLOCK_BYTES = 512  # of headers; the content of a member is filled up to a multiple of it
READ_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 << 20  # an extended header is read into memory
MAX_PADDING_BYTES = 1 << 20
MAX_EXTENDED_HEADERS = 8  # of one member; tar programs write up to four
FILE_TYPES, FOLDER_TYPE, SPARSE_TYPE = (b"0", b"\0", b"7"), b"5", b"S"
PAX_TYPES, PAX_OF_ALL_TYPE = (b"x", b"X"), b"g"
LONG_NAME_TYPE, LONG_LINK_TYPE = b"L", b"K"
_NUMBER = re.compile(rb"[ \0]*([0-7]+)(?:[ \0].*)?", re.DOTALL)
_RECORD = re.compile(rb"([1-9][0-9]{0,8}) ([^=]+)=")
_RULES_OF_RECORDS = {
    **dict.fromkeys((b"size", b"uid", b"gid"), re.compile(rb"[0-9]{1,20}")),
    **dict.fromkeys((b"mtime", b"atime", b"ctime"), re.compile(rb"-?[0-9]+(\.[0-9]*)?")),
    b"path": re.compile(rb"[^\0]+"),
}


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """One member of a tar archive.

    Attributes:
        size: Number of bytes; 0 unless it is a regular file.
        is_file: True for a regular file. Links, devices and sparse files are neither files nor folders.
        read: Return up to this number of the next bytes of the content. It works until the next member is read.
    """

    name: str
    size: int
    is_file: bool
    is_folder: bool
    read: Callable[[int], bytes]


def starts_a_tar(block: bytes) -> bool:
    """Return True if a file with these first 512 bytes is a tar archive."""
    return len(block) == BLOCK_BYTES and _checksum_is_right(block)


def read_tar(stream: IO[bytes]) -> Iterator[TarMember]:
    """Yield the members of a tar archive in their order.

    As in GNU tar, the blocks of zeros at the end may be missing, and a warning is logged.

    Raises:
        ArchiveError: A header is damaged, the archive ends too early, or something follows its end.
    """
    blocks = _Blocks(stream)
    records_of_all: dict[bytes, bytes] = {}
    records: dict[bytes, bytes] = {}
    num_extended = 0
    while (header := blocks.header()) is not None:
        kind = header[156:157]
        size = _size_of(header, place=blocks.place)
        if kind in (*PAX_TYPES, PAX_OF_ALL_TYPE, LONG_NAME_TYPE, LONG_LINK_TYPE):
            num_extended += 1
            if num_extended > MAX_EXTENDED_HEADERS:
                raise ArchiveError(f"a member has more than {MAX_EXTENDED_HEADERS} extended headers")
            content = blocks.extended(size)
            if kind in PAX_TYPES:
                records |= _records_of(content, place=blocks.place)
            elif kind == PAX_OF_ALL_TYPE:
                records_of_all |= _records_of(content, place=blocks.place)
            elif kind == LONG_NAME_TYPE:
                records[b"path"] = content.split(b"\0", 1)[0]
            continue
        member = _member(header, kind, size=size, records={**records_of_all, **records}, blocks=blocks)
        yield member
        blocks.skip_rest()
        records, num_extended = {}, 0
    if num_extended:
        raise ArchiveError("is cut off: it ends after an extended header, before the member of this header")


def _member(header: bytes, kind: bytes, *, size: int, records: dict[bytes, bytes], blocks: _Blocks) -> TarMember:
    if kind in (b"1", b"2", b"3", b"4", b"6"):
        size = 0  # links and devices have no content, whatever the header says
    elif b"size" in records:
        size = int(records[b"size"])
    is_sparse = kind == SPARSE_TYPE or any(name.startswith(b"GNU.sparse.") for name in records)
    name = records.get(b"path") or _name_of(header)
    is_folder = kind == FOLDER_TYPE or (kind == b"\0" and name.endswith(b"/"))
    if is_folder and size:
        raise ArchiveError(f"the header at byte {blocks.place:,} gives a folder {size:,} bytes of content")
    blocks.begin(size)
    return TarMember(
        name=name.decode("utf-8", "surrogateescape"),
        size=size,
        is_file=kind in FILE_TYPES and not is_folder and not is_sparse,
        is_folder=is_folder,
        read=blocks.read,
    )


class _Blocks:
    """Reads a stream in blocks, and knows which bytes belong to the current member.

    Attributes:
        place: Offset of the last header.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._position = self._left = self._padding = self.place = 0

    def header(self) -> bytes | None:
        """Return the next header block, or None at the end of the archive."""
        self.place, block = self._position, self._take(BLOCK_BYTES)
        if not any(block):
            self._check_end(block)
            return None
        if len(block) < BLOCK_BYTES:
            raise ArchiveError(f"is cut off: it ends inside of the header at byte {self.place:,}")
        if not _checksum_is_right(block):
            raise ArchiveError(
                f"the header at byte {self.place:,} is damaged: its checksum is wrong, or bytes before it are missing"
            )
        return block

    def begin(self, size: int) -> None:
        """Start a member whose content has this size."""
        self._left, self._padding = size, -size % BLOCK_BYTES

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the content of the member."""
        data = self._take(min(size, self._left))
        self._left -= len(data)
        if not data and size and self._left:
            raise ArchiveError(f"is cut off: it ends inside of the member at byte {self.place:,}")
        return data

    def skip_rest(self) -> None:
        """Go to the next header."""
        while self.read(READ_BYTES):
            pass
        if len(self._take(self._padding)) < self._padding:
            raise ArchiveError(f"is cut off: it ends inside of the member at byte {self.place:,}")
        self._padding = 0

    def extended(self, size: int) -> bytes:
        """Return the content of an extended header."""
        if size > MAX_HEADER_BYTES:
            raise ArchiveError(f"the header at byte {self.place:,} asks for {size:,} bytes of memory")
        self.begin(size)
        content = self.read(size)
        if len(content) < size:
            raise ArchiveError(f"is cut off: it ends inside of the header at byte {self.place:,}")
        self.skip_rest()
        return content

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size) if size else b""
        self._position += len(data)
        return data

    def _check_end(self, block: bytes) -> None:
        """Check that only zeros follow; read a compressed stream to its checksum."""
        if not block:
            logger.warning(
                "%s: has no end-of-archive blocks. If members are missing, the file is cut off; copy it again.",
                getattr(self._stream, "name", "the archive"),
            )
        rest = self._take(MAX_PADDING_BYTES)
        if any(rest):
            raise ArchiveError(f"has other bytes after the end of the archive, which is at byte {self.place:,}")
        if len(rest) == MAX_PADDING_BYTES:
            raise ArchiveError(f"holds more than {MAX_PADDING_BYTES:,} bytes after its last member")


def _checksum_is_right(block: bytes) -> bool:
    """Compare the checksum of a header.

    It is the sum of the bytes, with spaces in place of the checksum.
    """
    match = _NUMBER.fullmatch(block[148:156])
    summed = block[:148] + b" " * 8 + block[156:]
    # some old programs added up signed bytes
    sums = (sum(summed), sum(summed) - 256 * sum(byte > 127 for byte in summed))
    return match is not None and int(match[1], 8) in sums


def _size_of(header: bytes, *, place: int) -> int:
    field = header[124:136]
    if field[0] == 0x80:  # GNU's form for sizes from 8 GiB
        return int.from_bytes(field[1:], "big")
    match = _NUMBER.fullmatch(field)
    if match is None:
        raise ArchiveError(f"the header at byte {place:,} has the invalid size {field!r}")
    return int(match[1], 8)


def _name_of(header: bytes) -> bytes:
    name, prefix = (field.split(b"\0", 1)[0] for field in (header[:100], header[345:500]))
    is_posix = header[257:263] == b"ustar\0"  # other formats have other things in place of the prefix
    return prefix + b"/" + name if is_posix and prefix else name


def _records_of(content: bytes, *, place: int) -> dict[bytes, bytes]:
    """Return the records "LENGTH KEY=VALUE\\n" of an extended header."""
    records, position = {}, 0
    while position < len(content):
        match = _RECORD.match(content, position)
        end = position + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise ArchiveError(f"the extended header at byte {place:,} is damaged")
        key, value = match[2], content[match.end() : end - 1]
        rule = _RULES_OF_RECORDS.get(key)
        if rule is not None and not rule.fullmatch(value):
            raise ArchiveError(
                f"the extended header at byte {place:,} has the invalid value {value[:40]!r} for {key.decode()}"
            )
        records[key] = value
        position = end
    return records
