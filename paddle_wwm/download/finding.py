"""Find the model that a task starts from, by a folder or a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..errors import ConfigError, DownloadError
from ..model.folder import check_is_ours, model_folder_in
from ..progress import Progress
from ..variants.lookup import known_variant
from ..weights import INNER_FOLDERS


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A model folder.

    Args:
        name: the name in tables.
        title: the name of the model or of its folder.
    """

    folder: Path
    name: str
    title: str


def find_model(
    given: str, *, name: str | None = None, progress: Callable[[Progress], None] | None = None
) -> ModelSource:
    """Find a model by its path or its name; fetch it if it is not stored yet.

    Args:
        given: a folder, or a name that `fetch` accepts.
        name: the name for tables. None: the name of the model or of its folder.

    Raises:
        ConfigError: `given` is not a folder, and the name is unknown.
        CheckpointError: the folder has no model, or weights of another program. The message then has the command that
            converts them.
        DownloadError: the model cannot be fetched.
    """
    path = Path(given).expanduser()
    if path.exists():
        folder = model_folder_in(path)
        check_is_ours(folder)
        title = path.resolve().parent.name if path.name in INNER_FOLDERS else path.resolve().name
        return ModelSource(folder=folder, name=name or title, title=title)
    from . import fetch

    try:
        folder = fetch(given, progress=progress)
    except (ConfigError, DownloadError) as error:
        raise type(error)(f"{given}: is not a folder. {error}") from None
    return ModelSource(folder=folder, name=name or _title(given), title=_title(given))


def _title(name: str) -> str:
    variant = known_variant(name)
    return variant.name if variant else name
