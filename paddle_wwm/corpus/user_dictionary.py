"""Read the user dictionary of a segmenter: UTF-8 text with one entry per line."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError


def read_lines(path: Path) -> list[str]:
    """Return the lines without their line ends.

    Raises:
        DataError: The file is not UTF-8, or begins with a byte order mark, which would become part of the first word.
    """
    content = path.read_bytes()
    if content.startswith(b"\xef\xbb\xbf"):
        raise DataError(
            f"{path}:1: begins with a byte order mark, which would become part of the first word; save the "
            f"dictionary as UTF-8 without it."
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: is not UTF-8 ({error.reason}); convert the dictionary to UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
