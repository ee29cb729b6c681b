"""Network addresses: that of the hub or a mirror, and how to show an address without secrets."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

from huggingface_hub import constants


def hub_endpoint() -> str:
    """Return the address of the hub or its mirror (HF_ENDPOINT).

    The variable is read at every call; huggingface_hub reads it only on import.
    """
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def is_url(text: str) -> bool:
    """Return True if the text is an http or https address."""
    return re.match(r"https?://", text) is not None


def without_secrets(source: str) -> str:
    """Return an address without user, password and query, which can contain keys.

    Any other text is returned unchanged.
    """
    if not is_url(source):
        return source
    parts = urlsplit(source)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
