"""Test the estimate of a dry run: it depends on a sample, of which little is in memory."""

from __future__ import annotations

import tracemalloc

import pytest

from paddle_wwm.corpus.segment import make_segmenter
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.shards.preparation import estimate as estimates
from paddle_wwm.shards.preparation.estimate import estimate

from .small import WITHOUT_WORDS


@pytest.fixture
def estimate_of(tmp_path, mini_vocab):
    """A function that writes files of so many characters each and returns the estimate."""

    def call(*sizes):
        for number, size in enumerate(sizes):
            (tmp_path / f"{number:03}.txt").write_text(f"{number}" + "字" * (size - 4) + "。\n", encoding="utf-8")
        segmenter = make_segmenter(WITHOUT_WORDS.segmenter)
        sources = find_sources([tmp_path]).files
        return estimate(sources, vocab=mini_vocab, config=WITHOUT_WORDS, segmenter=segmenter, num_workers=1)

    return call


def test_only_the_sampled_text_is_in_memory(estimate_of, monkeypatch):
    monkeypatch.setattr(estimates, "MAX_KEPT_CHARS", 50_000)
    estimate_of(10)  # imports and tables
    tracemalloc.start()
    try:
        found = estimate_of(*[100_000] * 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.num_sampled_chars == pytest.approx(100_000, rel=0.01)  # one document
    assert found.num_chars == pytest.approx(100 * 100_000, rel=0.01)
    assert peak < 100 * 100_000, "the text of all files, in two bytes per character, would be twice that"


def test_the_sample_has_documents_of_all_files(estimate_of, monkeypatch):
    monkeypatch.setattr(estimates, "MAX_KEPT_CHARS", 2_000)
    found = estimate_of(*[100] * 90, *[500] * 10)
    assert 500 <= found.num_sampled_chars <= 2_000
    assert found.num_chars == pytest.approx(90 * 100 + 10 * 500, rel=0.05)


def test_a_document_longer_than_the_limit_is_kept_whole(estimate_of, monkeypatch):
    monkeypatch.setattr(estimates, "MAX_KEPT_CHARS", 100)
    assert estimate_of(5_000, 10).num_sampled_chars == pytest.approx(5_000, rel=0.01)
