"""Apply user dictionaries to LAC's words, with the same results as `LAC.load_customization`.

Each line of a dictionary is a phrase. White space in it (or another separator, as the argument `sep` of LAC) marks
where the phrase is cut: with the line "花 开", every 花开 in a text becomes two words. A word can have a part of speech
(春天/SEASON), which the segmentation model does not use. A phrase of one character takes effect only if it has a part
of speech. Phrases are compared with the original text, not with the simplified, half-width text that the model sees.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Sequence

from ..errors import ConfigError, DataError
from .counts import excerpt
from .user_dictionary import JIEBA_LINE, Entry, UserDictionary, read_dictionary

_JOINED_TAGGED = re.compile(r"[^\s/]+/[A-Za-z]+(?P<joint>_|[^\w\s/.-])[^\s/]+/[A-Za-z]+.*")
_JOINED = re.compile(r"[^\x00-\x7f](?P<joint>[#|,;+&、；｜])[^\s]")


def read_lac_dictionary(paths: Sequence[Path], *, separator: str | None) -> UserDictionary:
    """Read dictionaries in the form of LAC.

    Args:
        paths: The files; together they are read as one file.
        separator: What separates the words of a phrase; None: white space.

    Raises:
        ConfigError: The separator is empty.
        DataError: A file has another form.
    """
    if separator == "":
        raise ConfigError("`dictionary_separator` must have at least one character; leave it out for white space.")
    return read_dictionary(
        paths, check=partial(_check_form, separator=separator), parse=partial(_entry_of, separator=separator)
    )


def _check_form(lines: Sequence[str], path: Path, *, separator: str | None) -> None:
    """Check that a dictionary for LAC has LAC's form.

    A line such as "苹果 5" has a meaning in both forms: for LAC, it is a phrase of two words. It is refused if most
    lines end with a number. In the same way, a line such as 花#开 can be one word or two. Both are read if the
    separator is given and occurs in the file, or is white space.

    Raises:
        DataError: The dictionary has jieba's form, or its words have another separator.
    """
    num_lines = sum(bool(line.strip()) for line in lines)
    jieba = [JIEBA_LINE.fullmatch(line) for line in lines]
    is_given = separator is not None and (separator.isspace() or any(separator in line for line in lines))
    most_jieba = not is_given and 2 * sum(map(bool, jieba)) > num_lines
    joined = [separator is None and _JOINED.search(line) for line in lines]
    most_joined = 2 * sum(map(bool, joined)) > num_lines
    for number, (line, of_jieba, of_joined) in enumerate(zip(lines, jieba, joined), start=1):
        if of_jieba and (most_jieba or (of_jieba["tag"] and not of_jieba["word"].isascii())):
            raise DataError(
                f"{path}:{number}: '{excerpt(line.strip())}' has the form of jieba's dictionaries (word, frequency, "
                f"tag); use --segmenter jieba, or write it in LAC's form: the word alone or word/tag, with white space "
                f"where a phrase is cut."
            )
        tagged = next(filter(None, map(_JOINED_TAGGED.fullmatch, line.strip().split(separator))), None)
        found = tagged or (of_joined if most_joined else None)
        if found:
            expected = "white space" if separator is None else repr(separator)
            remedy = "separate the words of a phrase by spaces, or add" if separator is None else "use"
            raise DataError(
                f"{path}:{number}: '{excerpt(line.strip())}' joins words with {found['joint']!r}, but the separator "
                f"is {expected}; {remedy} --dictionary-separator '{found['joint']}' (' ' if the character belongs to "
                f"the words)."
            )


def _entry_of(line: str, *, separator: str | None) -> Entry | None:
    line = line.strip()
    if not line:
        return None
    phrase, has_tag = "", False
    cuts: list[int] = []
    for place, part in enumerate(line.split(separator)):
        word, _, tag = part.rpartition("/")
        has_tag |= not place and bool(word and tag)  # the part of speech of the first word counts
        phrase += word if word else part  # a leading slash is part of the word
        cuts.append(len(phrase))
    if not phrase:
        return Entry(phrase=phrase, problem="the line has no word")
    if len(phrase) == 1 and not has_tag:
        return Entry(phrase=phrase, problem=f"a single character needs a part of speech: {phrase}/n")
    return Entry(phrase=phrase, cuts=tuple(sorted(set(cuts) - {0, len(phrase)})))
