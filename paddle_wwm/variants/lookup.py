"""Any name of a model to its row."""

from __future__ import annotations

import difflib
import re

from ..errors import ConfigError
from .table import VARIANTS
from .types import Variant


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def names_of(variant: Variant) -> tuple[str, ...]:
    """All names that `find_variant` knows a model by."""
    return (variant.name, variant.title, *variant.aliases, variant.source, variant.archive)


_BY_KEY = {_key(name): variant for variant in VARIANTS for name in names_of(variant)}


def find_variant(name: str) -> Variant:
    """The model of a name: the hub's, PaddleNLP's, Hugging Face's, an archive's or a paper's; case and `-`, `_`, `/`
    do not matter.

    Raises ConfigError with the nearest names.
    """
    key = _key(name.removesuffix(".zip"))
    if key in _BY_KEY:
        return _BY_KEY[key]
    near = dict.fromkeys(_BY_KEY[match].name for match in difflib.get_close_matches(key, _BY_KEY, n=5))
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ConfigError(f"{name!r}: no such model; {hint}`paddle-wwm models` lists them.")
