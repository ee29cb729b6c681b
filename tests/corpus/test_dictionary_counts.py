"""Test that the phrases of a dictionary are found and counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.corpus.counts import CorpusReport
from paddle_wwm.corpus.dictionary_counts import CountingSegmenter, PhraseCounts
from paddle_wwm.corpus.phrases import PhraseIndex
from paddle_wwm.corpus.segment import SegmenterConfig, dictionary_of, make_segmenter

FEW = st.text(st.sampled_from("天地玄黄\U0001f600"), min_size=1, max_size=5)


@given(
    phrases=st.lists(FEW, unique=True, max_size=8),
    texts=st.lists(st.text("天地玄黄\U0001f600", max_size=12), max_size=4),
)
def test_all_occurrences_of_all_phrases_are_found_in_order(phrases, texts):
    expected, begin = [], 0
    for text in texts:
        limit = begin + len(text)
        for start in range(len(text)):
            for end in range(start + 1, len(text) + 1):
                if text[start:end] in phrases:
                    expected.append((begin + start, begin + end, phrases.index(text[start:end]), limit))
        begin = limit
    assert list(PhraseIndex(phrases).occurrences(texts)) == expected


def counts_of(segmenter, texts):
    counts = PhraseCounts()
    CountingSegmenter(segmenter, counts=counts).word_starts(texts)
    return counts


@pytest.fixture
def lac(tmp_path):
    path = tmp_path / "words.dic"
    path.write_text("南京市\n南京市长\n市长江\n云计算\n的\n", encoding="utf-8")
    return make_segmenter(SegmenterConfig(name="lac", custom_dictionary=path))


def test_a_phrase_that_others_overlap_occurs_but_is_not_applied(lac):
    # 南京市长 ends after 南京市, and 市长江 ends after 南京市长, so only the last one has its words
    assert "".join(map(str, lac.word_starts(["南京市长江"]).astype(int))) == "10100"
    counts = counts_of(lac, ["南京市长江", "南京市，南京市"])
    assert counts.found == {0: 3, 1: 1, 2: 1}
    assert counts.applied == {0: 2, 2: 1}


def test_the_report_has_the_counts_and_the_places_of_phrases_without_effect(lac):
    report = CorpusReport()
    counts_of(lac, ["南京市长江"]).report(dictionary_of(lac), report)
    assert report.counts == {
        "dictionary_phrases": 4,
        "dictionary_occurrences": 3,
        "dictionary_occurrences_as_words": 1,
        "dictionary_phrases_absent": 1,
        "dictionary_phrases_overruled": 2,
        "dictionary_lines_without_effect": 1,
    }
    assert report.samples["dictionary_phrases_absent"] == ["words.dic:4: 云计算"]
    assert report.samples["dictionary_phrases_overruled"] == ["words.dic:1: 南京市", "words.dic:2: 南京市长"]
    assert sum(report.characters.values()) == 0


def test_counts_of_parts_add_up_to_those_of_the_whole(lac):
    texts = ["南京市长江", "", "南京市", "云计算云计算"]
    merged = PhraseCounts()
    for text in texts:
        merged.merge(PhraseCounts.from_json(counts_of(lac, [text]).to_json()))
    assert merged == counts_of(lac, texts)


def test_a_word_that_jieba_must_split_is_applied_where_it_is_split(tmp_path):
    path = tmp_path / "words.dic"
    path.write_text("杭研 0\n网易\n", encoding="utf-8")
    jieba = make_segmenter(SegmenterConfig(name="jieba", custom_dictionary=path))
    counts = counts_of(jieba, ["他来到了网易杭研大厦"])
    assert (counts.found, counts.applied) == ({0: 1, 1: 1}, {0: 1, 1: 1})
    unsplit = PhraseCounts()
    dictionary = dictionary_of(jieba)
    unsplit.add(dictionary, dictionary.index.occurrences(["杭研"]), np.array([True, False]))
    assert (unsplit.found, unsplit.applied) == ({0: 1}, {})


@pytest.mark.parametrize("name", ["lac", "jieba"])
def test_the_phrases_of_a_text_are_searched_once(tmp_path, monkeypatch, name):
    path = tmp_path / "words.dic"
    path.write_text("南京市\n*ST舜船\n", encoding="utf-8")
    segmenter = make_segmenter(SegmenterConfig(name=name, custom_dictionary=path))
    searched = []
    occurrences = PhraseIndex.occurrences

    def noted(index, texts):
        searched.extend(texts)
        return occurrences(index, texts)

    monkeypatch.setattr(PhraseIndex, "occurrences", noted)
    counts = PhraseCounts()
    starts = CountingSegmenter(segmenter, counts=counts).word_starts(["南京市", "*ST舜船大涨"])
    assert searched == ["南京市", "*ST舜船大涨"] and counts.applied == {0: 1, 1: 1}
    assert starts.tolist() == segmenter.word_starts(["南京市", "*ST舜船大涨"]).tolist()


def test_a_dictionary_of_words_that_jieba_looks_up_itself_is_searched_for_counts_only(tmp_path, monkeypatch):
    path = tmp_path / "words.dic"
    path.write_text("南京市\n", encoding="utf-8")
    segmenter = make_segmenter(SegmenterConfig(name="jieba", custom_dictionary=path))
    monkeypatch.setattr(PhraseIndex, "occurrences", lambda index, texts: pytest.fail("searched"))
    assert segmenter.word_starts(["南京市"]).tolist() == [True, False, False]
