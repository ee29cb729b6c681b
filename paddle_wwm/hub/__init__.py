"""The implementation of every hub module.

A module.py imports `BertHubModule` from here. The builder puts a copy of this package (and of what it imports) into the
archive and rewrites that import, so that a target machine needs only paddlehub and paddlenlp.

    texts ─► rows of ids ─► batches by length ─► arrays to arrays ─► results, in the caller's order
             (inputs)       (inputs)             (networks)          (tasks)

`build` makes modules from model folders. `paddle-wwm hub install` installs them; the old module stays usable until the
new one has been loaded.
"""

from typing import Any

__all__ = ["BertHubModule"]


def __getattr__(name: str) -> Any:
    # imported on first use: `paddle-wwm hub` and the builder need no paddle
    if name == "BertHubModule":
        from .module import BertHubModule

        return BertHubModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
