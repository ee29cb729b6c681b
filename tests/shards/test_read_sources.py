"""Pass 1: read sources into units of cleaned documents, with their hashes and a mark."""

from __future__ import annotations

import pytest

from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.errors import DataError
from paddle_wwm.shards.preparation.read_sources import (
    DOCUMENT_HASHES,
    LINE_HASHES,
    read_source,
    read_unit,
    source_result,
)
from paddle_wwm.shards.preparation.work_plan import Plan, PrepareConfig

TEXT = "第一个文档。\n有两行。\n\n第二个文档。\n\n第三个文档。\n\n第一个文档。\n有两行。\n"


@pytest.fixture
def plan_of(tmp_path):
    """A function that makes a plan for the given texts, and its folder."""

    def make(*texts, unit_chars=1, config=PrepareConfig()):  # noqa: B008 (frozen)
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
        sources = find_sources([tmp_path / f"{number}.txt" for number in range(len(texts))]).files
        plan = Plan(
            folder=tmp_path / "set.partial", sources=sources, config=config, fingerprint="", unit_chars=unit_chars
        )
        plan.text_folder.mkdir(parents=True, exist_ok=True)
        return plan

    return make


@pytest.mark.parametrize(
    ("unit_chars", "sizes"),
    [(1, [1, 1, 1, 1]), (10, [1, 2, 1]), (11, [2, 2]), (16, [2, 2]), (17, [3, 1]), (10_000, [4])],
)
def test_a_unit_ends_with_the_document_that_fills_it(plan_of, unit_chars, sizes):
    plan = plan_of(TEXT, unit_chars=unit_chars)
    read_source(plan, 0)
    units, report = source_result(plan, 0)
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


def test_document_hashes_are_written_and_line_hashes_only_on_request(plan_of):
    plan = plan_of(TEXT)
    read_source(plan, 0)
    data = plan.source_path(0, DOCUMENT_HASHES).read_bytes()
    hashes = [data[first : first + 8] for first in range(0, len(data), 8)]
    assert len(hashes) == 4 and len(set(hashes)) == 3 and hashes[0] == hashes[3]
    assert plan.source_path(0, LINE_HASHES).read_bytes() == b""


def test_a_finished_source_is_not_read_again(plan_of):
    plan = plan_of(TEXT)
    read_source(plan, 0)
    plan.sources[0].path.unlink()
    read_source(plan, 0)
    assert len(source_result(plan, 0)[0]) == 4


def test_a_source_with_bad_input_is_not_marked_as_finished(plan_of):
    plan = plan_of(TEXT)
    plan.sources[0].path.write_bytes(TEXT.encode() + b"\xff\n")
    with pytest.raises(DataError, match=r"0\.txt, line 10: not UTF-8"):
        read_source(plan, 0)
    assert not plan.source_path(0, "json").exists() and not plan.source_path(0, DOCUMENT_HASHES).exists()


def test_units_are_sorted_by_source(plan_of):
    plan = plan_of(TEXT, "又一个。\n")
    for number in (1, 0):
        read_source(plan, number)
    names = [unit.name for number in (0, 1) for unit in source_result(plan, number)[0]]
    assert names == sorted(names) == ["00000-00000", "00000-00001", "00000-00002", "00000-00003", "00001-00000"]
