"""Gold answers at the stated position, at another position, or with different punctuation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.datasets.readers.answer_places import AnswerPlace, locate_answer

CONTEXT = "天津在北京东南。北京大学在北京，不在天津。"
CASES = [
    ("北京", 3, (3, 5), AnswerPlace.STATED),
    (" 北京 ", 2, (3, 5), AnswerPlace.STATED),  # the stated start includes the spaces
    ("北京", 5, (3, 5), AnswerPlace.WRONG_START),  # the nearest occurrence
    ("北京", 12, (13, 15), AnswerPlace.WRONG_START),
    ("北京", 999, (13, 15), AnswerPlace.WRONG_START),
    ("北京大学", -1, (8, 12), AnswerPlace.NO_START),
    ("北京大学在北京。", -1, (8, 15), AnswerPlace.PUNCTUATION),  # the passage has a comma here
    ("“北京大学在北京”。", 8, (8, 15), AnswerPlace.PUNCTUATION),
    ("不在天津。。", -1, (16, 21), AnswerPlace.PUNCTUATION),  # as few marks as possible are left out
    ("上海。", -1, None, AnswerPlace.ABSENT),
    ("。！", -1, None, AnswerPlace.ABSENT),
    ("", -1, None, AnswerPlace.ABSENT),
]


@pytest.mark.parametrize(("text", "answer_start", "characters", "place"), CASES)
def test_an_answer_is_located(text, answer_start, characters, place):
    assert locate_answer(context=CONTEXT, text=text, answer_start=answer_start) == (characters, place)


@settings(deadline=None)
@given(st.data(), st.integers(-2, 40))
def test_every_part_of_the_passage_is_located_for_any_stated_start(data, answer_start):
    start = data.draw(st.integers(0, len(CONTEXT) - 1))
    text = CONTEXT[start : data.draw(st.integers(start + 1, len(CONTEXT)))]
    characters, place = locate_answer(context=CONTEXT, text=text, answer_start=answer_start)
    assert CONTEXT[slice(*characters)] == text
    assert (place is AnswerPlace.STATED) == (answer_start == characters[0])
