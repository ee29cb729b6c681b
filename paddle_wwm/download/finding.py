"""Where the model is that a task starts from: a folder of any of the forms that a user has, or a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..errors import ConfigError, DownloadError
from ..model.folder import CONFIG_NAME, check_is_ours
from ..progress import Progress
from ..variants.lookup import known_variant

# beside a folder with a model in it: a pretraining run or a seed of a fine-tuning run; a hub module
INNER_FOLDERS = ("model", "assets")


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A model folder, what tables call it, and what it was asked for as."""

    folder: Path
    name: str
    title: str


def find_model(
    given: str, *, name: str | None = None, progress: Callable[[Progress], None] | None = None
) -> ModelSource:
    """The model of a path or of a name of the table of models, fetched where it is not here yet. `name`: for tables.

    Raises ConfigError, CheckpointError (weights of other programs; the error has the command that converts them) or
    DownloadError.
    """
    path = Path(given).expanduser()
    if path.exists():
        folder = next(
            (inner for inner in (path, *(path / inner for inner in INNER_FOLDERS)) if (inner / CONFIG_NAME).is_file()),
            path,
        )
        check_is_ours(folder)
        title = path.resolve().parent.name if path.name in INNER_FOLDERS else path.resolve().name
        return ModelSource(folder=folder, name=name or title, title=title)
    from . import fetch

    try:
        folder = fetch(given, progress=progress)
    except (ConfigError, DownloadError) as error:
        raise type(error)(f"{given}: is no folder here. {error}") from None
    return ModelSource(folder=folder, name=name or _title(given), title=_title(given))


def _title(name: str) -> str:
    variant = known_variant(name)
    return variant.name if variant else name
