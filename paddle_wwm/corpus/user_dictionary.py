"""Read the user dictionary of a segmenter: UTF-8 text with one entry per line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Sequence

from ..errors import DataError
from .counts import excerpt

_JIEBA_LINE = re.compile(r"\s*(?P<word>[^/]*[^/\s])\s+\d+(?P<tag>\s+[a-z]+)?\s*")
_LAC_WORD = re.compile(r".*[^\x00-\x7f]/[A-Za-z]+")  # not TCP/IP
_JOINED_LAC_WORDS = re.compile(r"[^\s/]+/[A-Za-z]+[#|,;+&][^\s/]+/[A-Za-z]+.*")


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


def refuse_jieba_form(lines: Sequence[str], path: Path) -> None:
    """Check that a dictionary for LAC has LAC's form.

    A line such as "苹果 5" has a meaning in both forms: for LAC, it is a phrase of two words. It is refused if most
    lines end with a number.

    Raises:
        DataError: The dictionary has jieba's form, or separates words by another character than white space.
    """
    matches = [_JIEBA_LINE.fullmatch(line) for line in lines]
    most = 2 * sum(map(bool, matches)) > sum(bool(line.strip()) for line in lines)
    for number, (line, match) in enumerate(zip(lines, matches), start=1):
        if match and (most or (match["tag"] and not match["word"].isascii())):
            raise DataError(
                f"{path}:{number}: '{excerpt(line.strip())}' has the form of jieba's dictionaries (word, frequency, "
                f"tag); use --segmenter jieba, or write it in LAC's form: the word alone or word/tag, with white space "
                f"where a phrase is cut."
            )
        if any(map(_JOINED_LAC_WORDS.fullmatch, line.split())):
            raise DataError(
                f"{path}:{number}: '{excerpt(line.strip())}' joins words with another character than white space; "
                f"separate the words of a phrase by spaces."
            )


def refuse_lac_form(lines: Sequence[str], path: Path) -> None:
    """Check that a dictionary for jieba does not have LAC's form.

    Raises:
        DataError: A line has a word with a part of speech, such as 春天/SEASON.
    """
    for number, line in enumerate(lines, start=1):
        if not _JIEBA_LINE.fullmatch(line) and any(map(_LAC_WORD.fullmatch, line.split())):
            raise DataError(
                f"{path}:{number}: '{excerpt(line.strip())}' has the form of LAC's dictionaries (word/tag); use "
                f"--segmenter lac, or write it in jieba's form: word, frequency and tag, separated by spaces (the last "
                f"two may be left out)."
            )
