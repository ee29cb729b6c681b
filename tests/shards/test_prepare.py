"""Preparing shards in one call: the same bytes every time, reuse of unchanged shards, and no partial output."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from paddle_wwm.corpus.cleaning import CleaningConfig
from paddle_wwm.corpus.reading.options import OnError
from paddle_wwm.corpus.segment import SegmenterConfig
from paddle_wwm.corpus.sentences import SentenceRule
from paddle_wwm.errors import ConfigError, DataError, Interrupted
from paddle_wwm.shards.manifest import FORMAT_VERSION, MANIFEST_NAME
from paddle_wwm.shards.preparation import prepare
from paddle_wwm.shards.preparation.engines import EngineConfig
from paddle_wwm.shards.preparation.merge_units import REPORT_NAME
from paddle_wwm.shards.preparation.work_plan import PrepareConfig
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.shards.shard_format import VOCAB_NAME, shard_name

from .small import TEXT, WITHOUT_WORDS


def bytes_in(folder):
    """Return the name and content of every file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names_beside(directory):
    """Return the names next to the output folder, without its lock file."""
    return {path.name for path in directory.parent.iterdir()} - {f".{directory.name}.lock"}


def test_a_small_corpus_gives_the_expected_documents_and_manifest(run, mini_vocab, corpus):
    prepared = run()
    shards = ShardSet(prepared.directory)
    shards.verify()
    assert (prepared.reused, prepared.manifest) == (False, shards.manifest)
    first, second = (shards.document(number)[1] for number in range(shards.num_documents))
    assert (
        "".join(mini_vocab.tokens[number] for number in first.input_ids[:19])
        == "使用语言模型来预测下一个词的pro##ba##bility。天"
    )
    assert first.word_starts[:18].astype(int).tolist() == [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]
    assert (first.sentence_offsets.tolist(), second.sentence_offsets.tolist()) == ([0, 18, 23, 33], [0, 8])
    manifest = prepared.manifest
    assert (manifest.num_documents, manifest.num_sentences, manifest.num_tokens, manifest.num_unknown_tokens) == (
        2,
        4,
        41,
        4,
    )
    assert manifest.num_words == int(first.word_starts.sum() + second.word_starts.sum())
    assert [(source.name, source.size) for source in manifest.sources] == [("corpus.txt", corpus.stat().st_size)]


def test_the_bytes_do_not_depend_on_workers_or_unit_size(run, sample_corpus, prepared_sample):
    expected = bytes_in(prepared_sample.directory)
    for num_workers, unit_chars in ((1, 3000), (2, 5000)):
        engine = EngineConfig(num_workers=num_workers, unit_chars=unit_chars)
        prepared = run(corpus=[sample_corpus], vocab=prepared_sample.vocab(), engine=engine, overwrite=True)
        assert not prepared.reused
        assert bytes_in(prepared.directory) == expected, f"with {num_workers} workers"
        (prepared.directory / MANIFEST_NAME).unlink()


def test_shards_are_reused_after_a_source_is_renamed(run, corpus, tmp_path):
    first = run()
    times = {path.name: path.stat().st_mtime_ns for path in first.directory.iterdir()}
    renamed = corpus.rename(tmp_path / "renamed.txt")
    again = run(corpus=[renamed], overwrite=True)
    assert (again.reused, again.manifest) == (True, first.manifest)
    assert {path.name: path.stat().st_mtime_ns for path in first.directory.iterdir()} == times


def test_changed_text_options_or_vocabulary_change_the_fingerprint(run, corpus, tmp_path, mini_vocab):
    other_text, other_vocab = (
        tmp_path / "other.txt",
        type(mini_vocab)(tokens=(*mini_vocab.tokens, "龘"), sha256="other"),
    )
    other_text.write_text(TEXT + "又一句。", encoding="utf-8")
    changes = [
        {},
        {"config": replace(WITHOUT_WORDS, do_lower_case=False)},
        {"config": replace(WITHOUT_WORDS, segmenter=SegmenterConfig(name="whitespace"))},
        {"config": replace(WITHOUT_WORDS, sentences=SentenceRule(ends="。"))},
        {"config": replace(WITHOUT_WORDS, sentences=SentenceRule(max_chars=5))},
        {"config": replace(WITHOUT_WORDS, cleaning=CleaningConfig(rules=()))},
        {"config": replace(WITHOUT_WORDS, cleaning=CleaningConfig(max_line_chars=25))},
        {"config": replace(WITHOUT_WORDS, keep_text=True)},
        {"corpus": [other_text]},
        {"corpus": [corpus, other_text]},
        {"corpus": [other_text, corpus]},
        {"vocab": other_vocab},
    ]
    prepared = [run(output=None, cache=tmp_path / "cache", **{"config": WITHOUT_WORDS, **change}) for change in changes]
    assert not any(one.reused for one in prepared)
    assert (
        len({one.manifest.inputs_fingerprint for one in prepared})
        == len({one.directory for one in prepared})
        == len(changes)
    )
    assert all(one.directory.name == one.manifest.inputs_fingerprint[:16] for one in prepared)
    assert run(output=None, cache=tmp_path / "cache", **changes[1]).reused
    assert run(output=None, cache=tmp_path / "cache", config=replace(WITHOUT_WORDS, on_error=OnError.SKIP)).reused, (
        "no input was skipped, so the shards are reused"
    )


def test_other_shards_are_replaced_only_with_overwrite(run):
    before = bytes_in(run().directory)
    with pytest.raises(DataError, match=r"set: holds shards of other data or options; .*--overwrite"):
        run(config=PrepareConfig(do_lower_case=False))
    prepared = run(config=PrepareConfig(do_lower_case=False), overwrite=True)
    assert (prepared.reused, prepared.manifest.tokenizer.do_lower_case) == (False, False)
    assert bytes_in(prepared.directory) != before


def test_a_failed_replacement_keeps_the_old_shards(run, tmp_path):
    before = bytes_in(run().directory)
    bad = tmp_path / "bad.txt"
    bad.write_bytes("好。\n".encode() + b"\xff\n")
    with pytest.raises(DataError, match=r"bad\.txt, line 2: not UTF-8"):
        run(corpus=[bad], overwrite=True)
    assert bytes_in(tmp_path / "out" / "set") == before


@pytest.mark.parametrize("name", [shard_name(0), VOCAB_NAME, "text-00000.jsonl.zst", REPORT_NAME])
def test_damaged_shards_are_prepared_again(run, name):
    config = replace(WITHOUT_WORDS, keep_text=True)
    prepared = run(config=config)
    before = bytes_in(prepared.directory)
    if name == REPORT_NAME:
        (prepared.directory / name).unlink()
    else:
        (prepared.directory / name).write_bytes(before[name][:-1] + b"?")
    assert not run(config=config).reused
    assert bytes_in(prepared.directory) == before


def test_shards_of_another_format_version_are_replaced_only_with_overwrite(run):
    manifest = run().directory / MANIFEST_NAME
    values = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**values, "format_version": FORMAT_VERSION - 1}), encoding="utf-8")
    with pytest.raises(DataError, match="add --overwrite"):
        run()
    assert not run(overwrite=True).reused


def test_shards_of_a_version_that_dropped_long_lines_are_not_reused(run, corpus, tmp_path):
    def say_dropped(directory):
        report = json.loads((directory / REPORT_NAME).read_text(encoding="utf-8"))
        report["counts"]["long_lines"], report["characters"]["long_lines"] = 1, 1_000_001
        (directory / REPORT_NAME).write_text(json.dumps(report), encoding="utf-8")

    expected = bytes_in(run().directory)
    say_dropped(tmp_path / "out" / "set")
    with pytest.raises(DataError, match="earlier version, which dropped long lines.*add --overwrite"):
        run()
    assert bytes_in(run(overwrite=True).directory) == expected
    cached = run(output=None, cache=tmp_path / "cache").directory
    say_dropped(cached)
    again = run(output=None, cache=tmp_path / "cache")
    assert (again.reused, bytes_in(again.directory)) == (False, expected)


@pytest.mark.parametrize("num_sentences", [60_000, 200_000])
def test_a_book_on_one_line_is_kept_whole(run, corpus, num_sentences):
    book = "".join(f"第{number}天，我们学习语言模型。" for number in range(num_sentences))
    corpus.write_text(f"头一行。\n{book}\n", encoding="utf-8")
    prepared = run(config=WITHOUT_WORDS)
    characters = prepared.report.characters
    assert characters["read"] == characters["kept"] == len(book) + 4 > 1_000_000
    assert prepared.manifest.num_sentences == 1 + num_sentences
    assert prepared.manifest.report["long_lines"] == 1 and "cut_sentences" not in prepared.manifest.report


def test_a_folder_with_other_content_is_never_overwritten(run, tmp_path):
    output = tmp_path / "precious"
    output.mkdir()
    assert not run(output=output).reused, "an empty folder may be used"
    for name in ("thesis.txt", MANIFEST_NAME):
        folder = tmp_path / f"holds {name}"
        folder.mkdir()
        (folder / name).write_text("{}", encoding="utf-8")
        with pytest.raises(
            DataError, match=r"is not empty and holds no shards; name another folder \(it is not overwritten\)"
        ):
            run(output=folder, overwrite=True)
        assert bytes_in(folder) == {name: b"{}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("folder", "is a folder without files that end in"),
        (b"", "the file is empty"),
        (b" \n\n", "no text was found"),
        (b"---\n\n.\n", r"no text was found \(dropped: short_documents 2\)"),
        ("\ufffd\ufffda\ufffd".replace("a", "\u0301").encode(), r"no text was found \(dropped: "),
    ],
)
def test_a_corpus_without_text_is_an_error_and_leaves_no_files(run, tmp_path, content, message):
    path = tmp_path / "bad.txt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    (tmp_path / "bad.png").touch()
    output = tmp_path / "out" / "set"
    output.parent.mkdir()
    with pytest.raises(DataError, match=rf"bad\.txt: {message}"):
        run(corpus=[path])
    assert names_beside(output) == set()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_error_for_invalid_utf8_names_file_and_line(run, corpus, tmp_path, num_workers):
    bad, output = tmp_path / "bad.txt", tmp_path / "out" / "set"
    bad.write_bytes(TEXT.encode() + "\n末行。\n".encode("gb18030"))
    options = {
        "corpus": [bad, corpus],
        "engine": EngineConfig(num_workers=num_workers, unit_chars=1),
        "config": WITHOUT_WORDS,
    }
    with pytest.raises(DataError, match=r"bad\.txt, line 6: not UTF-8 .*; most of the file is UTF-8, but"):
        run(**options)
    assert not output.exists()
    # A run that skips the bad line continues the work. A later run that fails on bad input raises again and keeps the
    # shards.
    skipping = {**options, "config": replace(WITHOUT_WORDS, on_error=OnError.SKIP)}
    prepared = run(**skipping)
    assert (prepared.report.counts["invalid_utf8"], prepared.report.counts["duplicate_documents"]) == (1, 2)
    assert names_beside(output) == {"set"}
    with pytest.raises(DataError, match="add --overwrite"):
        run(**options)
    with pytest.raises(DataError, match=r"bad\.txt, line 6"):
        run(**options, overwrite=True)
    assert run(**skipping).reused


def test_an_unknown_segmenter_or_two_outputs_are_rejected_before_any_write(run, tmp_path):
    with pytest.raises(ConfigError, match="`segmenter` must be one of lac"):
        run(config=PrepareConfig(segmenter=SegmenterConfig(name="ltp")))
    with pytest.raises(ValueError, match="either `output` or `cache`"):
        run(cache=tmp_path / "cache")
    assert not (tmp_path / "out").exists()


def test_units_with_skipped_input_are_deleted_by_a_run_that_fails_on_bad_input(run, corpus, tmp_path, monkeypatch):
    """The units may have another size when the source is read again."""
    corpus.write_bytes(TEXT.encode() + b"\xff\n\n" + "又一个文档。\n\n再一个。\n".encode())
    skipping = replace(WITHOUT_WORDS, on_error=OnError.SKIP)
    small, large = EngineConfig(num_workers=1, unit_chars=1), EngineConfig(num_workers=1, unit_chars=30)
    expected = bytes_in(run(config=skipping, engine=small, output=tmp_path / "expected").directory)

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "merge_units", stop)
        with pytest.raises(Interrupted, match="rerun the same command"):
            run(config=skipping, engine=small)
    with pytest.raises(DataError, match=r"corpus\.txt, line 5: not UTF-8"):
        run(engine=small, config=WITHOUT_WORDS)
    assert bytes_in(run(config=skipping, engine=large).directory) == expected
