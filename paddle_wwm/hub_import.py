"""Import huggingface_hub with any value of HF_HUB_DOWNLOAD_TIMEOUT.

It reads the variable on import, and fails if it is not a whole number. `NetworkSettings` reads the variable again, and
accepts 2.5. The import of this module must come before those of modules that import huggingface_hub.
"""

from __future__ import annotations

import contextlib
import os

_NAMES = ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT")
_removed = {name: os.environ.pop(name) for name in _NAMES if not os.environ.get(name, "0").strip().isdecimal()}
try:
    with contextlib.suppress(ImportError):  # only downloads need it
        import huggingface_hub.constants  # noqa: F401
finally:
    os.environ.update(_removed)
