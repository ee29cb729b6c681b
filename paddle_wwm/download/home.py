"""Where fetched models are kept, and what is known about each.

    $PADDLE_WWM_HOME/models/NAME/       a model folder of ours, and source.json: where it is from, the files it was
    made of, their checksums
    $PADDLE_WWM_HOME/downloads/NAME/    what has arrived of one that is not complete yet

A model folder appears when it is whole, by a rename; it needs nothing else to be copied to another machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DownloadError
from ..files import disk_errors_as

RECORD_NAME = "source.json"


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model that is here. record: its source.json."""

    key: str
    folder: Path
    record: dict[str, Any]

    @property
    def size_bytes(self) -> int:
        """On disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


def home_folder() -> Path:
    """PADDLE_WWM_HOME, else `paddle_wwm` in the user's cache folder (XDG_CACHE_HOME, else ~/.cache)."""
    if given := os.environ.get("PADDLE_WWM_HOME"):
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path("~/.cache").expanduser()) / "paddle_wwm"


def key_of(name: str, *, revision: str | None = None) -> str:
    """The folder's name of a model: `chinese-bert-wwm`, `owner--name`, `chinese-bert-wwm@v2`. Raises ConfigError for
    names like `..`.
    """
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name):
        raise ConfigError(
            f"{name!r}: a model's name must be letters, digits, `.`, `_` and `-`, or owner/name of these."
        )
    return re.sub(r"[^\w.@-]", "--", name if revision is None else f"{name}@{revision}")


def model_folder(key: str, *, home: Path) -> Path:
    """Where a model is, or will be."""
    return home / "models" / key


def download_folder(key: str, *, home: Path) -> Path:
    """Where its files arrive."""
    return home / "downloads" / key


def find_stored(key: str, *, home: Path) -> StoredModel | None:
    """The model of that key, when it is here and whole."""
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
    """All models that are here, by key."""
    folders = sorted(path for path in (home / "models").glob("*") if path.is_dir() and not path.name.startswith("."))
    found = (find_stored(folder.name, home=home) for folder in folders)
    return {model.key: model for model in found if model is not None}


def unfinished_downloads(*, home: Path) -> dict[str, int]:
    """What has arrived of models that are not whole yet: bytes, by key."""
    folders = sorted(path for path in (home / "downloads").glob("*") if path.is_dir())
    return {folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) for folder in folders}


def told_when_full(folder: Path) -> contextlib.AbstractContextManager[None]:
    """A full or closed disk is reported with what to do; what has arrived stays."""
    remedy = "What has arrived is kept: make room, or set PADDLE_WWM_HOME, and run the same again."
    return disk_errors_as(DownloadError, folder=folder, remedy=remedy)
