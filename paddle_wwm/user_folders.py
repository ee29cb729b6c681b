"""The folders in which this package keeps files of the user."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `paddle_wwm` in XDG_CACHE_HOME, or else in ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification says to ignore relative paths
    return (Path(cache) if os.path.isabs(cache) else Path("~/.cache").expanduser()) / "paddle_wwm"


def home_folder() -> Path:
    """Return PADDLE_WWM_HOME, or else `paddle_wwm` in the cache folder of the user."""
    given = os.environ.get("PADDLE_WWM_HOME")
    return Path(given).expanduser() if given else cache_folder()
