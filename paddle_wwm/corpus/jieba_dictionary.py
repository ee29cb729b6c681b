"""Read user dictionaries in the form of jieba: word, frequency and tag, separated by single spaces.

The frequency and the tag may be left out. A frequency of 0 means that the word must not be one word.

jieba searches its dictionary only in runs of Chinese characters, letters, digits and the signs + # & . _ % and -. So
it never finds words such as *ST舜船, or those with a space. They are kept here as phrases that take precedence over
jieba's words wherever they occur; their frequency has no meaning.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Sequence

from ..errors import DataError
from .counts import excerpt
from .user_dictionary import JIEBA_LINE, Entry, UserDictionary, read_dictionary

_LAC_WORD = re.compile(r".*[^\x00-\x7f]/[A-Za-z]+")  # not TCP/IP
# columns with any separators
_COLUMNS = re.compile(r"\S(?:.*\S)?(?:\s+|\s*[,;|]\s*)\d+(?:(?:\s+|\s*[,;|]\s*)[A-Za-z]+)?")


def read_jieba_dictionary(paths: Sequence[Path]) -> UserDictionary:
    """Read dictionaries in the form of jieba; together they are read as one file.

    Raises:
        DataError: A file has another form.
    """
    return read_dictionary(paths, check=_check_form, parse=_entry_of)


def _entry_of(line: str) -> Entry | None:
    import jieba

    line = line.strip()
    if not line:
        return None
    word, frequency, _ = jieba.re_userdict.match(line).groups()
    if jieba.re_han_default.fullmatch(word):
        return Entry(phrase=word, is_unwanted=frequency is not None and int(frequency) == 0)
    if _has_other_columns(line):
        return Entry(phrase=word, problem="jieba needs one space between word, frequency and tag (small letters)")
    return Entry(phrase=word)


def phrases_beyond_jieba(dictionary: UserDictionary) -> frozenset[int]:
    """Return the numbers of the phrases that jieba does not look up."""
    import jieba

    return frozenset(
        number for number, word in enumerate(dictionary.entries) if not jieba.re_han_default.fullmatch(word)
    )


def _has_other_columns(line: str) -> bool:
    """Return True if jieba takes a frequency or a tag for a part of the word."""
    import jieba

    word, frequency, _ = jieba.re_userdict.match(line).groups()
    return bool(_COLUMNS.fullmatch(line)) and (frequency is None or word != word.strip())


def _check_form(lines: Sequence[str], path: Path) -> None:
    """Check that a dictionary has jieba's form.

    Raises:
        DataError: A line has a word with a part of speech, such as 春天/SEASON, or most lines have other separators.
    """
    for number, line in enumerate(lines, start=1):
        if not JIEBA_LINE.fullmatch(line) and any(map(_LAC_WORD.fullmatch, line.split())):
            raise DataError(
                f"{path}:{number}: '{excerpt(line.strip())}' has the form of LAC's dictionaries (word/tag); use "
                f"--segmenter lac, or write it in jieba's form: word, frequency and tag, separated by spaces (the last "
                f"two may be left out)."
            )
    entries = [line.strip() for line in lines]
    others = [number for number, line in enumerate(entries, start=1) if line and _has_other_columns(line)]
    if 2 * len(others) > sum(map(bool, entries)):
        raise DataError(
            f"{path}:{others[0]}: '{excerpt(entries[others[0] - 1])}': jieba takes the whole line as one word; "
            f"separate word, frequency and tag (small letters) by one space each."
        )
