"""Look up a model in the table by any of its names."""

from __future__ import annotations

import difflib
import re

from ..errors import ConfigError
from .table import VARIANTS
from .types import Variant


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def names_of(variant: Variant) -> tuple[str, ...]:
    """Return all names that `find_variant` accepts for a model."""
    archive = (variant.archive,) if variant.archive else ()
    return (variant.name, variant.title, *variant.aliases, variant.source, *archive)


_BY_KEY = {_key(name): variant for variant in VARIANTS for name in names_of(variant)}


def known_variant(name: str) -> Variant | None:
    """Return the model with this name (see `names_of`), or None."""
    return _BY_KEY.get(_key(name.removesuffix(".zip")))


def find_variant(name: str) -> Variant:
    """Return a published model from the table of models.

    Args:
        name: the name in PaddleHub, PaddleNLP, Hugging Face or a paper, or the name of the archive. Case and the
            characters `-`, `_` and `/` do not matter.

    Returns:
        Sizes, sources, training recipe and published scores of the model.

    Raises:
        ConfigError: no model has this name. The message has the most similar names.

    Source:
        The tables of https://github.com/ymcui/Chinese-BERT-wwm.

    Example:
        >>> from paddle_wwm import find_variant
        >>> variant = find_variant("hfl/rbt3")
        >>> variant.name, variant.config.num_hidden_layers
        ('rbt3', 3)
    """
    if variant := known_variant(name):
        return variant
    key = _key(name)
    near = dict.fromkeys(_BY_KEY[match].name for match in difflib.get_close_matches(key, _BY_KEY, n=5))
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ConfigError(f"{name!r}: no such model; {hint}`paddle-wwm models` lists them.")
