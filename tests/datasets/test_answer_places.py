"""Gold answers that are where the file says, elsewhere, or not as they were written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.datasets.readers.answer_places import AnswerPlace, locate_answer

CONTEXT = "天津在北京东南。北京大学在北京，不在天津。"
CASES = [
    ("北京", 3, (3, 5), AnswerPlace.STATED),
    (" 北京 ", 2, (3, 5), AnswerPlace.STATED),  # the spaces are counted in what is stated
    ("北京", 5, (3, 5), AnswerPlace.WRONG_START),  # the nearest
    ("北京", 12, (13, 15), AnswerPlace.WRONG_START),
    ("北京", 999, (13, 15), AnswerPlace.WRONG_START),
    ("北京大学", -1, (8, 12), AnswerPlace.NO_START),
    ("北京大学在北京。", -1, (8, 15), AnswerPlace.PUNCTUATION),  # the passage goes on with a comma
    ("“北京大学在北京”。", 8, (8, 15), AnswerPlace.PUNCTUATION),
    ("不在天津。。", -1, (16, 21), AnswerPlace.PUNCTUATION),  # as few marks are left out as can be
    ("上海。", -1, None, AnswerPlace.ABSENT),
    ("。！", -1, None, AnswerPlace.ABSENT),
    ("", -1, None, AnswerPlace.ABSENT),
]


@pytest.mark.parametrize(("text", "answer_start", "characters", "place"), CASES)
def test_an_answer_is_found(text, answer_start, characters, place):
    assert locate_answer(context=CONTEXT, text=text, answer_start=answer_start) == (characters, place)


@settings(deadline=None)
@given(st.data(), st.integers(-2, 40))
def test_every_part_of_the_passage_is_found_whatever_the_file_states(data, answer_start):
    start = data.draw(st.integers(0, len(CONTEXT) - 1))
    text = CONTEXT[start : data.draw(st.integers(start + 1, len(CONTEXT)))]
    characters, place = locate_answer(context=CONTEXT, text=text, answer_start=answer_start)
    assert CONTEXT[slice(*characters)] == text
    assert (place is AnswerPlace.STATED) == (answer_start == characters[0])
