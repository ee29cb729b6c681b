"""Find the position of a gold answer in its passage.

This also works if the data set has a wrong position or none, or if the punctuation of the answer differs from the
passage.
"""

from __future__ import annotations

import enum
import unicodedata

from ...tasks.reading_comprehension import answer_characters


class AnswerPlace(enum.Enum):
    """How an answer was found. The values are keys of `Split.counts`."""

    STATED = "found_as_stated"
    WRONG_START = "repaired_wrong_start"
    NO_START = "repaired_missing_start"
    # without the punctuation at its ends: the answer is "…的最后一个赛季。", the passage has "…的最后一个赛季，"
    PUNCTUATION = "repaired_punctuation"
    ABSENT = "not_in_passage"


def locate_answer(*, context: str, text: str, answer_start: int) -> tuple[tuple[int, int] | None, AnswerPlace]:
    """Return the characters [start, end) of an answer, and how they were found.

    The development set of CMRC 2018 has 9,657 answers. 7 have a wrong start. 193 have no start; they end with a full
    stop that the annotator added. As few punctuation marks as possible are left out. EM and F1 of that data set ignore
    punctuation.

    Returns:
        The characters (None if the passage does not contain the answer), and how they were found.
    """
    found = answer_characters(context=context, text=text, answer_start=answer_start)
    if found is not None:
        stated = answer_start + len(text) - len(text.lstrip())
        if answer_start < 0:
            return found, AnswerPlace.NO_START
        return found, AnswerPlace.STATED if found[0] == stated else AnswerPlace.WRONG_START
    core = text.strip()
    most_before, most_after = _num_marks(core), _num_marks(core[::-1])
    cuts = (
        (before, after)
        for before in range(most_before + 1)
        for after in range(most_after + 1)
        if 0 < before + after < len(core)
    )
    for before, after in sorted(cuts, key=sum):
        start = answer_start + before if answer_start >= 0 else -1
        found = answer_characters(context=context, text=core[before : len(core) - after], answer_start=start)
        if found is not None:
            return found, AnswerPlace.PUNCTUATION
    return None, AnswerPlace.ABSENT


def _num_marks(text: str) -> int:
    """Return the number of punctuation marks at the start of a text."""
    return next((number for number, character in enumerate(text) if unicodedata.category(character)[0] != "P"), 0)
