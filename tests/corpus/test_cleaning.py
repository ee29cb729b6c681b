"""Test the cleaning rules: what each changes, drops and counts, and that every removed character is counted."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus.cleaning import RULES, Cleaner, CleaningConfig
from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.reading.intake import RawDocument
from paddle_wwm.errors import ConfigError

LINE_RULES = ("control_characters", "nfc", "long_lines", "short_documents")


def clean(*lines, rules=LINE_RULES, **limits):
    """Return the lines that are left, and the report."""
    report = CorpusReport()
    document = RawDocument(doc_id="c.txt:1", lines=lines)
    report.characters["read"] = sum(map(len, lines))
    cleaned = Cleaner(config=CleaningConfig(rules=rules, **limits)).clean(document, report)
    return list(cleaned.lines) if cleaned else None, report


@pytest.mark.parametrize(
    ("line", "cleaned", "counts"),
    [
        ("好的。", ["好的。"], {}),
        ("  \u3000好的 \t", ["好的"], {}),
        ("a\tb", ["a\tb"], {}),
        ("\ufeff好\u200b的\x00。\xad", ["好的。"], {"control_characters": 1}),
        ("\u202e好的\x7f", ["好的"], {"control_characters": 1}),
        ("cafe\u0301, \u1100\u1161", ["café, 가"], {"nfc": 1}),
        ("e\u200b\u0301a", ["éa"], {"control_characters": 1, "nfc": 1}),
        ("\u0958好", ["\u0915\u093c好"], {"nfc": 1}),
        ("好\ud800的\udfff", ["好的"], {"lone_surrogates": 1}),
        ("第一\r第二\u2028第三\x85\x0c第四", ["第一", "第二", "第三", "第四"], {}),
        ("\ufffd\ufffd好的", ["\ufffd\ufffd好的"], {}),
        ("😀好的👍🏽", ["😀好的👍🏽"], {}),
    ],
)
def test_rules_clean_a_line_and_count_it(line, cleaned, counts):
    lines, report = clean(line)
    assert lines == cleaned
    assert dict(report.counts) == counts
    assert set(report.samples) == set(counts) and all(
        sample.startswith("c.txt:1: ") for (sample,) in report.samples.values()
    )


def test_a_rule_that_is_off_changes_nothing():
    line = "e\u0301\x00\u200b"
    assert clean(line, rules=())[0] == [line]
    assert clean(line, rules=("nfc",))[0] == ["é\x00\u200b"]
    assert clean(line, rules=("control_characters",))[0] == ["e\u0301"]


@pytest.mark.parametrize(
    ("lines", "left", "counts", "removed"),
    [
        (["好的", "长" * 11, "长" * 10], ["好的", "长" * 10, "长", "长" * 10], {"long_lines": 1}, {}),
        (
            ["四个字。五个字呢？", "五个字呢？ 四个字。四个字。"],
            ["四个字。五个字呢？", "五个字呢？", "四个字。四个字。"],
            {"long_lines": 1},
            {},
        ),
        (["长" * 6 + "\r" + "长" * 6], ["长" * 6, "长" * 6], {}, {}),
        (["长" * 25], ["长" * 10, "长" * 10, "长" * 5], {"long_lines": 1}, {}),
        (["。。！？", "…—"], None, {"short_documents": 1}, {"short_documents": 6}),
        (["。好。", "--"], None, {"short_documents": 1}, {"short_documents": 5}),
        (["。好。", "1"], ["。好。", "1"], {}, {}),
        (["", "\u200b", " "], None, {"control_characters": 1, "empty_documents": 1}, {"control_characters": 1}),
    ],
)
def test_too_long_lines_are_cut_and_too_short_documents_dropped_and_both_are_counted(lines, left, counts, removed):
    found, report = clean(*lines, max_line_chars=10)
    assert found == left
    assert dict(report.counts) == counts
    assert {rule: report.characters[rule] for rule in report.counts if report.characters[rule]} == removed


@pytest.mark.parametrize("limits", [{"max_line_chars": 3}, {"min_document_chars": 9}])
def test_a_limit_has_no_effect_if_its_rule_is_off(limits):
    assert clean("好的。！", rules=(), **limits)[0] == ["好的。！"]


def test_the_rule_simplified_converts_traditional_characters():
    pytest.importorskip("opencc")
    line = "語言模型預測下一個詞，臺灣的頭髮與發展。"
    assert clean(line)[0] == [line]
    lines, report = clean(line, rules=("simplified",))
    assert lines == ["语言模型预测下一个词，台湾的头发与发展。"]
    assert report.counts == {"simplified": 1}


def test_a_missing_package_is_an_error_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(ConfigError, match=r"simplified needs OpenCC.*pip install 'paddle_wwm\[simplified\]'"):
        clean("語言", rules=("simplified",))


def test_the_order_of_the_given_rules_does_not_matter():
    assert CleaningConfig(rules=("nfc", "control_characters")) == CleaningConfig(
        rules=("control_characters", "nfc", "nfc")
    )
    assert CleaningConfig(
        rules=CleaningConfig().switched(on=("simplified",), off=("nfc", "simplified"))
    ).rules == tuple(name for name, rule in RULES.items() if rule.on and name != "nfc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rules": ("nfc", "nfd")}, "cleaning rules must be among control_characters, nfc, .*, but got nfd"),
        ({"max_line_chars": 0}, "`max_line_chars` must be at least 1, but is 0"),
        ({"min_document_chars": -1}, "`min_document_chars` must be at least 1"),
    ],
)
def test_a_wrong_option_is_an_error_with_its_name(options, message):
    with pytest.raises(ValueError, match=message):
        CleaningConfig(**options)


# an independent, slow definition of a control character
def is_control(character):
    return unicodedata.category(character) in ("Cc", "Cf") and character != "\t"


texts = st.text(
    alphabet=st.sampled_from("好a1。 \t\u3000\x00\u200b\ufeff\r\u2028\u0301e\u0958\ud800\U000e0001") | st.characters(),
    max_size=30,
)


@settings(deadline=None, max_examples=500)
@given(
    lines=st.lists(texts.map(lambda text: text.replace("\n", "")), max_size=6),
    rules=st.sets(st.sampled_from(LINE_RULES)),
)
@example(lines=["\x1c\u1680\x1f"], rules={"control_characters"})
def test_every_character_is_kept_or_counted_and_the_result_obeys_the_rules(lines, rules):
    left, report = clean(*lines, rules=tuple(rules), max_line_chars=12, min_document_chars=3)
    removed = sum(count for rule, count in report.characters.items() if rule != "read")
    assert report.characters["read"] == sum(map(len, left or [])) + removed
    for line in left or []:
        assert line and line == line.strip() and len(line.splitlines()) == 1
        assert not any("\ud800" <= character <= "\udfff" for character in line)
        assert "control_characters" not in rules or not any(map(is_control, line))
        assert "nfc" not in rules or unicodedata.is_normalized("NFC", line)
    assert set(report.counts) == set(report.samples)
    assert left or report.counts["empty_documents"] + report.counts["short_documents"] == 1
