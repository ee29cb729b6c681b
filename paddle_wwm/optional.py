"""Packages that only some functions need: where one is missing, the error says what needs it and how to install it.

The rooms that make and mask data are also used without this package's dependencies, next to transformers 5.
"""

from __future__ import annotations

import importlib.util
import sys

from .errors import ConfigError

# import name -> name in the package index, where the two differ
INDEX_NAMES = {"paddle": "paddlepaddle"}


def need_package(name: str, *, purpose: str) -> None:
    """Raise ConfigError unless the package can be imported; nothing is imported.

    Args:
        name: The name that is imported.
        purpose: What needs it, the subject of a sentence.
    """
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        package = INDEX_NAMES.get(name, name)
        raise ConfigError(
            f"{purpose} needs the package {package}, which is not installed here; run `pip install {package}`."
        )
