"""Building a vocabulary from files: the same bytes for any number of processes, samples, progress, the summary."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from paddle_wwm.cli.main import main
from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.corpus.readers import DocumentReader
from paddle_wwm.corpus.reading import wiki_pages
from paddle_wwm.corpus.reading.options import TextForm
from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.shards.preparation import corpus_vocab
from paddle_wwm.shards.preparation.corpus_vocab import Reading, Sample, SampleUnit, build_corpus_vocab
from paddle_wwm.shards.preparation.vocab_summary import vocab_summary
from paddle_wwm.tokenization.alphabet import VocabOptions
from paddle_wwm.tokenization.vocab import load_vocab
from paddle_wwm.tokenization.vocab_building import build_vocab

from ..call_counts import num_calls
from .test_wiki_dump import dump_of

OPTIONS = VocabOptions(size=2500)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sample_corpus):
    """The sample corpus as two text files, one of them compressed, and one file of JSON lines."""
    folder = tmp_path_factory.mktemp("corpus")
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")
    (folder / "a.txt").write_text("\n\n".join(documents[:150]), encoding="utf-8")
    with gzip.open(folder / "b.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write("\n\n".join(documents[150:200]))
    lines = [json.dumps({"text": document}, ensure_ascii=False) for document in documents[200:]]
    (folder / "c.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_the_vocabulary_is_that_of_the_sentences_of_all_files(folder):
    found = build_corpus_vocab(corpus=[folder], options=OPTIONS, num_workers=1)
    sentences = [sentence for document in read_documents(folder) for sentence in document.sentences]
    assert found.built.vocab == build_vocab(sentences, vocab_size=OPTIONS.size)
    assert found.num_documents == found.num_documents_of_corpus == len(list(read_documents(folder)))


@pytest.mark.parametrize(
    "sample",
    [None, Sample(number=4000, seed=1), Sample(number=20, unit=SampleUnit.DOCUMENTS), Sample(number=10**9)],
    ids=["all", "characters", "documents", "more than there is"],
)
def test_the_result_does_not_depend_on_the_number_of_processes_or_parts(folder, sample, monkeypatch):
    one = build_corpus_vocab(corpus=[folder], options=OPTIONS, sample=sample, num_workers=1)
    monkeypatch.setattr(corpus_vocab, "BATCH_BYTES", 30_000)  # a.txt becomes parts, the others a group
    large = find_sources([folder / "a.txt"]).files[0]
    assert len(list(corpus_vocab._items([(0, large)], num_workers=3, chosen=None))) == 3
    assert build_corpus_vocab(corpus=[folder], options=OPTIONS, sample=sample, num_workers=2) == one


@pytest.mark.parametrize("sample", [None, Sample(number=500), Sample(number=20, unit=SampleUnit.DOCUMENTS)])
@pytest.mark.parametrize("name", ["zhwiki.xml", "zhwiki.xml.bz2"])
def test_the_parts_of_a_dump_are_counted_by_several_processes(tmp_path, monkeypatch, name, sample):
    path = tmp_path / name
    path.write_bytes(dump_of(100) if name.endswith(".bz2") else bz2.decompress(dump_of(100)))
    whole = build_corpus_vocab(corpus=[path], options=OPTIONS, num_workers=1)
    monkeypatch.setattr(wiki_pages, "PART_BYTES", {"": 2_000, ".bz2": 1_000})
    [source] = find_sources([path]).files
    assert len(wiki_pages.parts_of(source, encoding="utf-8")) > 3
    one, two = (
        build_corpus_vocab(corpus=[path], options=OPTIONS, sample=sample, num_workers=number) for number in (1, 2)
    )
    assert one == two and one.num_documents_of_corpus == whole.num_documents == 85
    assert sample or (one.built, one.report.counts) == (whole.built, whole.report.counts)


def test_grouping_many_small_files_takes_linear_time(tmp_path):
    (tmp_path / "a.txt").write_text("天" * 100, encoding="utf-8")
    [source] = find_sources([tmp_path / "a.txt"]).files

    def group(number):
        sources = [(place, replace(source, part=(0, 100))) for place in range(number)]
        [item] = corpus_vocab._items(sources, num_workers=2, chosen=None)
        assert len(item.sources) == number

    assert num_calls(lambda: group(2000)) < 2.5 * num_calls(lambda: group(1000))


def test_a_sample_has_the_size_that_was_asked_for_and_depends_on_the_seed(folder):
    def drawn(number, unit, seed=0):
        sample = Sample(number=number, unit=unit, seed=seed)
        return build_corpus_vocab(corpus=[folder], options=OPTIONS, sample=sample, num_workers=1)

    found = drawn(3000, SampleUnit.CHARACTERS)
    longest = max(sum(map(len, document.sentences)) for document in read_documents(folder)) + 100
    assert 3000 <= found.num_chars < 3000 + longest < found.num_chars_of_corpus
    assert drawn(30, SampleUnit.DOCUMENTS).num_documents == 30
    assert drawn(30, SampleUnit.DOCUMENTS).built == drawn(30, SampleUnit.DOCUMENTS).built
    assert drawn(30, SampleUnit.DOCUMENTS).built != drawn(30, SampleUnit.DOCUMENTS, seed=1).built
    everything = build_corpus_vocab(corpus=[folder], options=OPTIONS, num_workers=1)
    assert drawn(10**6, SampleUnit.DOCUMENTS).built == everything.built


def test_a_sample_is_drawn_from_all_documents(tmp_path):
    text = "\n\n".join(f"第{chr(0x4E00 + number)}篇。" for number in range(1000))
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    options = VocabOptions(size=2000, min_frequency=1)
    sample = Sample(number=200, unit=SampleUnit.DOCUMENTS)
    tokens = build_corpus_vocab(corpus=[tmp_path], options=options, sample=sample, num_workers=1).built.vocab.tokens
    places = [ord(token) - 0x4E00 for token in tokens if len(token) == 1 and token not in "第篇。"]
    assert len(places) == 200
    for first in range(0, 1000, 250):  # 50 are expected of every quarter
        assert 30 < sum(first <= place < first + 250 for place in places) < 70


@pytest.mark.parametrize("num_workers", [1, 2])
def test_progress_rises_to_the_bytes_of_the_files(folder, num_workers):
    seen = []
    sample = Sample(number=50, unit=SampleUnit.DOCUMENTS)
    build_corpus_vocab(corpus=[folder], options=OPTIONS, sample=sample, num_workers=num_workers, progress=seen.append)
    size = sum(path.stat().st_size for path in folder.iterdir())
    for stage in ("draw the sample", "count words"):
        done = [one.done for one in seen if one.stage == stage]
        assert done == sorted(done) and done[0] == 0 and done[-1] == size
        assert num_workers > 1 or len(set(done)) > 100, "the bar moves inside a file"


def test_another_reader_and_its_faults_reach_the_caller(folder, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "天气很好天气"}\n', encoding="utf-8")
    reading = Reading(reader=DocumentReader(form=TextForm(text_keys=("body",))))
    found = build_corpus_vocab(corpus=[tmp_path], options=OPTIONS, reading=reading, num_workers=1)
    assert found.built.vocab.tokens[5:] == ("天", "气")
    for num_workers in (1, 2):
        with pytest.raises(DataError, match=r"a\.jsonl, line 1: must have the key 'text'"):
            build_corpus_vocab(corpus=[tmp_path, folder], options=OPTIONS, num_workers=num_workers)


def test_an_empty_sample_and_a_corpus_without_text_are_errors(tmp_path):
    with pytest.raises(ConfigError, match="a sample must have at least 1 of its documents, but has 0"):
        Sample(number=0, unit=SampleUnit.DOCUMENTS)
    (tmp_path / "a.txt").write_text("\n\n  \n", encoding="utf-8")
    for sample in (None, Sample(number=5)):
        with pytest.raises(DataError, match="has no text"):
            build_corpus_vocab(corpus=[tmp_path], options=OPTIONS, sample=sample, num_workers=1)


def test_the_summary_names_what_was_left_out(tmp_path):
    text = "天天天天气气气好好 0000 0000 龘 https https\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    options = VocabOptions(size=30, limit_alphabet=8)
    found = build_corpus_vocab(corpus=[tmp_path], options=options, num_workers=1)
    page = "\n".join(vocab_summary(found, options=options, sample=None, seconds=1.0))
    assert "left out by --min-frequency 2: 1 characters, which occur 1 times: 龘" in page
    assert "with them, 1 of 14 words become [UNK]" in page
    assert "fewer than 30: no other piece occurs 2 times" in page
    limited = VocabOptions(size=30, limit_alphabet=2, character_coverage=0.99)
    found = build_corpus_vocab(corpus=[tmp_path], options=limited, num_workers=1)
    page = "\n".join(vocab_summary(found, options=limited, sample=None, seconds=1.0))
    assert "left out by --limit-alphabet 2: 6 characters" in page


def run(*argv):
    """Run build-vocab in this process and return its exit status."""
    with pytest.raises(SystemExit) as caught:
        main(["build-vocab", *map(str, argv)])
    return caught.value.code or 0


def test_the_command_writes_the_file_and_says_what_it_read(folder, tmp_path, capsys):
    output = tmp_path / "vocab.txt"
    flags = ("--size", 900, "--sample", "2_000characters", "--seed", 3, "--workers", 1, "--output", output)
    assert run(folder, *flags) == 0
    assert len(load_vocab(output)) <= 900
    printed = capsys.readouterr().out
    assert "a sample of" in printed and "(seed 3)" in printed and "left out by --min-frequency 2" in printed
    before = output.read_bytes()
    assert run(folder, *flags) == 2 and "add --overwrite" in capsys.readouterr().err
    assert run(folder, *flags, "--overwrite") == 0 and output.read_bytes() == before


def test_a_dry_run_lists_the_files_and_writes_nothing(folder, tmp_path, capsys):
    assert run(folder, "--output", tmp_path / "v.txt", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "b.txt.gz  text.gz" in printed and "would read 3 files" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", "5"], "`vocab_size` must be at least 6"),
        (["--size", "100", "--limit-alphabet", "99"], "must be at least 104"),
        (["--size", "100"], "--limit-alphabet 9"),
        (["--character-coverage", "2"], "`character_coverage`"),
        (["--sample", "0"], "a sample must have at least 1"),
        (["--sample", "5 kg"], "--sample: must be a number"),
        (["--workers", "0"], "--workers must be at least 1"),
    ],
)
def test_impossible_flags_are_errors_and_nothing_is_written(folder, tmp_path, capsys, flags, message):
    assert run(folder, *flags, "--output", tmp_path / "v.txt") == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
@pytest.mark.slow
def test_ctrl_c_ends_the_command_and_its_processes_and_leaves_no_file(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("天气很好。https\n\n" * 3_000_000, encoding="utf-8")
    output = tmp_path / "out" / "vocab.txt"
    command = [sys.executable, "-m", "paddle_wwm", "build-vocab", tmp_path, "--output", output, "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    time.sleep(8)
    assert process.poll() is None, "the command ended before Ctrl-C"
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)  # returns when the workers, which share stderr, have ended, too
    assert process.returncode == 130 and b"Traceback" not in errors, errors.decode()
    assert not output.parent.exists() or not list(output.parent.iterdir())
