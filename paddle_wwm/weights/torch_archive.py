"""Check the zip archive that torch.save writes, and find its members.

torch.load compares no checksums. Here every member is compared with its CRC-32 before a tensor is read, which takes
about a second per gigabyte.
"""

from __future__ import annotations

import contextlib
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Mapping, Sequence

from ..zip_reader import is_zip, open_zip
from .tensors import FilePart

PICKLE_NAME = "data.pkl"
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
FORMAT_VERSIONS = range(1, 11)  # those that torch accepts
IS_ENCRYPTED, HAS_UTF8_NAME = 0x1, 0x800


def is_torch_archive(path: str | Path) -> bool:
    """Return True if torch.save wrote this zip archive.

    torch writes data.pkl first, so a file that is cut off is recognised, too.
    """
    if not is_zip(path):
        return False
    with open(path, "rb") as stream:
        head = stream.read(LOCAL_HEADER.size).ljust(LOCAL_HEADER.size, b"\0")
        names = [stream.read(LOCAL_HEADER.unpack(head)[-2]).decode("latin1")]
    with contextlib.suppress(OSError, zipfile.BadZipFile, ValueError), zipfile.ZipFile(path) as archive:
        names += archive.namelist()
    return any(_is_pickle(name) for name in names)


def _is_pickle(name: str) -> bool:
    return name.split("/")[-1] == PICKLE_NAME


def find_members(path: Path, *, ignore_crc: bool) -> dict[str, FilePart]:
    """Check an archive of torch.save and return its members.

    Args:
        ignore_crc: do not compare checksums.

    Returns:
        The places of the members, by their names without the root folder.

    Raises:
        pickle.UnpicklingError, zipfile.BadZipFile: the archive is damaged, or torch writes no such archive.
    """
    with open_zip(path) as archive, open(path, "rb") as stream:
        infos = archive.infolist()
        parts = {info.filename: _member(path, stream, info) for info in infos}
    pickles = [name for name in parts if _is_pickle(name)]
    if len(pickles) != 1:
        raise pickle.UnpicklingError(f"it must be a zip archive with one {PICKLE_NAME}, but has {len(pickles)}")
    if len(parts) != len(infos) or sum(part.num_bytes for part in parts.values()) > path.stat().st_size:
        raise pickle.UnpicklingError("its members overlap, or two have the same name")
    if not ignore_crc:
        _compare_checksums(infos, parts)
    root = pickles[0].removesuffix(PICKLE_NAME)
    members = {name.removeprefix(root): part for name, part in parts.items() if name.startswith(root)}
    version = _text(members, "version")
    if not version.isdigit() or int(version) not in FORMAT_VERSIONS:
        raise pickle.UnpicklingError(f"its version must be from 1 to 10, but is {version!r}")
    if (byte_order := _text(members, "byteorder", default="little")) != "little":
        raise pickle.UnpicklingError(f"its byte order must be little, but is {byte_order!r}")
    return members


def _member(path: Path, stream: IO[bytes], info: zipfile.ZipInfo) -> FilePart:
    """Return the place of a member's bytes."""
    if (
        info.compress_type != zipfile.ZIP_STORED
        or info.flag_bits & IS_ENCRYPTED
        or info.file_size != info.compress_size
    ):
        raise pickle.UnpicklingError(
            f"member {info.filename[:80]!r} is compressed or encrypted, which torch does not do"
        )
    stream.seek(info.header_offset)
    head = stream.read(LOCAL_HEADER.size).ljust(LOCAL_HEADER.size, b"\0")
    *_, name_length, extra_length = LOCAL_HEADER.unpack(head)
    name = stream.read(name_length)
    encoding = "utf-8" if info.flag_bits & HAS_UTF8_NAME else "cp437"
    if not head.startswith(b"PK\x03\x04") or name != info.orig_filename.encode(encoding):
        raise pickle.UnpicklingError(f"member {info.filename[:80]!r} is not at the offset in the archive's directory")
    offset = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
    return FilePart(path=path, name=info.filename, offset=offset, num_bytes=info.file_size)


def _compare_checksums(infos: Sequence[zipfile.ZipInfo], parts: Mapping[str, FilePart]) -> None:
    if not any(info.CRC for info in infos):
        raise pickle.UnpicklingError(
            "it has no checksums, because torch.serialization.set_crc32_options(False) was used, so damage in it "
            "cannot be found. To read it anyway, add --ignore-crc"
        )
    for info in infos:
        crc = 0
        for block in parts[info.filename].blocks():
            crc = zlib.crc32(block, crc)
        if crc != info.CRC:
            raise pickle.UnpicklingError(
                f"the checksum of its member {info.filename[:80]!r} is wrong, so the file is damaged: copy or download "
                "it again. (Files that torch wrote after torch.serialization.set_crc32_options(False) have no "
                "checksums. For such a file, add --ignore-crc)"
            )


def _text(members: Mapping[str, FilePart], name: str, *, default: str = "") -> str:
    """Return the content of a small member."""
    if name not in members:
        return default
    return bytes(members[name].read()[:16]).decode("latin1").strip()
