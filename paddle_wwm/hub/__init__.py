"""The implementation behind every hub module. A module.py imports `BertHubModule` from here; the builder rewrites that one line to a
copy of this package (and of what it imports) inside the archive, so that a target machine needs only paddlehub and paddlenlp."""

from .module import BertHubModule

__all__ = ["BertHubModule"]
