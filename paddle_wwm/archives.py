"""Unpack untrusted zip and tar archives safely.

Model archives can come from anyone. Only the bytes of a member and its path below the target folder are used. Links,
devices, owners, permission bits and paths that leave the folder are not. Size limits apply to the bytes that are
actually unpacked, not to the sizes that the archive declares.

The format is detected from the first bytes, not from the file name: zip (stored, deflate) and tar (plain, gzip,
bzip2). Damage that a format lets one detect is an error; see `zip_reader` and `tar_reader`.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Callable, Iterator

from .errors import ArchiveError
from .files import atomic_directory
from .progress import Progress, counted
from .tar_reader import BLOCK_BYTES as TAR_BLOCK_BYTES
from .tar_reader import TarMember, read_tar, starts_a_tar
from .zip_reader import is_zip, open_zip

BLOCK_BYTES = 1 << 20
MAX_NAME_BYTES, MAX_DEPTH = 255, 32
ZIP_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # other methods are rare, and lzma can allocate gigabytes of memory
COMPRESSED_TARS: tuple[tuple[bytes, Callable[..., Any]], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open))


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """Limits on the size of an unpacked archive.

    Weights hardly compress. An archive that grows more than `max_growth` times, beyond `free_bytes`, is a zip bomb.
    """

    max_members: int = 10_000
    max_total_bytes: int = 20 << 30
    max_growth: int = 100
    free_bytes: int = 256 << 20  # always allowed: vocabularies and configurations compress well

    def total_bytes(self, archive_bytes: int) -> int:
        """Return the maximum unpacked size of an archive of `archive_bytes` bytes."""
        return min(self.max_total_bytes, max(self.free_bytes, self.max_growth * archive_bytes))


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One entry of an archive.

    Attributes:
        path: Relative path, already checked.
        size: Size in bytes that the archive declares.
        open: Opens the content; None for a folder.
    """

    path: PurePosixPath
    size: int
    open: Callable[[], contextlib.AbstractContextManager[IO[bytes] | TarMember]] | None


def is_archive(path: str | Path) -> bool:
    """Return True if the content of a file looks like a supported archive."""
    path = Path(path)
    if not path.is_file():
        return False
    if is_zip(path):
        return True
    with contextlib.suppress(ArchiveError, OSError, EOFError, ValueError, zlib.error), _open_tar(path):
        return True
    return False


def unpack_archive(
    archive: str | Path,
    *,
    target: str | Path,
    limits: ArchiveLimits | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Unpack a zip or tar archive into the new folder `target`.

    `target` appears only when everything is unpacked. After an error nothing is left behind.

    Args:
        archive: The archive file.
        target: The folder to create. It must not exist.
        limits: Limits on sizes and on the number of members.
        progress: Called with the number of unpacked bytes.

    Returns:
        `target`.

    Raises:
        ArchiveError: The archive is damaged or exceeds `limits`, or a member has an unsafe path, is a link or a
            device, is encrypted or appears twice. The message names the archive and the member.
    """
    archive, target = Path(archive), Path(target)
    limits = limits or ArchiveLimits()
    if not archive.is_file():
        raise ArchiveError(f"{archive}: no such archive.")
    with _errors_of(archive):
        members = _zip_members if is_zip(archive) else _tar_members
        with (
            atomic_directory(target) as folder,
            counted(progress, stage="unpack", total=None, unit="B") as unpacked,
        ):
            for member in _checked(members(archive), archive=archive, limits=limits):
                place = folder / member.path
                if member.open is None:
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, open(place, "xb") as copy:
                    num_bytes = 0
                    while block := source.read(BLOCK_BYTES):
                        num_bytes += len(block)
                        if num_bytes > member.size:
                            raise ArchiveError(
                                f"{archive}: member {member.path} holds more than the {member.size:,} bytes "
                                f"that the archive declares for it."
                            )
                        copy.write(block)
                        unpacked.update(len(block))
                if num_bytes != member.size:
                    raise ArchiveError(
                        f"{archive}: is damaged or incomplete: member {member.path} holds {num_bytes:,} of "
                        f"{member.size:,} bytes."
                    )
    return target


def _checked(members: Iterator[_Member], *, archive: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    """Yield the members.

    Raises:
        ArchiveError: A member exceeds a limit or would overwrite another one. It is raised before its bytes are read.
    """
    files: set[PurePosixPath] = set()
    folders = {PurePosixPath()}
    max_bytes = limits.total_bytes(archive.stat().st_size)
    num_bytes = 0
    for number, member in enumerate(members, start=1):
        num_bytes += member.size
        if number > limits.max_members:
            raise ArchiveError(
                f"{archive}: holds more than {limits.max_members:,} members, but a model archive holds only a few."
            )
        if num_bytes > max_bytes:
            raise ArchiveError(
                f"{archive}: would unpack to more than {max_bytes:,} bytes, from a file of "
                f"{archive.stat().st_size:,}; this is not a model archive."
            )
        folders.update(member.path.parents)
        if member.open is None:
            folders.add(member.path)
        elif member.path in files or member.path in folders:
            raise ArchiveError(f"{archive}: holds {member.path} twice.")
        else:
            files.add(member.path)
        if not files.isdisjoint((member.path, *member.path.parents) if member.open is None else member.path.parents):
            raise ArchiveError(f"{archive}: {member.path} is below a member that is a file.")
        yield member


def _safe_path(name: str, *, archive: Path) -> PurePosixPath:
    """Return the name of a member as a path below the target folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise ArchiveError(
            f"{archive}: member {name!r} would be written outside of the folder; the archive is rejected."
        )
    if any(ord(char) < 32 for char in name) or any(
        len(part.encode("utf-8", "replace")) > MAX_NAME_BYTES for part in path.parts
    ):
        raise ArchiveError(f"{archive}: member {name[:80]!r} has an invalid file name.")
    if len(path.parts) > MAX_DEPTH:
        raise ArchiveError(f"{archive}: member {name[:80]!r} is more than {MAX_DEPTH} folders deep.")
    return path


def _zip_members(path: Path) -> Iterator[_Member]:
    try:
        opened = open_zip(path)
    except zipfile.BadZipFile as error:
        raise ArchiveError(f"is not a complete zip archive: {error}") from None
    with opened as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if the archive was not made on Unix
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(
                    f"{path}: member {info.filename!r} is a link or a device; models contain none, so the "
                    f"archive is rejected."
                )
            if info.flag_bits & 0x1:
                raise ArchiveError(
                    f"{path}: member {info.filename!r} is encrypted; unpack the archive by hand and pass the "
                    f"folder instead."
                )
            if info.compress_type not in ZIP_METHODS:
                raise ArchiveError(
                    f"{path}: member {info.filename!r} is neither stored nor deflated; unpack the archive by hand "
                    f"and pass the folder instead."
                )
            opener: Callable[[], IO[bytes]] | None = None if info.is_dir() else partial(archive.open, info)
            if opener is None:
                archive.open(info).close()  # zipfile compares the name in the directory with the member's own
            yield _Member(path=_safe_path(info.filename, archive=path), size=info.file_size, open=opener)


def _tar_members(path: Path) -> Iterator[_Member]:
    with _open_tar(path) as stream:
        for member in read_tar(stream):
            if not (member.is_file or member.is_folder):
                raise ArchiveError(
                    f"{path}: member {member.name!r} is a link or a device; models contain none, so the "
                    f"archive is rejected."
                )
            opener = partial(_content_of, member) if member.is_file else None
            yield _Member(path=_safe_path(member.name, archive=path), size=member.size, open=opener)


def _content_of(member: TarMember) -> contextlib.nullcontext[TarMember]:
    return contextlib.nullcontext(member)


@contextlib.contextmanager
def _open_tar(path: Path) -> Iterator[IO[bytes]]:
    with open(path, "rb") as stream:
        start = stream.read(4)
    opener = next((opener for magic, opener in COMPRESSED_TARS if start.startswith(magic)), open)
    with opener(path, "rb") as content:
        if not starts_a_tar(content.read(TAR_BLOCK_BYTES)):
            raise ArchiveError("is not a complete zip, tar, tar.gz or tar.bz2 archive")
        content.seek(0)
        yield content


@contextlib.contextmanager
def _errors_of(archive: Path) -> Iterator[None]:
    """Turn the standard library's errors on bad archives into ArchiveError.

    Other errors of the system, such as a full disk, are not changed.
    """
    try:
        yield
    except ArchiveError as error:
        if str(error).startswith(str(archive)):
            raise
        raise ArchiveError(f"{archive}: {error}; copy or download the archive again.") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: a forged offset
            raise
        raise ArchiveError(f"{archive}: is damaged or incomplete: {error}.") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:  # zlib.error, EOFError, struct.error, BadZipFile, RecursionError, MemoryError, ...
        raise ArchiveError(f"{archive}: is damaged or incomplete: {error or type(error).__name__}.") from None
