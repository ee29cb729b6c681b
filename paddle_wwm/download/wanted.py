"""What a name stands for, and what to say when it cannot be had."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from ..errors import ConfigError, DownloadError
from ..variants import Variant, find_variant
from .addresses import hub_endpoint, is_url, without_secrets
from .home import StoredModel, home_folder, key_of, model_folder
from .network import Unreachable

DEFAULT_REVISION = "main"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a name stands for. variant: its row of the table, None for other repositories. source: what takes the place
    of the hub.
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
        """Where the model is, or will be."""
        return model_folder(self.key, home=self.home)


def what_is_wanted(name: str, *, revision: str | None, source: str | Path | None, home: str | Path | None) -> Wanted:
    """Look a name up. Raises ConfigError for unknown names, and for a revision of something that has none."""
    try:
        variant = find_variant(name)
    except ConfigError:
        if source is None and name.count("/") != 1:
            raise
        variant = None
    if source is not None and not is_url(str(source)):
        source = Path(source).expanduser().absolute()
    if revision is not None and source is not None:
        raise ConfigError("`revision` names a state of the hub's repository: it does not go with another source.")
    return Wanted(
        name=variant.name if variant else name,
        key=key_of(variant.name if variant else name, revision=revision),
        home=Path(home) if home is not None else home_folder(),
        variant=variant,
        repository=variant.source if variant else name,
        revision=revision or DEFAULT_REVISION,
        source=None if source is None else str(source),
    )


@contextlib.contextmanager
def three_ways(wanted: Wanted) -> Iterator[None]:
    """Says, where there is no network, how to get the model all the same."""
    try:
        yield
    except Unreachable as error:
        raise not_here(wanted, error) from None


def not_here(wanted: Wanted, reason: DownloadError) -> DownloadError:
    """The error that names the three ways."""
    archive = f", or the archive {wanted.variant.archive}.zip" if wanted.variant else ""
    return DownloadError(
        f"{wanted.name}: is not in {wanted.home}, and {reason} Three ways to get it here:\n"
        f"  1. With a network: unset HF_HUB_OFFLINE, name a mirror in HF_ENDPOINT where "
        f"{without_secrets(hub_endpoint())} is out of reach, "
        "and run the same again.\n"
        f"  2. By hand: bring config.json, vocab.txt and the weights of {wanted.repository}{archive}, then: "
        f"paddle-wwm download {wanted.name} --from FOLDER_OR_ARCHIVE\n"
        f"  3. From another machine that has it: copy its folder models/{wanted.key} of PADDLE_WWM_HOME to "
        f"{wanted.target}."
    )


def check_same_source(stored: StoredModel, wanted: Wanted) -> None:
    """A source that was asked for must not be passed over because something else is here under the name."""
    origin = stored.record.get("from") or stored.record.get("repository")
    if wanted.source is not None and origin != without_secrets(wanted.source):
        raise ConfigError(
            f"{wanted.name}: is here already, from {origin}: {stored.folder}. Add --overwrite (`overwrite`) "
            f"to replace it."
        )
