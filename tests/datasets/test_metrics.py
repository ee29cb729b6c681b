"""Scores computed by hand for each rule, and properties of all rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.datasets.metrics.answers import longest_common_substring, score_cjrc, score_cmrc, score_squad2
from paddle_wwm.datasets.metrics.scores import METRICS, main_score, score, unanswered, unknown_ids
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.tasks.examples import AnswerKind, GoldAnswer, QuestionExample, TaskName, TextExample, TokenExample

TEXTS = st.text(alphabet="中国北京大学ab1 ，。.-", max_size=12)
# answer, gold texts, EM, F1
CMRC = [
    ("北京大学", ["北京大学"], 1, 1),
    ("《北京》大学。", ["北京大学"], 1, 1),  # punctuation is removed from both
    ("北京 大学", ["北京大学"], 0, 1),  # EM compares inner spaces, segments do not contain them
    ("北京", ["北京大学"], 0, 2 * 1 * 0.5 / 1.5),  # precision 1, recall 1/2
    ("大学北京", ["北京大学"], 0, 0.5),  # a substring, not a subsequence or a multiset: 2 of 4 and 2 of 4
    ("北x京", ["北京"], 0, 2 * (1 / 3) * 0.5 / (1 / 3 + 0.5)),  # 北 or 京 alone: 1 of 3, 1 of 2
    ("IPHONE 6s", ["iPhone"], 0, 2 * 0.5 * 1 / 1.5),  # words of letters, lower case: 1 of 2, 1 of 1
    ("上海", ["北京", "上海"], 1, 1),  # the best gold text counts
    ("上海市", ["北京市民", "上海"], 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),
    ("", ["北京"], 0, 0),
    ("，", ["。"], 1, 0),  # both empty without punctuation: equal, but no common segment
    ("a.", ["a"], 0, 2 * 0.5 * 1 / 1.5),  # EM keeps the ASCII full stop, and F1 counts it as a segment
]
CJRC = [
    ("800元", ["800元"], 1, 1),
    ("800", ["800元"], 0, 2 * 1 * 0.75 / 1.75),  # digits are compared one by one: 3 of 3, 3 of 4
    ("元800", ["800元"], 0, 1),  # a multiset has no order
    ("800 元。", ["800元"], 1, 1),  # letters and digits only: spaces and marks are removed
    ("YES", ["YES", "YES", "YES"], 1, 1),
    ("YES", ["YES", "YES", "NO"], 1, 1),  # whichever is left out, a YES remains
    ("NO", ["YES", "YES", "NO"], 2 / 3, 2 / 3),  # without the only NO the answer is wrong
    ("no", ["YES", "NO"], 1 / 2, 1 / 2),
    ("", ["", "", ""], 1, 1),
    ("", ["夫妻", "夫妻", "夫妻"], 0, 0),
    ("夫妻", [""], 0, 0),
    (
        "因夫妻",
        ["夫妻", "因夫妻", "夫妻"],
        2 / 3,
        (1 + 0.8 + 1) / 3,
    ),  # without the 1st: 1; without the 2nd: F1(2 of 3, 2 of 2) = 0.8; without the 3rd: 1
]
SQUAD2 = [
    ("", [""], 1, 1),
    ("北京", [""], 0, 0),
    ("", ["北京"], 0, 0),
    ("北京", ["北京大学"], 0, 2 / 3),
    ("北京。", ["北京"], 1, 1),
]


@pytest.mark.parametrize(
    ("rule", "answer", "gold", "exact_match", "f1"),
    [
        (rule, *case)
        for rule, cases in ((score_cmrc, CMRC), (score_cjrc, CJRC), (score_squad2, SQUAD2))
        for case in cases
    ],
)
def test_an_answer_gets_the_score_computed_by_hand(rule, answer, gold, exact_match, f1):
    found = rule(answer, gold)
    assert (found.exact_match, found.f1) == (pytest.approx(exact_match), pytest.approx(f1))


def question(example_id, *texts):
    return QuestionExample(
        example_id=example_id, question="？", context="", answers=tuple(GoldAnswer(text=text) for text in texts)
    )


def text(example_id, label):
    return TextExample(example_id=example_id, text="好", label=label)


def tokens(example_id, *labels):
    return TokenExample(example_id=example_id, tokens=tuple("字" * len(labels)), labels=labels)


def test_scores_are_means_over_all_questions_and_missing_predictions_count_as_wrong():
    examples = [question("1", "北京"), question("2", "上海"), question("3", "广州"), question("4", "天津")]
    predictions = {"1": "北京", "2": "海", "9": "北京"}
    assert score("cmrc", examples, predictions) == {"exact_match": 25.0, "f1": pytest.approx(100 * (1 + 2 / 3) / 4)}
    assert unanswered(examples, predictions) == ["3", "4"]
    assert unknown_ids(examples, predictions) == ["9"]


def test_accuracy_and_macro_f1():
    examples = [text("1", "a"), text("2", "a"), text("3", "b"), text("4", "b")]
    predictions = {"1": "a", "2": "b", "3": "b", "4": "c"}
    assert score("accuracy", examples, predictions) == {"accuracy": 50.0}
    # a: 1 right of 1 predicted and 2 gold: 2/3. b: 1 right of 2 and 2: 1/2. c: predicted once, never gold: 0
    assert score("macro_f1", examples, predictions)["macro_f1"] == pytest.approx(100 * (2 / 3 + 1 / 2 + 0) / 3)


def test_a_missing_prediction_is_a_false_negative_of_its_class_only():
    examples = [text("1", "a"), text("2", "b")]
    assert score("macro_f1", examples, {"1": "a"})["macro_f1"] == pytest.approx(50.0)
    assert score("accuracy", examples, {"1": "a"}) == {"accuracy": 50.0}


@pytest.mark.parametrize(
    ("gold", "given", "precision", "recall"),
    [
        (["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], 1, 1),
        (["B-PER", "I-PER", "O"], ["B-PER", "O", "O"], 0, 0),  # a wrong end makes the entity wrong
        (["B-PER", "I-PER", "O"], ["B-LOC", "I-LOC", "O"], 0, 0),  # so does a wrong type
        (["B-PER", "I-PER", "B-PER"], ["B-PER", "I-PER", "I-PER"], 0, 0),  # two adjacent persons are not one
        (["O", "B-PER", "I-PER"], ["O", "I-PER", "I-PER"], 1, 1),  # conlleval: an I- after O starts an entity
        (["S-LOC", "O", "B-PER", "E-PER"], ["S-LOC", "O", "B-PER", "E-PER"], 1, 1),  # BIOES
        (["S-LOC", "O", "B-PER", "E-PER"], ["S-LOC", "S-LOC", "B-PER", "E-PER"], 2 / 3, 1),
        (["B-PER", "M-PER", "E-PER"], ["B-PER", "M-PER", "E-PER"], 1, 1),  # BMES
        (["B-PER", "M-PER", "E-PER"], ["B-PER", "E-PER", "S-PER"], 0, 0),
        (["O", "O"], ["O", "O"], 0, 0),  # without entities the score is 0
    ],
)
def test_an_entity_is_right_only_as_a_whole(gold, given, precision, recall):
    found = score("entity_f1", [tokens("1", *gold)], {"1": tuple(given)})
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert found == {
        name: pytest.approx(100 * value) for name, value in (("precision", precision), ("recall", recall), ("f1", f1))
    }


def test_a_sentence_without_a_prediction_has_no_correct_entity_or_token():
    examples = [tokens("1", "B-PER", "O"), tokens("2", "B-PER", "O")]
    assert score("entity_f1", examples, {"1": ("B-PER", "O")})["recall"] == pytest.approx(50.0)
    assert score("token_accuracy", examples, {"1": ("B-PER", "O")}) == {"token_accuracy": 50.0}


@pytest.mark.parametrize(
    ("metric", "examples", "predictions", "message"),
    [
        ("bleu", [text("1", "a")], {}, "must be one of accuracy"),
        ("accuracy", [], {}, "at least 1 example"),
        ("accuracy", [text("1", None)], {}, "'1' must have a label to be scored"),
        ("cmrc", [question("q")], {}, "'q' must have a label"),
        ("cmrc", [text("1", "a")], {}, "scores question-answering, but example '1' is a TextExample"),
        ("entity_f1", [tokens("1", "O", "O")], {"1": ("O",)}, "each of its 2 tokens, but has 1"),
        (
            "entity_f1",
            [tokens("1", "NR", "O")],
            {"1": ("NR", "O")},
            "must be O, or B-, .* but some are NR; .* token_accuracy",
        ),
        ("entity_f1", [tokens("1", "O", "O")], {"1": "OO"}, "each of its 2 tokens, but is one text"),
    ],
)
def test_data_that_cannot_be_scored_is_an_error(metric, examples, predictions, message):
    with pytest.raises((ConfigError, DataError), match=message):
        score(metric, examples, predictions)


def test_the_main_score_of_reading_comprehension_is_the_mean_of_em_and_f1():
    assert main_score("cmrc", {"exact_match": 60.0, "f1": 80.0}) == 70.0
    assert main_score("macro_f1", {"macro_f1": 50.0, "accuracy": 90.0}) == 50.0


def test_every_metric_returns_the_values_in_its_table_row():
    for name, row in METRICS.items():
        example, gold = {
            TaskName.SEQ_CLS: (text("1", "a"), "a"),
            TaskName.TOKEN_CLS: (tokens("1", "B-PER"), ("B-PER",)),
            TaskName.QUESTION_ANSWERING: (question("1", "北京"), "北京"),
        }[row.task]
        assert score(name, [example], {"1": gold}) == {value: 100.0 for value in row.values}
        assert set(row.main) <= set(row.values)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_score_with_one_gold_text_is_symmetric_and_from_0_to_1(one, other):
    for rule in (score_cmrc, score_cjrc, score_squad2):
        found = rule(one, [other])
        assert found == rule(other, [one])
        assert 0 <= found.exact_match <= 1
        assert 0 <= found.f1 <= 1 + 1e-12


@settings(deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3), TEXTS)
def test_more_gold_texts_never_lower_a_score_of_cmrc(answer, gold, more):
    fewer, all_of_them = score_cmrc(answer, gold), score_cmrc(answer, [*gold, more])
    assert all_of_them.exact_match >= fewer.exact_match
    assert all_of_them.f1 >= fewer.f1


@settings(deadline=None)
@given(st.lists(TEXTS.filter(lambda text: any(map(str.isalnum, text))), min_size=1, max_size=3))
def test_a_gold_text_with_letters_scores_1_by_cmrc(gold):
    assert score_cmrc(gold[-1], gold).exact_match == 1
    assert score_cmrc(gold[-1], gold).f1 == pytest.approx(1)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_longest_common_substring_matches_a_brute_force_search(one, other):
    runs = {tuple(one[first:last]) for first in range(len(one)) for last in range(first + 1, len(one) + 1)}
    common = [run for run in runs if any(tuple(other[place : place + len(run)]) == run for place in range(len(other)))]
    assert longest_common_substring(one, other) == max(map(len, common), default=0)


def test_yes_and_no_answer_are_scored_by_their_texts():
    examples = [
        QuestionExample(
            example_id="1", question="？", context="", answers=(GoldAnswer(text="YES", kind=AnswerKind.YES),)
        ),
        QuestionExample(
            example_id="2", question="？", context="", answers=(GoldAnswer(text="", kind=AnswerKind.NONE),)
        ),
    ]
    assert score("cjrc", examples, {"1": "YES", "2": ""}) == {"exact_match": 100.0, "f1": 100.0}
