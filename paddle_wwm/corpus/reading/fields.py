"""Find the text of a record by the names of its fields."""

from __future__ import annotations

from typing import Any, Sequence

from ..counts import excerpt


class NoTextError(ValueError):
    """The record has no text. The message is the end of a sentence, with the remedy."""


def text_of_record(record: Any, *, keys: Sequence[str]) -> str:
    """Return the text of a record: its fields joined, each as lines of its own.

    A field is a string or a list of strings (paragraphs). The key "a.b" is the field b of the field a, or of every
    element of the list a. A record that is a string is the text itself. With several keys, some fields may be null.

    Raises:
        NoTextError: A field is missing or has no text.
    """
    if isinstance(record, str):
        return record
    if not isinstance(record, dict):
        raise NoTextError(f"must have the key {keys[0]!r}, but is a {type(record).__name__}; see --text-key.")
    found = [_texts(record, key) for key in keys]
    if all(texts is None for texts in found):
        raise NoTextError(f"{_names(keys)} must be a string or a list of strings, but is null.")
    return "\n".join(text for texts in found for text in texts or ())


def _texts(record: dict[str, Any], key: str) -> list[str] | None:
    """Return the strings of a field, or None if it is null."""
    values: list[Any] = [record]
    parts = [key] if key in record else key.split(".")
    for part in parts:
        inner: list[Any] = []
        for value in values:
            if not isinstance(value, dict) or part not in value:
                has = excerpt(", ".join(map(str, value))) or "none" if isinstance(value, dict) else type(value).__name__
                raise NoTextError(f"must have the key {key!r}, but has {has}; see --text-key.")
            inner.extend(_flat(value[part]))
        values = inner
    if values == [None]:
        return None
    wrong = next((value for value in values if not isinstance(value, str)), "")
    if not isinstance(wrong, str):
        kind = "null" if wrong is None else f"a {type(wrong).__name__}"
        raise NoTextError(f"{key!r} must be a string or a list of strings, but is {kind}.")
    return values


def _flat(value: Any) -> list[Any]:
    """Return the elements of lists within lists, in order."""
    if not isinstance(value, list):
        return [value]
    pending: list[Any] = [value]
    flat: list[Any] = []
    while pending:
        top = pending.pop()
        if isinstance(top, list):
            pending.extend(reversed(top))
        else:
            flat.append(top)
    return flat


def _names(keys: Sequence[str]) -> str:
    return " and ".join(map(repr, keys))
