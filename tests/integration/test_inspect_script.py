"""The script inspect_shards.py as a user runs it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from PIL import Image

from paddle_wwm.shards.reader import ShardSet

from .scripts import command_of, run_script

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def prepared(sample_corpus, prepared_sample, tmp_path_factory):
    """Return a function from a segmenter name to shards of the sample corpus, prepared with the text."""
    folder = tmp_path_factory.mktemp("prepared")

    def call(segmenter):
        vocab = prepared_sample.directory / "vocab.txt"
        options = ("--vocab", vocab, "--output", folder / segmenter, "--segmenter", segmenter, "--text", "--workers", 1)
        result = run_script("prepare_corpus.py", sample_corpus, *options)
        assert result.returncode == 0, result.stderr
        return folder / segmenter

    return call


def assert_one_clear_line(result, *parts):
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    for part in ("error: ", *parts):
        assert part in line, line


def test_the_page_shows_manifest_statistics_and_samples_and_draws_the_picture(prepared, tmp_path):
    shards, picture = prepared("jieba"), tmp_path / "lengths.png"
    result = run_script("inspect_shards.py", shards, "--picture", picture, "--documents", "83:84")
    assert (result.returncode, result.stderr) == (0, "")
    manifest = ShardSet(shards).manifest
    page = result.stdout
    assert "segmenter   jieba" in page and "sample_corpus.txt  text" in page
    assert (
        f"235 documents, {manifest.num_sentences:,} sentences, {manifest.num_words:,} words, "
        f"{manifest.num_tokens:,} tokens"
    ) in page
    assert "\ndocument 83 (sample_corpus.txt:" in page and page.count("\ndocument ") == 1
    [words, *_], [text, *_] = (
        [line[14:] for line in page.splitlines() if line.startswith(f"  {label:<12}")] for label in ("words", "text")
    )
    assert "|" in words and words.replace("|", "").lower() == text.replace(" ", "").lower()
    assert page.endswith(f"written: {picture}\n")
    with Image.open(picture) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1650, 495))
    assert_one_clear_line(
        run_script("inspect_shards.py", shards, "--picture", picture), "lengths.png: exists already", "--overwrite"
    )
    assert run_script("inspect_shards.py", shards, "--picture", picture, "--overwrite").returncode == 0


def test_the_seed_decides_the_samples(prepared):
    shards = prepared("jieba")

    def shown(*options):
        result = run_script("inspect_shards.py", shards, *options)
        return [line for line in result.stdout.splitlines() if line.startswith("document ")]

    assert shown("--seed", 1) == shown("--seed", 1) != shown("--seed", 2)
    assert (len(shown("--samples", 7)), shown("--samples", 0)) == (7, [])


def test_intact_shards_are_verified_and_damaged_files_are_named(prepared, tmp_path):
    shards = shutil.copytree(prepared("none"), tmp_path / "copy")
    result = run_script("inspect_shards.py", shards, "--verify")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"whole: {shards}\n  3 files with the right checksums" in result.stdout
    for name in ("shard-00000.wwm", "text-00000.jsonl.zst"):
        path = shards / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    result = run_script("inspect_shards.py", shards, "--verify")
    assert_one_clear_line(
        result,
        "shard-00000.wwm: its bytes differ from the manifest's checksum",
        "text-00000.jsonl.zst: its bytes differ",
    )


def test_a_comparison_of_two_segmenters_reports_differences_with_exit_status_0(prepared):
    jieba, none = prepared("jieba"), prepared("none")
    result = run_script("inspect_shards.py", jieba, "--compare", none)
    assert (result.returncode, result.stderr) == (0, "")
    assert "235 with other words" in result.stdout and "name: jieba here, none there" in result.stdout
    assert result.stdout.endswith("\ndifferent\n")
    result = run_script("inspect_shards.py", jieba, "--compare", jieba)
    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "identical: the same documents in the same order")
    assert_one_clear_line(run_script("inspect_shards.py", jieba, "--compare", jieba.parent), "holds no shards")


def test_json_lines_go_to_a_file_or_to_stdout_and_a_closed_pipe_is_not_an_error(prepared, tmp_path):
    folder, target = prepared("jieba"), tmp_path / "documents.jsonl"
    result = run_script("inspect_shards.py", folder, "--jsonl", target)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"written: {target} (") and "235 documents" in result.stdout
    lines = target.read_text(encoding="utf-8").splitlines()
    shards = ShardSet(folder)
    for number, line in enumerate(map(json.loads, lines)):
        _, document = shards.document(number)
        assert (line["number"], line["input_ids"]) == (number, document.input_ids.tolist())
        assert line["word_starts"] == document.word_starts.tolist()  # 1 == True
        assert line["sentence_offsets"] == document.sentence_offsets.tolist()
        assert len(line["sentences"]) == len(line["sentence_offsets"]) - 1
        assert line["doc_id"].startswith("sample_corpus.txt:")
    assert len(lines) == 235
    assert (
        run_script("inspect_shards.py", folder, "--jsonl", "-", "--documents", "2:5").stdout.splitlines() == lines[2:5]
    )
    assert_one_clear_line(run_script("inspect_shards.py", folder, "--jsonl", target), "documents.jsonl: exists already")

    process = subprocess.Popen(
        command_of("inspect_shards.py", folder, "--jsonl", "-"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().rstrip("\n") == lines[0]
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)


def test_a_failed_export_leaves_no_file(prepared, tmp_path):
    folder = shutil.copytree(prepared("jieba"), tmp_path / "copy")
    path = folder / "text-00000.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-1000])
    target = tmp_path / "out" / "documents.jsonl"
    assert_one_clear_line(
        run_script("inspect_shards.py", folder, "--jsonl", target), "text-00000.jsonl.zst: ", "prepare the corpus again"
    )
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--documents", "5"], "--documents must be A:B"),
        (["--documents", "a:b"], "--documents must be A:B"),
        (["--documents", "0:236"], "must select some of the 235 documents"),
        (["--documents", "7:7"], "must select some of the 235 documents"),
        (["--documents", "-3:7"], "must select some of the 235 documents"),
        (["--picture", "x.pdf"], "--picture writes PNG"),
        (["--picture", "x.png", "--verify"], "--picture cannot be used with --verify"),
        (["--verify", "--jsonl", "-"], "not allowed with argument"),
        (["--samples", "-1"], "must be at least 0"),
    ],
)
def test_invalid_options_are_refused(prepared_sample, options, message):
    options = [f"{options[0]}={options[1]}", *options[2:]] if len(options) > 1 and options[1] != "--jsonl" else options
    result = run_script("inspect_shards.py", prepared_sample.directory, *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr and "Traceback" not in result.stderr
