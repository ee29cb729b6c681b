"""Preparation counts the phrases of user dictionaries, with the same result for any engine and division of the work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paddle_wwm.corpus.segment import SegmenterConfig
from paddle_wwm.shards.inspection.inspect import manifest_lines
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.preparation.prepared_summary import summary
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet

DOCUMENTS = 40
PER_DOCUMENT = "云计算平台上线了。南京市长江大桥。\n花开的时候，*ST舜船大涨。\n\n"
DICTIONARIES = {
    "lac": ["云计算平台\n不在这里\n的\n南京市\n南京市长江大桥\n花开\n", "花 开\n"],
    "jieba": ["云计算平台\n不在这里\n上线 5\n*ST舜船\n花 开\n", "南京 1\n"],
}


@pytest.fixture(params=list(DICTIONARIES))
def config(request, tmp_path):
    """The configuration of a preparation with two dictionaries."""
    paths = [tmp_path / "first.dic", tmp_path / "second.dic"]
    for path, content in zip(paths, DICTIONARIES[request.param]):
        path.write_text(content, encoding="utf-8")
    return PrepareConfig(segmenter=SegmenterConfig(name=request.param, custom_dictionary=tuple(paths)))


@pytest.fixture
def sources(tmp_path):
    """Two files; every document differs by its last line."""
    texts = [f"{PER_DOCUMENT.strip()}\n第{number}篇。\n\n" for number in range(DOCUMENTS)]
    for name, part in (("a.txt", texts[:13]), ("b.txt", texts[13:])):
        (tmp_path / name).write_text("".join(part), encoding="utf-8")
    return [tmp_path / "a.txt", tmp_path / "b.txt"]


def test_the_counts_are_the_same_for_any_engine_and_any_size_of_units(run, config, sources, tmp_path):
    found = []
    for engine in (
        EngineConfig(num_workers=1),
        EngineConfig(num_workers=1, unit_chars=1),
        EngineConfig(num_workers=2, unit_chars=300),
        EngineConfig(name="dask", num_workers=2, unit_chars=500),
    ):
        prepared = run(corpus=sources, config=config, engine=engine, output=tmp_path / "set", overwrite=True)
        assert not prepared.reused
        found.append({path.name: path.read_bytes() for path in prepared.directory.iterdir()})
        (prepared.directory / "manifest.json").unlink()
    assert all(files == found[0] for files in found)
    counts = prepared.report.counts
    assert counts["dictionary_phrases_absent"] == (1 if config.segmenter.name == "lac" else 2)
    if config.segmenter.name == "lac":
        assert counts["dictionary_phrases"] == 5
        assert (counts["dictionary_lines_without_effect"], counts["dictionary_lines_replaced"]) == (1, 1)
        assert counts["dictionary_phrases_overruled"] == 1  # 南京市, by the longer phrase
        assert counts["dictionary_occurrences"] == 4 * DOCUMENTS
        assert counts["dictionary_occurrences_as_words"] == 3 * DOCUMENTS


def test_the_summary_and_the_inspection_show_what_took_effect(run, config, sources):
    prepared = run(corpus=sources, config=config, engine=EngineConfig(num_workers=1))
    page = "\n".join(manifest_lines(ShardSet(prepared.directory)))
    assert prepared.manifest.report["dictionary_phrases"] == prepared.report.counts["dictionary_phrases"]
    for text in (summary(prepared, seconds=1.0), page):
        assert "in the corpus" in text and "first.dic:2: 不在这里" in text
        if config.segmenter.name == "lac":
            assert "dictionary: 5 phrases; 4 occur in the corpus (160 times), 3 as the words of the" in text
            assert "first.dic:4: 南京市" in text and "a single character needs a part of speech" in text
    assert "nothing was dropped or changed" in page


def test_without_a_dictionary_nothing_is_reported_about_one(run, config, sources):
    plain = replace(config, segmenter=SegmenterConfig(name="none"))
    prepared = run(corpus=sources, config=plain, engine=EngineConfig(num_workers=1))
    assert "dictionary:" not in summary(prepared, seconds=1.0) and "dictionary_" not in str(prepared.report.to_json())
