"""The segments that the metric of CMRC 2018 compares, worked out by hand from the authors' rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.datasets.metrics.words import mixed_segments, without_punctuation, words_of

SEGMENTS = [
    ("北京大学", ["北", "京", "大", "学"]),
    ("臺灣", ["臺", "灣"]),  # traditional characters are in the same range
    ("1998年", ["1998", "年"]),  # digits stay together
    ("光荣和ω-force", ["光", "荣", "和", "ωforce"]),  # the hyphen is removed before the split into words
    ("《战国》，“无双”。", ["战", "国", "无", "双"]),
    ("Windows 10系统", ["windows", "10", "系", "统"]),  # lower case; white space separates words
    ("3.5米", ["3.5", "米"]),  # a full stop inside a word
    ("共1,000人", ["共", "1,000", "人"]),  # a comma before a digit
    ("(abc)", ["(", "abc", ")"]),  # ASCII brackets are segments, not removed
    ("（abc）", ["abc"]),  # full-width ones are removed
    ("50%", ["50", "%"]),
    ("苹果……", ["苹", "果", "……"]),  # the list has "……", which is two characters and never matches one
    ("かな", ["かな"]),  # kana are not in the range
    ("㐀龥龦", ["㐀", "龥", "龦"]),  # the range ends at 龥; the other two are words, and 龥 separates them
    ("  空  ", ["空"]),
    ("", []),
    ("。。。", []),
]
WORDS = [
    ("it's", ["it", "'s"]),
    ("don't", ["do", "n't"]),
    ("cannot", ["can", "not"]),
    ("students' books", ["students", "'", "books"]),
    ("o'neill", ["o'neill"]),
    ('"hello" he', ["``", "hello", "''", "he"]),
    ("wait... what?", ["wait", "...", "what", "?"]),
    ("a, b", ["a", ",", "b"]),
    ("s.g. tallentyre", ["s.g.", "tallentyre"]),  # initials do not end a sentence
    ("hey! say! jump", ["hey", "!", "say", "!", "jump"]),
    ("roy h. reinhart", ["roy", "h.", "reinhart"]),
    ("it ends. it begins.", ["it", "ends", ".", "it", "begins", "."]),
    ("3. platz", ["3.", "platz"]),  # nor do numbers before a letter
    ("in 1998. 2 years", ["in", "1998", ".", "2", "years"]),  # but a number before a digit does
    ("dr. dre", ["dr.", "dre"]),
    ("u.s.", ["u.s", "."]),  # the last full stop of a sentence is a word
    ("(u.s.)", ["(", "u.s", ".", ")"]),
]


@pytest.mark.parametrize(("text", "segments"), SEGMENTS)
def test_chinese_is_split_into_characters_and_other_text_into_words(text, segments):
    assert list(mixed_segments(text)) == segments


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words_follow_the_penn_treebank(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("ω-Force", "ωforce"),
        ("《A》 b", "a b"),
        ("a,b", "a,b"),
        (" “x” ", "x"),
        ("3：2", "32"),
        ("…", "…"),
        ("“ x", " x"),
    ],
)
def test_em_compares_lower_case_text_without_the_listed_marks(text, compared):
    assert without_punctuation(text) == compared


@settings(deadline=None)
@given(st.text(alphabet="中文ab1 ,.'\"()，。-…?", max_size=30))
def test_segments_keep_every_character_except_spaces_and_quotes(text):
    kept = "".join(mixed_segments(text)).replace("``", '"').replace("''", '"').replace("'", "").replace('"', "")
    assert kept == without_punctuation(text).replace(" ", "").replace("'", "").replace('"', "")
