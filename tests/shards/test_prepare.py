"""Raw text to shards in one call: the same bytes every time, reused where nothing has changed, all or nothing."""

from __future__ import annotations

import pytest

from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.shards import prepare
from paddle_wwm.shards.format import MANIFEST_NAME, VOCAB_NAME, shard_name
from paddle_wwm.shards.prepare import prepare_corpus
from paddle_wwm.shards.reader import ShardSet

TEXT = "使用语言模型来预测下一个词的probability。天气很好！\n我们在北京大学学习。\n\n这是第二个文档。\n"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path, corpus, mini_vocab):
    """A function that prepares the small corpus into a folder of its own parent; keywords replace the defaults."""

    def call(**changes):
        defaults = {"corpus": [corpus], "vocab": mini_vocab, "output": tmp_path / "out" / "set", "num_workers": 1, "show_progress": False}
        return prepare_corpus(**{**defaults, **changes})

    return call


def bytes_in(folder):
    """Name and content of every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names_beside(directory):
    """What lies beside the output, its lock aside."""
    return {path.name for path in directory.parent.iterdir()} - {f".{directory.name}.lock"}


def test_a_small_corpus_becomes_documents_and_a_manifest_that_counts_them(run, mini_vocab, corpus):
    prepared = run()
    shards = ShardSet(prepared.directory)
    shards.verify()
    assert (prepared.reused, prepared.manifest) == (False, shards.manifest)
    first, second = (shards.document(number)[1] for number in range(shards.num_documents))
    assert "".join(mini_vocab.tokens[number] for number in first.input_ids[:19]) == "使用语言模型来预测下一个词的pro##ba##bility。天"
    assert first.word_starts[:18].astype(int).tolist() == [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]
    assert (first.sentence_offsets.tolist(), second.sentence_offsets.tolist()) == ([0, 18, 23, 33], [0, 8])
    manifest = prepared.manifest
    assert (manifest.num_documents, manifest.num_sentences, manifest.num_tokens, manifest.num_unknown_tokens) == (2, 4, 41, 4)
    assert manifest.num_words == int(first.word_starts.sum() + second.word_starts.sum())
    assert [(source["name"], source["size"]) for source in manifest.sources] == [("corpus.txt", corpus.stat().st_size)]


def test_the_bytes_are_the_same_for_any_number_of_workers_and_any_unit_of_work(run, sample_corpus, prepared_sample, monkeypatch):
    expected = bytes_in(prepared_sample.directory)
    monkeypatch.setattr(prepare, "CHARS_PER_UNIT", 5000)  # nine units, so that workers are started
    for num_workers in (1, 2, 3):
        prepared = run(corpus=[sample_corpus], vocab=prepared_sample.vocab(), num_workers=num_workers, overwrite=True)
        assert not prepared.reused
        assert bytes_in(prepared.directory) == expected, f"with {num_workers} workers"
        (prepared.directory / MANIFEST_NAME).unlink()


def test_the_same_text_and_options_are_reused_whatever_the_file_is_called(run, corpus, tmp_path):
    first = run()
    times = {path.name: path.stat().st_mtime_ns for path in first.directory.iterdir()}
    renamed = corpus.rename(tmp_path / "renamed.txt")
    again = run(corpus=[renamed], overwrite=True)
    assert (again.reused, again.manifest) == (True, first.manifest)
    assert {path.name: path.stat().st_mtime_ns for path in first.directory.iterdir()} == times


def test_other_text_options_or_vocabulary_give_another_fingerprint(run, corpus, tmp_path, mini_vocab):
    other_text, other_vocab = tmp_path / "other.txt", type(mini_vocab)(tokens=(*mini_vocab.tokens, "龘"), sha256="other")
    other_text.write_text(TEXT + "又一句。", encoding="utf-8")
    changes = [
        {},
        {"do_lower_case": False},
        {"corpus": [other_text]},
        {"corpus": [corpus, other_text]},
        {"corpus": [other_text, corpus]},
        {"vocab": other_vocab},
    ]
    prepared = [run(output=None, cache=tmp_path / "cache", **change) for change in changes]
    assert not any(one.reused for one in prepared)
    assert len({one.manifest.inputs_fingerprint for one in prepared}) == len({one.directory for one in prepared}) == len(changes)
    assert all(one.directory.name == one.manifest.inputs_fingerprint[:16] for one in prepared)
    assert run(output=None, cache=tmp_path / "cache", do_lower_case=False).reused


def test_other_shards_are_replaced_only_when_asked(run):
    before = bytes_in(run().directory)
    with pytest.raises(DataError, match=r"set: holds shards of other data or options; .*--overwrite"):
        run(do_lower_case=False)
    prepared = run(do_lower_case=False, overwrite=True)
    assert (prepared.reused, prepared.manifest.tokenizer["do_lower_case"]) == (False, False)
    assert bytes_in(prepared.directory) != before


def test_a_failed_replacement_leaves_the_shards_that_were_there(run, tmp_path):
    before = bytes_in(run().directory)
    bad = tmp_path / "bad.txt"
    bad.write_bytes("好。\n".encode() + b"\xff\n")
    with pytest.raises(DataError, match=r"bad\.txt, line 2: not UTF-8"):
        run(corpus=[bad], overwrite=True)
    assert bytes_in(tmp_path / "out" / "set") == before


@pytest.mark.parametrize("name", [shard_name(0), VOCAB_NAME])
def test_damaged_shards_of_the_same_text_are_made_again(run, name):
    prepared = run()
    before = bytes_in(prepared.directory)
    (prepared.directory / name).write_bytes(before[name][:-1] + b"?")
    assert not run().reused
    assert bytes_in(prepared.directory) == before


def test_shards_of_another_format_version_are_replaced_only_when_asked(run):
    manifest = run().directory / MANIFEST_NAME
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"format_version": 1', '"format_version": 0'), encoding="utf-8")
    with pytest.raises(DataError, match="add --overwrite"):
        run()
    assert not run(overwrite=True).reused


def test_a_folder_that_holds_something_else_is_never_overwritten(run, tmp_path):
    output = tmp_path / "precious"
    output.mkdir()
    assert not run(output=output).reused, "an empty folder is filled"
    for name in ("thesis.txt", MANIFEST_NAME):
        folder = tmp_path / f"holds {name}"
        folder.mkdir()
        (folder / name).write_text("{}", encoding="utf-8")
        with pytest.raises(DataError, match=r"is not empty and holds no shards; name another folder \(it is not overwritten\)"):
            run(output=folder, overwrite=True)
        assert bytes_in(folder) == {name: b"{}"}


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("folder", "is a folder"), (b"", "the file is empty"), (b" \n\n", "no text was found")],
)
def test_a_corpus_without_text_is_an_error_that_names_it_and_leaves_nothing(run, tmp_path, content, message):
    path = tmp_path / "bad.txt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    output = tmp_path / "out" / "set"
    output.parent.mkdir()
    with pytest.raises(DataError, match=rf"bad\.txt: {message}"):
        run(corpus=[path])
    assert names_beside(output) == set()


@pytest.mark.parametrize("num_workers", [1, 2])
def test_bytes_that_are_not_utf8_are_an_error_that_names_file_and_line_and_leaves_nothing(run, corpus, tmp_path, monkeypatch, num_workers):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(TEXT.encode() + "\n末行。\n".encode("gb18030"))
    monkeypatch.setattr(prepare, "CHARS_PER_UNIT", 1)
    with pytest.raises(DataError, match=r"bad\.txt, line 6: not UTF-8 .*; convert the file first"):
        run(corpus=[corpus, bad], num_workers=num_workers)
    assert names_beside(tmp_path / "out" / "set") == set()


def test_an_unknown_segmenter_or_two_places_to_write_to_are_refused_before_anything_is_written(run, tmp_path):
    with pytest.raises(ConfigError, match="`segmenter` must be one of lac"):
        run(segmenter_name="ltp")
    with pytest.raises(ValueError, match="either `output` or `cache`"):
        run(cache=tmp_path / "cache")
    assert not (tmp_path / "out").exists()
