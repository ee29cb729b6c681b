"""Preparing shards from sources of every kind, and the kept text."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from paddle_wwm.corpus.cleaning import CleaningConfig
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.sentences import SentenceRule
from paddle_wwm.shards.inspection.kept_texts import read_texts
from paddle_wwm.shards.preparation import work_plan
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.reader import ShardSet

from ..corpus.conftest import compress, parquet_bytes
from .small import TEXT, WITHOUT_WORDS


def test_file_format_and_compression_do_not_change_the_shards(run, sample_corpus, mini_vocab, tmp_path):
    """The corpus may be one file, several files, a folder or a glob."""
    texts = [text for text in sample_corpus.read_text(encoding="utf-8").split("\n\n") if text.strip()][:30]

    def kinds(texts):
        records = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        return {".txt": "\n\n".join(texts).encode(), ".jsonl": records.encode(), ".parquet": parquet_bytes(text=texts)}

    expected = None
    for inner, data in kinds(texts).items():
        for ending in ("", ".gz", ".xz", ".zst"):
            path = tmp_path / f"kind{inner}{ending}"
            path.write_bytes(compress(data, ending))
            prepared = run(corpus=[path], config=WITHOUT_WORDS, overwrite=True)
            assert (
                prepared.manifest.sources[0].format
                == {".txt": "text", ".jsonl": "jsonl", ".parquet": "parquet"}[inner] + ending
            )
            expected = expected or prepared.manifest
            assert (prepared.manifest.shards, prepared.manifest.fingerprint) == (
                expected.shards,
                expected.fingerprint,
            ), path.name
    (tmp_path / "folder" / "deeper").mkdir(parents=True)
    (tmp_path / "folder" / "1.parquet.gz").write_bytes(compress(kinds(texts[:10])[".parquet"], ".gz"))
    (tmp_path / "folder" / "2.txt").write_bytes(kinds(texts[10:20])[".txt"])
    (tmp_path / "folder" / "deeper" / "3.jsonl.zst").write_bytes(compress(kinds(texts[20:])[".jsonl"], ".zst"))
    for corpus in (tmp_path / "folder", tmp_path / "folder" / "**"):
        assert run(corpus=[corpus], config=WITHOUT_WORDS, overwrite=True).manifest.shards == expected.shards


def test_kept_text_and_its_character_counts_match_the_shards(run, corpus, mini_vocab):
    # BERT's normalizer removes U+FFFD, so a sentence of only such characters has no token
    corpus.write_text(TEXT + "\n\ufffd\ufffd。\ufffd！\n天气a。\u0301\n\n\ufffd好\ufffd\n", encoding="utf-8")
    prepared = run(config=replace(WITHOUT_WORDS, keep_text=True))
    shards = ShardSet(prepared.directory)
    texts = list(read_texts(shards, documents=range(shards.num_documents)))
    assert [len(text.sentences) for text in texts] == [
        len(shards.document(number)[1].sentence_offsets) - 1 for number in range(len(texts))
    ]
    assert prepared.report.characters["kept"] == sum(len(sentence) for text in texts for sentence in text.sentences)
    removed = sum(count for rule, count in prepared.report.characters.items() if rule not in ("read", "kept"))
    assert prepared.report.characters["read"] == prepared.report.characters["kept"] + removed
    assert prepared.report.counts["sentences_without_tokens"] == 1
    assert prepared.report.samples["sentences_without_tokens"] == ["corpus.txt:6: \u0301"]


def test_cut_sentences_and_empty_documents_are_counted(run, corpus):
    corpus.write_text("一二三四五六七。\n\n天气很好。\n\n天气很好。\n天气很好。\n", encoding="utf-8")
    cleaning = CleaningConfig(rules=("duplicate_lines",))
    prepared = run(config=replace(WITHOUT_WORDS, cleaning=cleaning, sentences=SentenceRule(max_chars=5)))
    assert prepared.manifest.report == {"cut_sentences": 1, "duplicate_lines": 2, "empty_documents": 1}
    assert (prepared.manifest.num_documents, prepared.manifest.num_sentences) == (2, 3)


def test_a_corpus_may_have_more_files_than_a_process_may_open(run, tmp_path):
    resource = pytest.importorskip("resource")
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the numbers of open files are read from /proc")
    (tmp_path / "many").mkdir()
    for number in range(60):
        (tmp_path / "many" / f"{number:03}.txt").write_text(f"天气{number}。\n天气很好。\n", encoding="utf-8")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 30, limits[1]))
    try:
        prepared = run(
            corpus=[tmp_path / "many"],
            config=replace(WITHOUT_WORDS, cleaning=CleaningConfig(rules=("duplicate_lines",))),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (prepared.manifest.num_documents, prepared.report.counts["duplicate_lines"]) == (60, 59)


def test_a_file_whose_name_is_not_utf8_is_read(run, tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xd6\xd0.txt"))
    path.write_text(TEXT, encoding="utf-8")
    with open(path, "ab") as stream:
        stream.write(b"\xff\n")
    prepared = run(corpus=[path], config=replace(WITHOUT_WORDS, keep_text=True, on_error=OnError.SKIP))
    assert prepared.manifest.sources[0].name == "\ufffd\ufffd.txt"
    assert prepared.report.samples["invalid_utf8"] == [f"{tmp_path}/\\udcd6\\udcd0.txt, line 5: \ufffd"]
    shards = ShardSet(prepared.directory)
    assert [text.doc_id for text in read_texts(shards, documents=range(2))] == [
        "\ufffd\ufffd.txt:1",
        "\ufffd\ufffd.txt:4",
    ]


def write_many(folder, number):
    for place in range(number):
        path = folder / f"{place % 3}" / f"{place:04d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"第{place}天，天气很好。\n", encoding="utf-8")


def test_many_small_files_share_the_waits_for_the_disk_and_keep_their_doc_ids(run, tmp_path, monkeypatch):
    write_many(tmp_path / "many", 300)
    flushes = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", flushes.append)
        prepared = run(corpus=[tmp_path / "many"], config=replace(WITHOUT_WORDS, keep_text=True))
    assert len(flushes) < 40, "there are several waits for the disk per file"
    shards = ShardSet(prepared.directory)
    doc_ids = [text.doc_id for text in read_texts(shards, documents=range(300))]
    assert doc_ids == sorted(f"{place % 3}/{place:04d}.txt:1" for place in range(300))
    assert [f"{source.name}:1" for source in prepared.manifest.sources] == doc_ids


def test_batches_of_sources_do_not_change_the_bytes(run, tmp_path, monkeypatch):
    write_many(tmp_path / "many", 40)
    expected = None
    for max_sources, num_workers in ((500, 1), (1, 1), (7, 2)):
        monkeypatch.setattr(work_plan, "MAX_BATCH_SOURCES", max_sources)
        engine = EngineConfig(num_workers=num_workers)
        prepared = run(
            corpus=[tmp_path / "many"], config=WITHOUT_WORDS, engine=engine, output=tmp_path / f"set{max_sources}"
        )
        found = {path.name: path.read_bytes() for path in prepared.directory.iterdir()}
        expected = expected or found
        assert found == expected


@pytest.mark.parametrize(
    "plan", ['{"fingerprint": "FINGERPRINT"}', '{"fingerprint": "FINGERPRINT", "layout": 1}', "[]"]
)
def test_unfinished_work_of_another_layout_is_deleted_and_reported(run, tmp_path, caplog, plan):
    expected = run(output=tmp_path / "expected").manifest
    left = tmp_path / "out" / "set.partial"
    (left / "text").mkdir(parents=True)
    (left / "plan.json").write_text(plan.replace("FINGERPRINT", expected.inputs_fingerprint), encoding="utf-8")
    (left / "text" / "00000.json").write_text('{"units": [], "report": {}}', encoding="utf-8")
    with caplog.at_level("INFO"):
        assert run().manifest == expected
    assert "set.partial: unfinished work of other data, options or another version is deleted" in caplog.text
