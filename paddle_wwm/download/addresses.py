"""Addresses on the network: the hub or its mirror, and what of an address may be shown."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

from huggingface_hub import constants


def hub_endpoint() -> str:
    """The hub or its mirror: HF_ENDPOINT, read now rather than when huggingface_hub was imported."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def is_url(text: str) -> bool:
    """Whether it is an address that can be fetched."""
    return re.match(r"https?://", text) is not None


def without_secrets(source: str) -> str:
    """An address without user, password and query, which may hold keys; anything else as it is."""
    if not is_url(source):
        return source
    parts = urlsplit(source)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
