"""The folder of fetched models, and what is recorded about each.

    $PADDLE_WWM_HOME/models/NAME/       a model folder, with source.json: its origin, its files and their checksums
    $PADDLE_WWM_HOME/downloads/NAME/    the files of an incomplete download

A model folder appears by a rename when it is complete. It can be copied to another machine without other files.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DownloadError
from ..files import disk_errors_as

RECORD_NAME = "source.json"


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A stored model. `record` is the content of its source.json."""

    key: str
    folder: Path
    record: dict[str, Any]

    @property
    def size_bytes(self) -> int:
        """Size of the files on disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


def key_of(name: str, *, revision: str | None = None) -> str:
    """Return the name of the folder of a model.

    Examples: `chinese-bert-wwm`, `owner--name`, `chinese-bert-wwm@v2`.

    Raises:
        ConfigError: the name has characters that are not allowed, such as `..`.
    """
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name):
        raise ConfigError(
            f"{name!r}: the name of a model must consist of letters, digits, `.`, `_` and `-`, or be owner/name."
        )
    return re.sub(r"[^\w.@-]", "--", name if revision is None else f"{name}@{revision}")


def model_folder(key: str, *, home: Path) -> Path:
    """Return the folder of a model, which may not exist yet."""
    return home / "models" / key


def download_folder(key: str, *, home: Path) -> Path:
    """Return the folder for the files of an incomplete download."""
    return home / "downloads" / key


def find_stored(key: str, *, home: Path) -> StoredModel | None:
    """Return the stored model with this key, or None if it is missing or incomplete."""
    folder = model_folder(key, home=home)
    try:
        record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        sizes = record["stored_bytes"]
        if not {"name", "files", "notes"} <= record.keys() or any(
            (folder / name).stat().st_size != size for name, size in sizes.items()
        ):
            return None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return StoredModel(key=key, folder=folder, record=record)


def stored_models(*, home: Path) -> dict[str, StoredModel]:
    """Return all stored models by key."""
    folders = sorted(path for path in (home / "models").glob("*") if path.is_dir() and not path.name.startswith("."))
    found = (find_stored(folder.name, home=home) for folder in folders)
    return {model.key: model for model in found if model is not None}


def unfinished_downloads(*, home: Path) -> dict[str, int]:
    """Return the number of bytes of each incomplete download, by key."""
    folders = sorted(path for path in (home / "downloads").glob("*") if path.is_dir())
    return {folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) for folder in folders}


def told_when_full(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Raise DownloadError for a full or read-only disk. Downloaded files are kept."""
    remedy = "Downloaded files are kept: make room, or set PADDLE_WWM_HOME, and run the same command again."
    return disk_errors_as(DownloadError, folder=folder, remedy=remedy)
