"""Test the counts, characters and samples per rule."""

from __future__ import annotations

import json

import pytest

from paddle_wwm.corpus.counts import MAX_SAMPLE_CHARS, MAX_SAMPLES, CorpusReport, excerpt


def report_of(rule, *places, removed=1):
    report = CorpusReport()
    for place in places:
        report.add(rule, place=str(place), text="文", removed=removed)
    return report


def test_a_report_counts_applications_and_keeps_the_first_samples():
    report = report_of("nfc", *range(9), removed=-2)
    assert (report.counts, report.characters) == ({"nfc": 9}, {"nfc": -18})
    assert report.samples == {"nfc": [f"{place}: 文" for place in range(MAX_SAMPLES)]}


def test_merged_reports_keep_the_order_of_the_corpus():
    first, second = report_of("nfc", 1, 2, 3), report_of("nfc", 4, 5, 6)
    second.add("long_lines", place="7", text="长", removed=40, count=2)
    second.characters["read"] = 50
    whole = CorpusReport()
    whole.merge(first)
    whole.merge(second)
    assert whole.counts == {"nfc": 6, "long_lines": 2}
    assert whole.characters == {"nfc": 6, "long_lines": 40, "read": 50}
    assert whole.samples == {"nfc": ["1: 文", "2: 文", "3: 文", "4: 文", "5: 文"], "long_lines": ["7: 长"]}
    assert first.samples == {"nfc": ["1: 文", "2: 文", "3: 文"]}, "merge must not change the report that is added"


def test_a_report_survives_json_and_its_json_has_a_stable_order():
    one, other = report_of("nfc", 1), report_of("long_lines", 2)
    one.merge(report_of("long_lines", 2))
    other.merge(report_of("nfc", 1))
    text = json.dumps(one.to_json())
    assert text == json.dumps(other.to_json())
    again = CorpusReport.from_json(json.loads(text))
    assert again == one
    again.add("nfc", place="3", text="文", removed=0)
    assert again.counts["nfc"] == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("好的。", "好的。"),
        ("字" * MAX_SAMPLE_CHARS, "字" * MAX_SAMPLE_CHARS),
        ("字" * (MAX_SAMPLE_CHARS + 1), "字" * MAX_SAMPLE_CHARS + "…"),
        ("a\nb\x00\ud800\u3000", "a\\nb\\x00\\ud800\\u3000"),
    ],
)
def test_an_excerpt_is_one_printable_line(text, shown):
    assert excerpt(text) == shown
    assert shown.encode("utf-8").decode() == shown
