"""The implementation behind every hub module. A module.py imports `BertHubModule` from here; the builder rewrites that
one line to a copy of this package (and of what it imports) inside the archive, so that a target machine needs only
paddlehub and paddlenlp.

    texts ─► rows of ids ─► batches by length ─► arrays to arrays ─► results, in the caller's order
             (inputs)       (inputs)             (networks)          (tasks)

`build` makes modules of model folders, `paddle-wwm hub install` installs them without ever breaking the one
that is there.
"""

from typing import Any

__all__ = ["BertHubModule"]


def __getattr__(name: str) -> Any:
    # imported on first use: `paddle-wwm hub` and the builder need no paddle
    if name == "BertHubModule":
        from .module import BertHubModule

        return BertHubModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
