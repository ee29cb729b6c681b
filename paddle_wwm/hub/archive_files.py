"""The files around a module: its list of checksums, and its archive."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import IO

from ..errors import HubModuleError
from ..files import sha256_of_file

SUMS_NAME = "SHA256SUMS"
MAX_SUMS_BYTES = 1 << 20


def sums_of(folder: Path) -> str:
    """Return the checksums of a folder's files, in the form of sha256sum."""
    return "".join(
        f"{sha256_of_file(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / SUMS_NAME
    )


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS, when all other files are in the folder."""
    (folder / SUMS_NAME).write_text(sums_of(folder), encoding="utf-8")


def sums_in_archive(archive: Path) -> str:
    """Return the SHA256SUMS of an archive, or "" if it has none that can be read."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.name.count("/") == 1 and member.name.endswith(f"/{SUMS_NAME}") and member.isreg():
                    stream = tar.extractfile(member)
                    return "" if stream is None else stream.read(MAX_SUMS_BYTES).decode("utf-8", errors="replace")
    except (tarfile.TarError, EOFError):
        pass
    return ""


def check_sums(folder: Path, *, files: dict[str, Path], source: Path) -> None:
    """Check that the files are those in the module's list of checksums, if it has one.

    Raises:
        HubModuleError: A file differs, is missing, or is not in the list.
    """
    if SUMS_NAME not in files:
        return
    lines = (folder / SUMS_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    stated = {name: digest for digest, _, name in (line.partition("  ") for line in lines if line)}
    found = {name: path for name, path in files.items() if name != SUMS_NAME}
    wrong = {*found, *stated} - {
        name for name, path in found.items() if name in stated and sha256_of_file(path) == stated[name]
    }
    if wrong:
        raise HubModuleError(
            f"{source}: differs from its {SUMS_NAME}: {', '.join(sorted(wrong)[:5])}. It is incomplete or was changed; "
            f"build or copy it again."
        )


def write_archive(directory: Path, stream: IO[bytes]) -> None:
    """Write an archive whose bytes depend on the content only.

    It has one top folder, files sorted by name, no times and no owners.
    """
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [directory, *sorted(directory.rglob("*"))]:
            entry = tarfile.TarInfo(path.relative_to(directory.parent).as_posix())
            entry.mode = 0o755 if path.is_dir() else 0o644
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with open(path, "rb") as source:
                    tar.addfile(entry, source if entry.size else io.BytesIO())
