"""The files of a corpus: names, globs and folders to sources with a format and a compression, and streams of their
bytes.
"""

from __future__ import annotations

import enum
import glob
import gzip
import io
import lzma
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterable

from ..errors import DataError
from ..optional import need_package


class Format(enum.Enum):
    """What a file holds: lines with blank lines between documents, one JSON object a line, or a Parquet table."""

    TEXT = "text"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"


FORMATS = {
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON_LINES,
    ".parquet": Format.PARQUET,
}
COMPRESSIONS = (".gz", ".xz", ".zst")
READ_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)  # what reading broken or truncated compressed data raises


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file. `compression` is "" or an ending of COMPRESSIONS."""

    path: Path
    format: Format
    compression: str

    @property
    def name(self) -> str:
        """The file's name as text that every encoding takes: names on disk are bytes, and old ones need not be
        UTF-8.
        """
        return os.fsencode(self.path.name).decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files in the order they are read in, and the files of the folders that were skipped because of their
    endings.
    """

    files: tuple[Source, ...]
    passed_over: tuple[Path, ...]


def source_of(path: Path, *, format: Format | None) -> Source | None:
    """The source that a file is by `format` or its endings; None where neither tells."""
    compression = path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""
    inner = Path(path.stem) if compression else path
    found = format or FORMATS.get(inner.suffix.lower())
    return None if found is None else Source(path=path, format=found, compression=compression)


def find_sources(names: Iterable[str | Path], *, format: Format | None = None) -> Sources:
    """Files, globs (`**` too) and folders (searched through, in the order of their names) as sources.

    A file named by itself is text where its ending says nothing; of folders only files with known endings are taken.
    A file that a glob matches twice, by itself and in a folder (as `**` does), is taken once.
    Raises DataError for a missing file, a glob that matches nothing, a folder without usable files; before any work is
    done.
    """
    files: list[Source] = []
    passed_over: list[Path] = []
    for name in names:
        # a name that is there is that file, also where it has [ or * in it
        found = (
            [Path(name)]
            if os.path.lexists(name)
            else [Path(match) for match in sorted(glob.glob(str(name), recursive=True))]
        )
        if not found:
            raise DataError(f"{name}: no such file.")
        usable: dict[Path, Source | None] = {}
        for path in found:
            of_path = _sources_in(path, format=format) if path.is_dir() else {path: _source_named(path, format=format)}
            usable.update({key: source for key, source in of_path.items() if not usable.get(key)})
        taken = [source for source in usable.values() if source is not None]
        if not taken:
            raise DataError(
                f"{name}: is a folder without files that end in {', '.join(FORMATS)} (and {', '.join(COMPRESSIONS)})."
            )
        files.extend(taken)
        passed_over.extend(path for path, source in usable.items() if source is None)
    if not files:
        raise DataError("no corpus files were given; name at least one file or folder.")
    return Sources(files=tuple(files), passed_over=tuple(passed_over))


def _source_named(path: Path, *, format: Format | None) -> Source | None:
    if not path.exists():
        raise DataError(f"{path}: is a link to nothing.")
    if not path.is_file():
        raise DataError(
            f"{path}: is not a regular file (a pipe or a device?); files are read more than once, so save it as one."
        )
    return source_of(path, format=format) or source_of(path, format=Format.TEXT)


def _sources_in(folder: Path, *, format: Format | None) -> dict[Path, Source | None]:
    """The files below a folder; None for those that are skipped: of other endings, no regular files, links that
    lead nowhere or to folders (those may lead back).
    """
    below = sorted(
        path
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and not _is_hidden(path.relative_to(folder))
    )
    return {path: source_of(path, format=format) if path.is_file() else None for path in below}


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def open_source(source: Source) -> BinaryIO:
    """The uncompressed bytes as a stream. Truncated or broken compressed data raise one of READ_ERRORS when they are
    read.
    """
    if source.compression == ".gz":
        return gzip.open(source.path, "rb")  # type: ignore[return-value]
    if source.compression == ".xz":
        return lzma.open(source.path, "rb")  # type: ignore[return-value]
    if source.compression == ".zst":
        need_package("pyarrow", purpose="a .zst file")
        import pyarrow

        # Arrow's stream notices a truncated frame, which the zstandard package's reader takes for the end
        return io.BufferedReader(pyarrow.input_stream(str(source.path), compression="zstd"))
    return open(source.path, "rb")


def open_seekable(source: Source) -> BinaryIO:
    """As `open_source`, for readers that jump: compressed files are unpacked into an unnamed temporary file."""
    if not source.compression:
        return open(source.path, "rb")
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    try:
        with open_source(source) as stream:
            while block := stream.read(1 << 20):
                unpacked.write(block)
        unpacked.seek(0, os.SEEK_SET)
    except BaseException:
        unpacked.close()
        raise
    return unpacked
