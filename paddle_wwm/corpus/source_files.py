"""Find the files of a corpus: from names, globs and folders to sources with a format."""

from __future__ import annotations

import glob
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from ..errors import DataError
from ..file_kinds import COMPRESSIONS
from ..files import require_local
from ..text_encodings import UTF_8
from .content import content_of, formats_of_name
from .formats import ENDINGS, Format, Source, text_of_path

_SHOWN_BY_CONTENT = {
    Format.MEDIAWIKI: "the dump of a MediaWiki",
    Format.PARQUET: "a Parquet table",
    Format.ARROW: "an Arrow table",
}


_METADATA = ("dataset_info.json", "dataset_dict.json", "state.json")  # next to the Arrow files of Hugging Face


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files in reading order, and the files in folders that were skipped.

    passed_over: files with other endings, links to folders, and broken links.
    """

    files: tuple[Source, ...]
    passed_over: tuple[Path, ...]


def source_of(path: Path, *, format: Format | None, folder: Path | None = None, encoding: str = UTF_8) -> Source | None:
    """Return a file as a source, or None if nothing shows its format.

    The content decides. The name decides only between text, CSV and TSV, or if the file is empty or damaged.

    Args:
        path: The file.
        format: It takes precedence over content and name, except that an archive or other data is never text.
        folder: The name of the source is the path below this folder. None: the file name.
        encoding: The encoding of the text.
    """
    content = content_of(path, encoding=encoding)
    of_name = formats_of_name(path.name)
    found = content.format
    if format is not None:
        found = format
    elif found is None or found in of_name:
        found = found or next(iter(of_name), None)
    elif found in (Format.JSON_LINES, Format.JSON, Format.DOC_TAGS) and of_name in ((Format.CSV,), (Format.TSV,)):
        found = of_name[0]  # the name of a column can be written like that
    if found is None and content.refusal:
        found = Format.TEXT
    if found is None:
        return None
    refusal = "" if content.is_markup and format is not None else content.refusal
    if found in _SHOWN_BY_CONTENT and content.format is not found and not (refusal or content.is_damaged):
        refusal = f"not {_SHOWN_BY_CONTENT[found]}, although its name or --format says so; give the right --format."
    name = text_of_path(Path(path.name) if folder is None or folder == path.parent else path.relative_to(folder))
    return Source(path=path, format=found, compression=content.compression, name=name, refusal=refusal)


def find_sources(names: Iterable[str | Path], *, format: Format | None = None, encoding: str = UTF_8) -> Sources:
    """Return the sources that files, globs (also `**`) and folders stand for.

    Folders are searched recursively, in the order of the names. Files with known endings are taken, and files without
    an ending whose content shows a format, such as the output of WikiExtractor. A file that is named directly is read
    as text if nothing shows its format. If a glob matches a file twice, directly and through its folder (as `**`
    does), the file is taken once.

    Args:
        names: Files, globs and folders.
        format: The format of all files. By default, the content and the name of each file decide.
        encoding: The encoding of the text.

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
        walked: set[Path] = set()
        for path in found:
            if path.is_dir():  # `**` also matches every folder below, whose files are known from the first one
                if path not in walked:
                    of_folder = _sources_in(path, format=format, folder=folder, encoding=encoding, walked=walked)
                    usable.update({key: source for key, source in of_folder.items() if not usable.get(key)})
            elif not usable.get(path):
                usable[path] = _source_named(path, format=format, folder=folder, encoding=encoding)
        taken = [source for source in usable.values() if source is not None]
        if not taken:
            raise DataError(
                f"{name}: is a folder without files that end in {', '.join(ENDINGS)} (and {', '.join(COMPRESSIONS)}); "
                "with --format, files with other endings are read, too."
            )
        files.extend(taken)
        passed_over.extend(path for path, source in usable.items() if source is None)
    if not files:
        raise DataError("no corpus files were given; name at least one file or folder.")
    return Sources(files=tuple(files), passed_over=tuple(passed_over))


def _folder_of(pattern: str | Path) -> Path:
    """Return the folder of a glob: the parts before the first one with a wildcard."""
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts[:-1]))


def _source_named(path: Path, *, format: Format | None, folder: Path, encoding: str) -> Source | None:
    if not path.exists():
        raise DataError(f"{path}: is a broken link; its target does not exist.")
    if not path.is_file():
        raise DataError(
            f"{path}: is not a regular file (a pipe or a device?); files are read more than once, so save the content "
            "as a file."
        )
    found = source_of(path, format=format, folder=folder, encoding=encoding)
    return found or source_of(path, format=Format.TEXT, folder=folder, encoding=encoding)


def _sources_in(
    below: Path, *, format: Format | None, folder: Path, encoding: str, walked: set[Path]
) -> dict[Path, Source | None]:
    """Return the files below `below`, each with its source or None if it is skipped.

    The folders whose files were listed are added to `walked`.

    Skipped are files with other endings, XML that is no dump, descriptions of data sets, files that are not regular,
    broken links, and links to folders (they can form a cycle).
    """
    sources: dict[Path, Source | None] = {}
    for path, is_file in _files_below(below, walked=walked):
        sources[path] = None
        is_named = formats_of_name(path.name) or not path.suffix
        if is_file and (format or (is_named and path.name not in _METADATA)):
            source = source_of(path, format=format, folder=folder, encoding=encoding)
            is_other_xml = source is not None and source.format is Format.MEDIAWIKI and source.refusal
            sources[path] = None if is_other_xml and format is None else source
    return sources


def _files_below(below: Path, *, walked: set[Path]) -> list[tuple[Path, bool]]:
    """Return what is below a folder, but is not a folder, in the order of the names.

    Hidden files and folders are left out. The bool is True for a regular file or a link to one.
    """
    found: list[tuple[list[str], bool]] = []
    pending: list[list[str]] = [[]]
    while pending:
        parts = pending.pop()
        walked.add(below.joinpath(*parts))
        with os.scandir(os.path.join(below, *parts)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append([*parts, entry.name])
                else:
                    found.append(([*parts, entry.name], entry.is_file()))
    return [(below.joinpath(*parts), is_file) for parts, is_file in sorted(found)]
