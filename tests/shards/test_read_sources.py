"""Pass 1: read sources into units of cleaned documents, with their hashes and a mark."""

from __future__ import annotations

import pytest

from paddle_wwm.corpus.formats import Format, Source
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.errors import DataError
from paddle_wwm.shards.preparation.read_sources import (
    DOCUMENT_HASHES,
    LINE_HASHES,
    batch_result,
    read_batch,
    read_unit,
)
from paddle_wwm.shards.preparation.work_plan import MAX_BATCH_BYTES, MAX_BATCH_SOURCES, Plan, PrepareConfig, batches_of

TEXT = "第一个文档。\n有两行。\n\n第二个文档。\n\n第三个文档。\n\n第一个文档。\n有两行。\n"


@pytest.fixture
def work_of(tmp_path):
    """A function that makes a plan, its folder, and one batch for each of the given texts."""

    def make(*texts, unit_chars=1, config=PrepareConfig()):  # noqa: B008 (frozen)
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
        sources = find_sources([tmp_path / f"{number}.txt" for number in range(len(texts))]).files
        plan = Plan(folder=tmp_path / "set.partial", config=config, fingerprint="", unit_chars=unit_chars)
        plan.text_folder.mkdir(parents=True, exist_ok=True)
        return plan, *batches_of((source, MAX_BATCH_BYTES) for source in sources)

    return make


@pytest.mark.parametrize(
    ("unit_chars", "sizes"),
    [(1, [1, 1, 1, 1]), (10, [1, 2, 1]), (11, [2, 2]), (16, [2, 2]), (17, [3, 1]), (10_000, [4])],
)
def test_a_unit_ends_with_the_document_that_fills_it(work_of, unit_chars, sizes):
    plan, batch = work_of(TEXT, unit_chars=unit_chars)
    read_batch(plan, batch)
    units, report = batch_result(plan, 0)
    assert [unit.num_documents for unit in units] == sizes
    documents = [document for unit in units for document in read_unit(plan, unit)]
    assert [(document.doc_id, *document.lines) for document in documents] == [
        ("0.txt:1", "第一个文档。", "有两行。"),
        ("0.txt:4", "第二个文档。"),
        ("0.txt:6", "第三个文档。"),
        ("0.txt:8", "第一个文档。", "有两行。"),
    ]
    assert sum(unit.num_chars for unit in units) == sum(len(line) for document in documents for line in document.lines)
    assert sum(unit.num_lines for unit in units) == 6
    assert report.characters["read"] == 32


def test_document_hashes_are_written_and_line_hashes_only_on_request(work_of):
    plan, batch = work_of(TEXT)
    read_batch(plan, batch)
    data = plan.batch_path(0, DOCUMENT_HASHES).read_bytes()
    hashes = [data[first : first + 8] for first in range(0, len(data), 8)]
    assert len(hashes) == 4 and len(set(hashes)) == 3 and hashes[0] == hashes[3]
    assert plan.batch_path(0, LINE_HASHES).read_bytes() == b""


def test_a_finished_source_is_not_read_again(work_of):
    plan, batch = work_of(TEXT)
    read_batch(plan, batch)
    batch.sources[0].path.unlink()
    read_batch(plan, batch)
    assert len(batch_result(plan, 0)[0]) == 4


def test_a_source_with_bad_input_is_not_marked_as_finished(work_of):
    plan, batch = work_of(TEXT)
    batch.sources[0].path.write_bytes(TEXT.encode() + b"\xff\n")
    with pytest.raises(DataError, match=r"0\.txt, line 10: not UTF-8"):
        read_batch(plan, batch)
    assert not plan.batch_path(0, "json").exists() and not plan.batch_path(0, DOCUMENT_HASHES).exists()


def test_units_are_sorted_by_batch(work_of):
    plan, *batches = work_of(TEXT, "又一个。\n")
    for batch in reversed(batches):
        assert read_batch(plan, batch) == 1
    names = [unit.name for number in (0, 1) for unit in batch_result(plan, number)[0]]
    assert names == sorted(names) == ["00000-00000", "00000-00001", "00000-00002", "00000-00003", "00001-00000"]


def test_small_sources_share_a_batch_and_a_large_one_has_its_own(tmp_path):
    source = Source(path=tmp_path / "a.txt", format=Format.TEXT, compression="", name="a.txt")

    def numbers_in(*sizes):
        return [len(batch.sources) for batch in batches_of((source, size) for size in sizes)]

    half, whole = MAX_BATCH_BYTES // 2, MAX_BATCH_BYTES
    assert numbers_in() == []
    assert numbers_in(half, half, 1) == [2, 1]
    assert numbers_in(1, whole, 0, 1, 5 * whole, 1) == [1, 2, 1, 1, 1]
    assert numbers_in(*[0] * (2 * MAX_BATCH_SOURCES + 1)) == [MAX_BATCH_SOURCES, MAX_BATCH_SOURCES, 1]


def test_documents_of_several_small_sources_share_a_unit(work_of):
    plan, *batches = work_of(TEXT, "又一个。\n", unit_chars=10_000)
    [batch] = batches_of((source, 1) for one in batches for source in one.sources)
    assert read_batch(plan, batch) == 2
    [unit], report = batch_result(plan, 0)
    assert [document.doc_id for document in read_unit(plan, unit)][-2:] == ["0.txt:8", "1.txt:1"]
    assert (unit.num_documents, report.characters["read"]) == (5, 36)
