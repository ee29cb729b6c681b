"""Find and open the files of a corpus: from names, globs and folders to streams of uncompressed bytes."""

from __future__ import annotations

import enum
import glob
import gzip
import io
import itertools
import lzma
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Iterable

from ..errors import DataError
from ..files import require_local
from ..optional import need_package


class Format(enum.Enum):
    """The format of a file.

    TEXT: lines of text, with blank lines between documents. JSON_LINES: one JSON object per line. PARQUET: a table.
    """

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
READ_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)  # from broken compressed data


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file.

    Attributes:
        compression: "" or one of COMPRESSIONS.
        name: The path below the folder that was searched, or the file name. It can be encoded in UTF-8.
    """

    path: Path
    format: Format
    compression: str
    name: str

    @property
    def file_name(self) -> str:
        """The last part of the path, as text that can be encoded in UTF-8."""
        return _text_of(Path(self.path.name))


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files in reading order, and the files in folders that were skipped.

    passed_over: files with other endings, links to folders, and broken links.
    """

    files: tuple[Source, ...]
    passed_over: tuple[Path, ...]


def source_of(path: Path, *, format: Format | None, folder: Path | None = None) -> Source | None:
    """Return a file as a source, or None if its format is unknown.

    Args:
        path: The file.
        format: It takes precedence over the ending of the name.
        folder: The name of the source is the path below this folder. None: the file name.
    """
    compression = path.suffix.lower() if path.suffix.lower() in COMPRESSIONS else ""
    inner = Path(path.stem) if compression else path
    found = format or FORMATS.get(inner.suffix.lower())
    name = _text_of(path.relative_to(path.parent if folder is None else folder))
    return None if found is None else Source(path=path, format=found, compression=compression, name=name)


def _text_of(path: Path) -> str:
    """Return a path as text.

    Paths on disk are bytes, and old ones can have another encoding.
    """
    return os.fsencode(path).decode("utf-8", "replace")


def find_sources(names: Iterable[str | Path], *, format: Format | None = None) -> Sources:
    """Return the sources that files, globs (also `**`) and folders stand for.

    Folders are searched recursively, in the order of the names, and only files with known endings are taken. A file
    that is named directly, but has an unknown ending, is read as text. If a glob matches a file twice, directly and
    through its folder (as `**` does), the file is taken once.

    Args:
        names: Files, globs and folders.
        format: The format of all files. By default, the ending of each file decides.

    Raises:
        ConfigError: A name is an address, such as s3://bucket/name.
        DataError: A file is missing, a glob matches nothing, or a folder has no usable files.
    """
    files: list[Source] = []
    passed_over: list[Path] = []
    for name in names:
        require_local(name)
        # the name of an existing file is not a glob, even if it contains [ or *
        if os.path.lexists(name):
            found, folder = [Path(name)], Path(name) if os.path.isdir(name) else Path(name).parent
        else:
            found, folder = [Path(match) for match in sorted(glob.glob(str(name), recursive=True))], _folder_of(name)
        if not found:
            raise DataError(f"{name}: no such file; name an existing file, folder or glob.")
        usable: dict[Path, Source | None] = {}
        for path in found:
            of_path = (
                _sources_in(path, format=format, folder=folder)
                if path.is_dir()
                else {path: _source_named(path, format=format, folder=folder)}
            )
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


def _folder_of(pattern: str | Path) -> Path:
    """Return the folder of a glob: the parts before the first one with a wildcard."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts[:-1]))


def _source_named(path: Path, *, format: Format | None, folder: Path) -> Source | None:
    if not path.exists():
        raise DataError(f"{path}: is a broken link; its target does not exist.")
    if not path.is_file():
        raise DataError(
            f"{path}: is not a regular file (a pipe or a device?); files are read more than once, so save the content "
            "as a file."
        )
    return source_of(path, format=format, folder=folder) or source_of(path, format=Format.TEXT, folder=folder)


def _sources_in(below: Path, *, format: Format | None, folder: Path) -> dict[Path, Source | None]:
    """Return the files below `below`, each with its source or None if it is skipped.

    Skipped are files with other endings, files that are not regular, broken links, and links to folders (they can
    form a cycle).
    """
    found = sorted(
        path
        for path in below.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and not _is_hidden(path.relative_to(below))
    )
    return {path: source_of(path, format=format, folder=folder) if path.is_file() else None for path in found}


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def open_source(source: Source) -> BinaryIO:
    """Open a source as a stream of uncompressed bytes.

    Reading truncated or broken compressed data raises one of READ_ERRORS.
    """
    if source.compression == ".gz":
        return gzip.open(source.path, "rb")  # type: ignore[return-value]
    if source.compression == ".xz":
        return lzma.open(source.path, "rb")  # type: ignore[return-value]
    if source.compression == ".zst":
        need_package("pyarrow", purpose="a .zst file")
        import pyarrow

        # Arrow's stream detects a truncated frame; the reader of the zstandard package takes it for the end
        return io.BufferedReader(pyarrow.input_stream(str(source.path), compression="zstd"))
    return open(source.path, "rb")


def open_seekable(source: Source) -> BinaryIO:
    """Open a source as a seekable stream of uncompressed bytes.

    A compressed file is unpacked into an unnamed temporary file.
    """
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
