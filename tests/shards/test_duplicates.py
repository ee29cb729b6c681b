"""Exact duplicates: only the first occurrence in the corpus is kept, for any division into files, units and groups."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from paddle_wwm.corpus.cleaning import CleaningConfig
from paddle_wwm.corpus.segment import SegmenterConfig
from paddle_wwm.shards.inspection.kept_texts import read_texts
from paddle_wwm.shards.preparation import duplicates
from paddle_wwm.shards.preparation.duplicates import read_first_occurrences, write_first_occurrences
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.preparation.prepare import prepare_corpus
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet

in_tmp_path = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


def first_occurrences(values):
    """Return a mask of the first occurrences, computed with a set."""
    seen = set()
    return [not (value in seen or seen.add(value)) for value in values]


@in_tmp_path
@given(
    files=st.lists(
        st.lists(st.integers(0, 7) | st.sampled_from([2**64 - 1, 2**63, 2**32]), max_size=30), min_size=1, max_size=4
    ),
    at_once=st.sampled_from([1, 2, 3, 7, 1000]),
)
@example(files=[[], [5, 5], [], [5]], at_once=1)
@example(files=[[]], at_once=3)
def test_the_first_of_equal_hashes_is_found_for_any_group_size(files, at_once, tmp_path):
    paths = [tmp_path / f"{number}.hash" for number in range(len(files))]
    for path, values in zip(paths, files):
        path.write_bytes(np.array(values, "<u8").tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "HASHES_AT_ONCE", at_once)
        num_repeated = write_first_occurrences(tmp_path / "keep", paths)
    values = [value for of_file in files for value in of_file]
    expected = first_occurrences(values)
    assert read_first_occurrences(tmp_path / "keep", 0, len(values)).tolist() == expected
    assert num_repeated == expected.count(False)
    middle = len(values) // 2
    assert read_first_occurrences(tmp_path / "keep", middle, len(values) - middle).tolist() == expected[middle:]


def test_duplicates_are_found_among_100_000_hashes_in_many_groups(tmp_path, monkeypatch):
    values = np.random.default_rng(0).integers(0, 50_000, 100_000).astype("<u8") << np.uint64(
        40
    )  # the lowest bits are equal, so one group has all of them
    values[::2] >>= np.uint64(37)
    for number in range(3):
        (tmp_path / f"{number}.hash").write_bytes(values[number::3].tobytes())
    monkeypatch.setattr(duplicates, "HASHES_AT_ONCE", 5000)
    write_first_occurrences(tmp_path / "keep", [tmp_path / f"{number}.hash" for number in range(3)])
    order = np.concatenate([values[number::3] for number in range(3)])
    first = np.zeros(len(order), bool)
    first[np.unique(order, return_index=True)[1]] = True
    assert (read_first_occurrences(tmp_path / "keep", 0, len(order)) == first).all()


lines = st.sampled_from(["天气很好。", "天气不好。", "我们在北京。", "大学生活"])
corpora = st.lists(st.lists(st.lists(lines, min_size=1, max_size=3), max_size=6), min_size=1, max_size=3).filter(any)


@settings(in_tmp_path, max_examples=25)
@given(
    files=corpora,
    unit_chars=st.sampled_from([1, 12, 30, 500_000]),
    rules=st.sets(st.sampled_from(["duplicate_documents", "duplicate_lines"])),
)
def test_repeated_documents_and_lines_are_dropped(files, unit_chars, rules, tmp_path_factory, mini_vocab):
    folder = tmp_path_factory.mktemp("duplicates")
    paths = [folder / f"{number}.jsonl" for number in range(len(files)) if files[number]]
    for path, documents in zip(paths, filter(None, files)):
        path.write_text(
            "".join(json.dumps({"text": "\n".join(document)}) + "\n" for document in documents), encoding="utf-8"
        )
    config = PrepareConfig(
        segmenter=SegmenterConfig(name="none"), cleaning=CleaningConfig(rules=tuple(rules)), keep_text=True
    )
    engine = EngineConfig(num_workers=1, unit_chars=unit_chars)
    prepared = prepare_corpus(corpus=paths, vocab=mini_vocab, config=config, engine=engine, output=folder / "set")
    documents = [document for of_file in files for document in of_file]
    keep = first_occurrences(map(tuple, documents)) if "duplicate_documents" in rules else [True] * len(documents)
    keep_lines = iter(first_occurrences([line for document in documents for line in document]))
    left, num_lines = [], 0
    for document, is_kept in zip(documents, keep):
        kept = [line for line in document if next(keep_lines) or "duplicate_lines" not in rules]
        num_lines += (len(document) - len(kept)) * is_kept
        left += [tuple(kept)] if is_kept and kept else []
    shards = ShardSet(prepared.directory)
    assert [text.sentences for text in read_texts(shards, documents=range(shards.num_documents))] == left
    assert prepared.report.counts["duplicate_documents"] == keep.count(False)
    assert prepared.report.counts["duplicate_lines"] == num_lines


def test_samples_of_dropped_text_name_file_and_line(tmp_path, mini_vocab):
    (tmp_path / "a.txt").write_text("天气很好。\n\n我们在北京。\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("天气不好。\n\n  天气很好。 \n", encoding="utf-8")
    config = PrepareConfig(segmenter=SegmenterConfig(name="none"))
    files, engine = [tmp_path / "a.txt", tmp_path / "b.txt"], EngineConfig(num_workers=1)
    prepared = prepare_corpus(corpus=files, vocab=mini_vocab, config=config, engine=engine, output=tmp_path / "set")
    assert prepared.report.samples["duplicate_documents"] == ["b.txt:3: 天气很好。"]
    assert prepared.report.characters["duplicate_documents"] == 5
