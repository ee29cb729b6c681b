"""Zip and tar archives, unpacked without trusting them.

Archives of models come from strangers. Of a member, only its bytes and its place below the target folder are taken:
never a link, a device, an owner, permission bits or a name that leads elsewhere. Sizes are bounded by what is really
unpacked, not by what the archive says.
Kinds are told by content, not by name: zip (stored, deflate) and tar (plain, gzip, bzip2).
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import re
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Callable, Iterator

from .errors import ArchiveError
from .files import atomic_directory
from .progress import Progress, counted

BLOCK_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 << 20  # tarfile reads a member's extended header into memory at whatever size it states
MAX_PADDING_BYTES = 1 << 20
MAX_NAME_BYTES, MAX_DEPTH = 255, 32
ZIP_METHODS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
)  # the others are rare, and lzma may ask for gigabytes of memory
COMPRESSED_TARS: tuple[tuple[bytes, Callable[..., Any]], ...] = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open))


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """What an archive may unpack to. Weights hardly compress: an archive that grows a hundredfold beyond `free_bytes`
    is a bomb.
    """

    max_members: int = 10_000
    max_total_bytes: int = 20 << 30
    max_growth: int = 100
    free_bytes: int = 256 << 20  # small archives may grow more: vocabularies and configurations compress well

    def total_bytes(self, archive_bytes: int) -> int:
        """The most that an archive of that size may unpack to."""
        return min(self.max_total_bytes, max(self.free_bytes, self.max_growth * archive_bytes))


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One entry: `path` is relative and safe, `size` what the archive states, `open` None for a folder."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]] | None


def is_archive(path: str | Path) -> bool:
    """Whether a file looks like an archive that `unpack_archive` takes, by its content."""
    path = Path(path)
    if not path.is_file():
        return False
    if zipfile.is_zipfile(path):
        return True
    with contextlib.suppress(ArchiveError, tarfile.TarError, OSError, EOFError, ValueError), _open_tar(path) as archive:
        return archive.next() is not None
    return False


def unpack_archive(
    archive: str | Path,
    *,
    target: str | Path,
    limits: ArchiveLimits | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Unpack a zip or tar archive into the new folder `target`, which appears only when everything is there; returns
    it.

    Raises ArchiveError naming archive and member: for a name that leads out of the folder, a link or device, an
    encrypted or doubled member, more bytes or members than `limits` allow, a torn archive. Nothing is left behind
    then. `target` must not exist before.
    """
    archive, target = Path(archive), Path(target)
    limits = limits or ArchiveLimits()
    if not archive.is_file():
        raise ArchiveError(f"{archive}: no such archive.")
    with _errors_of(archive):
        members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
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
                                f"that are stated for it."
                            )
                        copy.write(block)
                        unpacked.update(len(block))
                if num_bytes != member.size:
                    raise ArchiveError(
                        f"{archive}: is torn: member {member.path} holds {num_bytes:,} of {member.size:,} bytes."
                    )
    return target


def _checked(members: Iterator[_Member], *, archive: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    """The members, each refused before its bytes are touched where it breaks a limit or would overwrite another."""
    files: set[PurePosixPath] = set()
    folders = {PurePosixPath()}
    max_bytes = limits.total_bytes(archive.stat().st_size)
    num_bytes = 0
    for number, member in enumerate(members, start=1):
        num_bytes += member.size
        if number > limits.max_members:
            raise ArchiveError(
                f"{archive}: holds more than {limits.max_members:,} members; an archive of a model holds a few."
            )
        if num_bytes > max_bytes:
            raise ArchiveError(
                f"{archive}: would unpack to more than {max_bytes:,} bytes, out of "
                f"{archive.stat().st_size:,}: not a model's archive."
            )
        folders.update(member.path.parents)
        if member.open is None:
            folders.add(member.path)
        elif member.path in files or member.path in folders:
            raise ArchiveError(f"{archive}: holds {member.path} twice.")
        else:
            files.add(member.path)
        if not files.isdisjoint((member.path, *member.path.parents) if member.open is None else member.path.parents):
            raise ArchiveError(f"{archive}: {member.path} lies below a member that is a file.")
        yield member


def _safe_path(name: str, *, archive: Path) -> PurePosixPath:
    """A member's name as a path below the target folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or re.match(r"[A-Za-z]:", name):
        raise ArchiveError(
            f"{archive}: member {name!r} would be written outside of the folder; the archive is refused."
        )
    if any(ord(char) < 32 for char in name) or any(
        len(part.encode("utf-8", "replace")) > MAX_NAME_BYTES for part in path.parts
    ):
        raise ArchiveError(f"{archive}: member {name[:80]!r} has a name that no file should have.")
    if len(path.parts) > MAX_DEPTH:
        raise ArchiveError(f"{archive}: member {name[:80]!r} lies more than {MAX_DEPTH} folders deep.")
    return path


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(
                    f"{path}: member {info.filename!r} is a link or a device, which no model needs; the "
                    f"archive is refused."
                )
            if info.flag_bits & 0x1:
                raise ArchiveError(
                    f"{path}: member {info.filename!r} is encrypted; unpack the archive by hand and give the "
                    f"folder instead."
                )
            if info.compress_type not in ZIP_METHODS:
                raise ArchiveError(
                    f"{path}: member {info.filename!r} is neither stored nor deflated; unpack it by hand and "
                    f"give the folder instead."
                )
            opener: Callable[[], IO[bytes]] | None = None if info.is_dir() else partial(archive.open, info)
            yield _Member(path=_safe_path(info.filename, archive=path), size=info.file_size, open=opener)


def _tar_members(path: Path) -> Iterator[_Member]:
    with _open_tar(path) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every header it has read
            if not (info.isreg() or info.isdir()) or info.issparse():
                raise ArchiveError(
                    f"{path}: member {info.name!r} is a link or a device, which no model needs; the archive is refused."
                )
            opener = None if info.isdir() else partial(_content_of, archive, info)
            yield _Member(path=_safe_path(info.name, archive=path), size=0 if info.isdir() else info.size, open=opener)
        # The checksum of a compressed tar stands at its very end, behind the padding, and is compared when that is
        # read.
        if len(archive.fileobj.read(MAX_PADDING_BYTES)) == MAX_PADDING_BYTES:
            raise ArchiveError(f"{path}: holds more than {MAX_PADDING_BYTES:,} bytes behind its last member.")


def _content_of(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(info)
    assert stream is not None  # the member is a regular file
    return stream


@contextlib.contextmanager
def _open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    with open(path, "rb") as stream:
        start = stream.read(4)
    opener = next((opener for magic, opener in COMPRESSED_TARS if start.startswith(magic)), open)
    with opener(path, "rb") as content:
        bounded = _BoundedReads(content)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:  # type: ignore[call-overload]  # has what is called
            yield archive


class _BoundedReads:
    """A file that refuses to read more at once than any header needs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise ArchiveError(f"a header asks for {size:,} bytes of memory")
        return self._read(size)


@contextlib.contextmanager
def _errors_of(archive: Path) -> Iterator[None]:
    """What the standard library raises on torn and forged archives, as one error. A full disk stays a full disk."""
    try:
        yield
    except ArchiveError as error:
        if str(error).startswith(str(archive)):
            raise
        raise ArchiveError(f"{archive}: cannot be unpacked: {error}.") from None
    except tarfile.TarError as error:
        raise ArchiveError(f"{archive}: is no whole zip, tar, tar.gz or tar.bz2 archive: {error}.") from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: a forged offset
            raise
        raise ArchiveError(f"{archive}: is torn: {error}.") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:  # zlib.error, EOFError, struct.error, BadZipFile, RecursionError, MemoryError, ...
        raise ArchiveError(f"{archive}: is torn: {error or type(error).__name__}.") from None
