"""YES, NO and no answer: the kind over all windows, and the threshold chosen on a development set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.tasks.answer_kinds import KINDS, best_no_answer_threshold, kind_of_windows, training_answer
from paddle_wwm.tasks.examples import AnswerKind, GoldAnswer, QuestionExample
from paddle_wwm.tasks.reading_comprehension import (
    DecodingConfig,
    EncodedQuestion,
    answers_of,
    decode,
    label_of,
    windows_of,
)

NUM_PIECES = 30
CONTEXT = "".join(chr(0x4E00 + place) for place in range(NUM_PIECES))
ENCODED = EncodedQuestion(
    context=CONTEXT,
    question_ids=[10, 11],
    context_ids=list(range(100, 100 + NUM_PIECES)),
    context_offsets=np.stack([np.arange(NUM_PIECES), np.arange(1, NUM_PIECES + 1)], axis=1),
)
SPAN = GoldAnswer(text=CONTEXT[25:28], characters=(25, 28))


@pytest.fixture(scope="module")
def windows(mini_vocab):
    found = windows_of(ENCODED, vocab=mini_vocab, max_seq_len=20, doc_stride=4)
    assert len(found) == 3
    return found


def of_kind(kind, *, high=10.0):
    values = np.zeros(len(KINDS))
    values[KINDS.index(kind)] = high
    return values


def perfect(windows, answer):
    """Return logits with high values at an answer."""
    logits = []
    for window in windows:
        values = np.zeros((len(window.input_ids), 2))
        first, last = label_of(window, encoded=ENCODED, characters=answer.characters)
        values[first, 0] += 20
        values[last, 1] += 20
        logits.append(values)
    return logits


def test_one_window_can_give_an_answer_but_no_answer_needs_all_windows():
    none, yes = of_kind(AnswerKind.NONE), of_kind(AnswerKind.YES)
    assert kind_of_windows([none, none]) is AnswerKind.NONE
    assert kind_of_windows([none, yes, none]) is AnswerKind.YES


@pytest.mark.parametrize("kind", KINDS)
def test_with_one_window_the_kind_has_the_highest_logit(kind):
    assert kind_of_windows([of_kind(kind, high=0.1)]) is kind


def test_training_uses_the_first_answer_with_a_known_position():
    lost, yes = GoldAnswer(text="不在"), GoldAnswer(text="YES", kind=AnswerKind.YES)

    def taught(*answers):
        return training_answer(QuestionExample(example_id="1", question="？", context=CONTEXT, answers=answers))

    assert taught(lost, SPAN, yes) is SPAN
    assert taught(yes, SPAN) is yes
    assert taught(lost) is None
    assert taught() is None


def test_the_threshold_is_compared_with_the_margin(windows):
    logits = perfect(windows, SPAN)
    margin = answers_of(ENCODED, windows=windows, logits=logits, config=DecodingConfig()).no_answer_margin
    assert margin == pytest.approx(0 - 40)
    for threshold, text in ((margin + 0.01, SPAN.text), (margin - 0.01, "")):
        config = DecodingConfig(no_answer_threshold=threshold)
        assert decode(ENCODED, windows=windows, logits=logits, config=config)[0].text == text


def test_the_best_threshold_separates_questions_with_and_without_an_answer():
    # the spans are right below 3, the empty answers above
    found = best_no_answer_threshold(
        np.array([5.0, 1.0, -2.0, 9.0]), span_scores=np.array([0, 1, 1, 0]), no_answer_scores=np.array([1, 0, 0, 1])
    )
    assert (found.value, found.score) == (3.0, 1.0)


def test_the_threshold_is_0_if_0_is_as_good_as_any_other():
    found = best_no_answer_threshold(
        np.array([-3.0, 4.0]), span_scores=np.array([1, 0]), no_answer_scores=np.array([0, 1])
    )
    assert (found.value, found.score) == (0.0, 1.0)


def test_a_question_without_any_span_has_no_answer_at_any_threshold():
    found = best_no_answer_threshold(
        np.array([np.inf, 1.0]), span_scores=np.array([0, 1]), no_answer_scores=np.array([1, 0])
    )
    assert found.score == 1.0
    assert 1.0 <= found.value < np.inf
    assert (
        best_no_answer_threshold(np.array([np.inf]), span_scores=np.array([0]), no_answer_scores=np.array([1])).score
        == 1.0
    )


def test_no_questions_are_an_error():
    with pytest.raises(ValueError, match="at least one question"):
        best_no_answer_threshold(np.zeros(0), span_scores=np.zeros(0), no_answer_scores=np.zeros(0))


MARGINS = st.one_of(st.integers(-4, 4).map(float), st.just(np.inf))


@settings(deadline=None)
@given(st.lists(st.tuples(MARGINS, st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_no_other_threshold_scores_better_and_the_returned_score_is_correct(rows):
    margins, spans, nones = (np.array(column) for column in zip(*rows))

    def reached(threshold):
        return float(np.where(margins > threshold, nones, spans).mean())

    found = best_no_answer_threshold(margins, span_scores=spans, no_answer_scores=nones)
    assert found.score == pytest.approx(reached(found.value))
    assert found.score >= max(map(reached, np.arange(-6, 6, 0.25))) - 1e-9
