"""Open a zip archive and check its directory.

zipfile looks for the directory at the end of a file. So it takes a tar for a zip if the last member of the tar is a
zip, and it ignores bytes in front of the archive and behind it. Here the first bytes decide whether a file is a zip,
and the archive must fill the whole file and have as many members as it states.
Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

HEADS = (b"PK\x03\x04", b"PK\x05\x06")  # of the first member, or of the end of an empty archive
# signature, two disk numbers, two counts of members, size and offset of the directory, length of the comment
_END, _END_HEAD = struct.Struct("<4s4H2IH"), b"PK\x05\x06"
# signature, size, two versions, two disk numbers, two counts of members, size and offset of the directory
_END_64, _END_64_HEAD = struct.Struct("<4sQ2H2I4Q"), b"PK\x06\x06"
# signature, disk number, offset of the record above, number of disks
_LOCATOR, _LOCATOR_HEAD = struct.Struct("<4sIQI"), b"PK\x06\x07"


def is_zip(path: str | Path) -> bool:
    """Return True if a file begins like a zip archive."""
    try:
        with open(path, "rb") as stream:
            return stream.read(4) in HEADS
    except OSError:
        return False


def open_zip(path: str | Path) -> zipfile.ZipFile:
    """Open a zip archive. The caller closes it.

    Raises:
        zipfile.BadZipFile: The archive is damaged, or the file has bytes before or after it.
    """
    archive = zipfile.ZipFile(path)
    try:
        if not is_zip(path) or not _is_whole(archive, Path(path)):
            raise zipfile.BadZipFile("its directory does not fit the file: bytes are missing, changed or added")
        return archive
    except BaseException:
        archive.close()
        raise


def _is_whole(archive: zipfile.ZipFile, path: Path) -> bool:
    """Return True if the records at the end of an archive are right."""
    end = path.stat().st_size - _END.size - len(archive.comment)
    with open(path, "rb") as stream:
        stream.seek(max(0, end - _LOCATOR.size - _END_64.size))
        tail = stream.read().rjust(_LOCATOR.size + _END_64.size + _END.size + len(archive.comment), b"\0")
    if any(info.volume != 0 for info in archive.infolist()):
        return False  # the archive is one of several files
    start, count = archive.start_dir, len(archive.infolist())
    _, *end_64 = _END_64.unpack_from(tail)
    locator_head, *locator = _LOCATOR.unpack_from(tail, _END_64.size)
    end_head, *numbers = _END.unpack_from(tail, _END_64.size + _LOCATOR.size)
    if locator_head != _LOCATOR_HEAD:
        return end_head == _END_HEAD and numbers == [0, 0, count, count, end - start, start, len(archive.comment)]
    place = end - _LOCATOR.size - _END_64.size
    expected = [0, 0, count, count, place - start, start]
    limits = [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF]  # these mean that the other record has the number
    return (
        end_head == _END_HEAD
        and all(number in (right, limit) for number, right, limit in zip(numbers, expected, limits))
        and numbers[-1] == len(archive.comment)
        and tail.startswith(_END_64_HEAD)
        and end_64[3:] == expected
        and locator in ([0, place, 0], [0, place, 1])
    )
