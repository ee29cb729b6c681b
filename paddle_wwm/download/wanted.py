"""Resolve the name of a model, and build the error for a model that cannot be fetched."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from ..errors import ConfigError, DownloadError
from ..user_folders import home_folder
from ..variants import Variant, find_variant
from .addresses import hub_endpoint, is_url, without_secrets
from .failures import Unreachable
from .home import StoredModel, key_of, model_folder
from .modelscope import DEFAULT_REVISION as MODELSCOPE_REVISION
from .modelscope import PREFIX, modelscope_repository

DEFAULT_REVISION = "main"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A resolved request for a model.

    Args:
        key: the name of the folder.
        variant: the model in the table, or None for another repository.
        source: an address, a path or modelscope:OWNER/NAME, which is used instead of the hub.
    """

    name: str
    key: str
    home: Path
    variant: Variant | None
    repository: str | None
    revision: str
    source: str | None

    @property
    def target(self) -> Path:
        """The folder of the model, which may not exist yet."""
        return model_folder(self.key, home=self.home)


def what_is_wanted(name: str, *, revision: str | None, source: str | Path | None, home: str | Path | None) -> Wanted:
    """Resolve a name.

    Raises:
        ConfigError: the name is unknown, or `revision` is given together with `source`.
    """
    if source is None and modelscope_repository(name) is not None:
        source = name
    on_modelscope = modelscope_repository(str(source)) if source is not None else None
    if on_modelscope is not None and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", on_modelscope):
        raise ConfigError(f"{source}: a model on ModelScope must be named as {PREFIX}OWNER/NAME.")
    try:
        variant = find_variant(name)
    except ConfigError:
        if source is None and name.count("/") != 1:
            raise
        variant = None
    if source is not None and not is_url(str(source)) and on_modelscope is None:
        source = Path(source).expanduser().absolute()
    if revision is not None and source is not None and on_modelscope is None:
        raise ConfigError(
            "`revision` is a revision of the repository on the hub, so it does not go with another source; "
            "remove one of the two."
        )
    return Wanted(
        name=variant.name if variant else name,
        key=key_of(variant.name if variant else name.replace(PREFIX, "modelscope--", 1), revision=revision),
        home=Path(home) if home is not None else home_folder(),
        variant=variant,
        repository=variant.source if variant else name,
        revision=revision or (DEFAULT_REVISION if on_modelscope is None else MODELSCOPE_REVISION),
        source=None if source is None else str(source),
    )


@contextlib.contextmanager
def three_ways(wanted: Wanted) -> Iterator[None]:
    """Raise errors without network again, with three ways to get the model."""
    try:
        yield
    except Unreachable as error:
        raise not_here(wanted, error) from None


def not_here(wanted: Wanted, reason: DownloadError) -> DownloadError:
    """Return the error that lists the three ways to get the model."""
    name = wanted.variant.archive if wanted.variant else None
    archive = f", or the archive {name}.zip" if name else ""
    mirror = f", set HF_ENDPOINT to a mirror if {without_secrets(hub_endpoint())} cannot be reached"
    if modelscope_repository(wanted.source) is not None:
        mirror = ""
    return DownloadError(
        f"{wanted.name}: is not in {wanted.home}, and {reason} Three ways to get it:\n"
        f"  1. With a network: unset HF_HUB_OFFLINE{mirror}, and run the same command again.\n"
        f"  2. By hand: copy config.json, vocab.txt and the weights of {wanted.repository}{archive} to this machine, "
        f"then run: paddle-wwm download {wanted.name} --from FOLDER_OR_ARCHIVE\n"
        f"  3. From another machine that has it: copy the folder models/{wanted.key} in its PADDLE_WWM_HOME to "
        f"{wanted.target}."
    )


def check_same_source(stored: StoredModel, wanted: Wanted) -> None:
    """Raise ConfigError if the stored model is not from the requested source."""
    origin = stored.record.get("from") or stored.record.get("repository")
    if wanted.source is not None and origin != without_secrets(wanted.source):
        raise ConfigError(
            f"{wanted.name}: is stored already, from {origin}: {stored.folder}. To replace it, add --overwrite "
            f"(`overwrite=True` in Python)."
        )
