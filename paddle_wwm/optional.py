"""Packages that only some functions need. If one is missing, the error names what needs it and the install command.

The subpackages that prepare and mask data also work without most dependencies, for example next to transformers 5.
"""

from __future__ import annotations

import importlib.util
import sys

from .errors import ConfigError

# import name -> name in the package index, where the two differ
INDEX_NAMES = {"paddle": "paddlepaddle"}


def need_package(name: str, *, purpose: str) -> None:
    """Raise ConfigError unless the package can be imported. Nothing is imported.

    Args:
        name: The import name.
        purpose: What needs the package; the subject of the message.
    """
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        package = INDEX_NAMES.get(name, name)
        raise ConfigError(
            f"{purpose} needs the package {package}, which is not installed here; run `pip install {package}`."
        )
