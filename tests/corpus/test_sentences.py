"""Test splitting lines into sentences."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paddle_wwm.corpus.sentences import SentenceRule

split_sentences = SentenceRule().split


def without_white_space(text):
    return "".join(text.split())


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("今天下雨。明天呢？好！", ["今天下雨。", "明天呢？", "好！"]),
        ("他说：“走吧。”然后走了。", ["他说：“走吧。”", "然后走了。"]),
        ("（完。）「好！」『真的？』再见", ["（完。）", "「好！」", "『真的？』", "再见"]),
        ("什么？！不会吧！！！嗯。。。", ["什么？！", "不会吧！！！", "嗯。。。"]),
        ("没有句号的一行", ["没有句号的一行"]),
        ("version 2.0 is out. 新版！", ["version 2.0 is out. 新版！"]),
        ("。开头是句号", ["。", "开头是句号"]),
        ("\u3000\u3000空格在外。  空格 在内。 \r\n", ["空格在外。", "空格 在内。"]),
        ("", []),
        (" \t\u3000\r\n", []),
    ],
)
def test_a_sentence_ends_after_its_end_mark_and_closing_quotes(line, sentences):
    assert split_sentences(line) == sentences


@pytest.mark.parametrize(
    ("ends", "line", "sentences"),
    [
        ("。！？；…", "一；二…三……”四。", ["一；", "二…", "三……”", "四。"]),
        ("。", "一！二？三。四", ["一！二？三。", "四"]),
        ("^-]\\", "a-b]c\\d^e", ["a-", "b]", "c\\", "d^", "e"]),
        ("。.", "3.14。", ["3.", "14。"]),
    ],
)
def test_other_ends_can_be_given(ends, line, sentences):
    assert SentenceRule(ends=ends).split(line) == sentences


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("It is 3.14. Really? Yes!", ["It is 3.14.", "Really?", "Yes!"]),
        ('He wrote "go." Then he went.', ['He wrote "go."', "Then he went."]),
        ("(See p. 5.) wait...  what?!", ["(See p.", "5.)", "wait...", "what?!"]),
        ("www.example.com is up.好。", ["www.example.com is up.好。"]),
        ("中文。English. 混合！end", ["中文。", "English.", "混合！", "end"]),
        ("..a .b c.", ["..a .b c."]),
    ],
)
def test_with_english_a_sentence_also_ends_before_white_space(line, sentences):
    assert SentenceRule(english=True).split(line) == sentences


def test_english_works_without_other_ends():
    assert SentenceRule(ends="", english=True).split("一。二. 三") == ["一。二.", "三"]


@pytest.mark.parametrize(
    ("line", "max_chars", "sentences"),
    [
        ("一二三，四五六，七八", 8, ["一二三，四五六，", "七八"]),
        ("一二三，四五六，七八", 7, ["一二三，", "四五六，七八"]),
        ("一二三四五", 2, ["一二", "三四", "五"]),
        ("one two three", 9, ["one two", "three"]),
        ("一二三四。五", 3, ["一二三", "四。", "五"]),
        ("一二三。四五六。", 4, ["一二三。", "四五六。"]),
        ("一     二", 3, ["一", "二"]),
        ("ab", 1, ["a", "b"]),
    ],
)
def test_a_too_long_sentence_is_cut_after_its_last_comma_or_white_space(line, max_chars, sentences):
    assert SentenceRule(max_chars=max_chars).split(line) == sentences


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ends": ""}, "`ends` must hold at least one character"),
        ({"max_chars": 0}, "`max_chars` must be at least 1, but is 0"),
    ],
)
def test_a_wrong_option_is_an_error_with_its_name(options, message):
    with pytest.raises(ValueError, match=message):
        SentenceRule(**options)


rules = st.builds(
    SentenceRule,
    ends=st.sampled_from(["。！？", "。！？；…", ".", "]^-"]),
    english=st.booleans(),
    max_chars=st.sampled_from([1, 3, 10, 10_000]),
)
hostile = st.text(alphabet=st.sampled_from("语言a1。！？.?!”』）)] \t\u3000，\"'\r\u2028\x1f😀^-…"), max_size=60)


@given(line=hostile | st.text(max_size=40), rule=rules)
@example(line="a。\x1c ", rule=SentenceRule())
def test_splitting_a_line_removes_only_white_space(line, rule):
    sentences = rule.split(line)
    assert without_white_space("".join(sentences)) == without_white_space(line)
    assert all(sentence and sentence == sentence.strip() and len(sentence) <= rule.max_chars for sentence in sentences)


HOSTILE_RUNS = {
    "dots": "." * 200_000,
    "dots before a letter": "." * 200_000 + "a",
    "closing brackets": "." + ")" * 200_000 + "a",
    "alternating dots and brackets": ".)" * 100_000 + "a",
    "dots, then brackets": "." * 100_000 + ")" * 100_000 + "a",
    "spaces": "." + " " * 200_000 + "a",
    "full stops": "。" * 200_000,
    "full stops, then quotes": "。" * 100_000 + "”" * 100_000,
    "alternating full stops and quotes": "。”" * 100_000,
    "commas": "，" * 200_000,
    "a comma, then letters": ("，" + "a" * 9_999) * 20,
    "letters": "a" * 200_000,
}


@pytest.mark.parametrize("run", HOSTILE_RUNS)
@pytest.mark.parametrize(
    "rule",
    [SentenceRule(ends="。！？.", english=True), SentenceRule(english=True, max_chars=100)],
    ids=["all", "short"],
)
def test_every_run_of_characters_is_split_in_linear_time(run, rule):
    """Compare with the time for a plain line of the same size.

    A hundred times as long is allowed. Quadratic time would be thousands of times as long.
    """

    def seconds(line):
        begin = time.process_time()
        sentences = rule.split(line)
        return time.process_time() - begin, sentences

    plain = min(seconds("今天下雨，明天也下。a. " * 15_000)[0] for _ in range(3))
    taken, sentences = min(seconds(HOSTILE_RUNS[run]) for _ in range(2))
    assert taken < 100 * plain + 0.05
    assert without_white_space("".join(sentences)) == without_white_space(HOSTILE_RUNS[run])
