"""The scripts show_masking.py and export_examples.py as a user runs them."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import time

import pyarrow.parquet
import pytest

from .scripts import command_of, run_script

pytestmark = pytest.mark.integration

WORDS = "使用 语言 模型 来 预测 下 一个 词 的 probability 。"
TEXT = WORDS.replace(" ", "")
PIECES = "[CLS] | 使 用 | 语 言 | 模 型 | 来 | 预 测 | 下 | 一 个 | 词 | 的 | pro ##ba ##bility | 。 | [SEP]"


@pytest.fixture(scope="module")
def vocab(mini_vocab, tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    mini_vocab.save(path)
    return path


def seen_pieces(line):
    """Return the predicted piece or None for every piece of a masked input printed without colour."""
    return [piece if piece == "[MASK]" else piece.partition("←")[2] or None for piece in line[10:].split()]


def assert_one_clear_line(result, *parts):
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    [line] = [line for line in result.stderr.splitlines() if "error: " in line]
    for part in parts:
        assert part in line, line


# ---- show_masking.py
# ----------------------------------------------------------------------------------------------------------------------


def test_the_example_sentence_is_shown_with_whole_words_masked(vocab):
    result = run_script("show_masking.py", TEXT, "--words", WORDS, "--vocab", vocab, "--epochs", 25)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "text      " + TEXT
    assert lines[1] == "words     " + WORDS.replace(" ", "|")
    assert lines[2] == "pieces    " + PIECES
    for line in lines[3:28]:
        selected = [piece is not None for piece in seen_pieces(line)]
        assert sum(selected) == 3  # round(20 x 0.15)
        position = 0
        for word in PIECES.split(" | "):
            end = position + len(word.split())
            assert len(set(selected[position:end])) == 1, line
            position = end
    assert lines[-1].startswith("1 example(s) x 25 epoch(s), whole-word: 500 tokens, budget 75, selected 75: ")


def test_lac_segments_texts_without_given_words(vocab):
    result = run_script(
        "show_masking.py",
        TEXT,
        "我们在北京。",
        "--vocab",
        vocab,
        "--epochs",
        1,
        "--strategy",
        "ngram-word",
        "--actions",
        "word",
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert (
        "words     使用|语言|模型|来|预测|下一个|词|的|probability|。" in result.stdout
        and "words     我们|在|北京|。" in result.stdout
    )


def test_the_first_examples_of_shards_are_shown(prepared_sample):
    result = run_script(
        "show_masking.py", "--shards", prepared_sample.directory, "--number", 2, "--epochs", 2, "--max-seq-length", 32
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert [line.partition(":")[0] for line in result.stdout.splitlines() if line.startswith("example ")] == [
        "example 0",
        "example 1",
    ]
    assert result.stdout.splitlines()[-1].startswith("2 example(s) x 2 epoch(s)")


def test_a_text_is_shown_with_the_vocabulary_of_the_shards(prepared_sample):
    result = run_script(
        "show_masking.py", "我外婆", "--words", "我 外婆", "--shards", prepared_sample.directory, "--epochs", 1
    )
    assert result.returncode == 0 and "pieces    [CLS] | 我 | 外 婆 | [SEP]" in result.stdout


@pytest.mark.parametrize(
    ("options", "environment", "colored"),
    [([], {}, True), (["--no-color"], {}, False), ([], {"NO_COLOR": "1"}, False)],
    ids=str,
)
def test_terminals_get_colour_which_can_be_switched_off(vocab, options, environment, colored):
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = command_of("show_masking.py", TEXT, "--words", WORDS, "--vocab", vocab, "--epochs", 1, *options)
    subprocess.run(command, stdout=theirs, env={**plain, **environment}, check=True, timeout=60)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        output = terminal.read(1 << 16)
    assert b"epoch 0" in output and (b"\x1b[" in output) == colored


def test_a_text_without_a_vocabulary_is_shown_with_one_that_covers_it():
    result = run_script("show_masking.py", TEXT, "--words", WORDS, "--epochs", 1)
    assert result.returncode == 0, result.stderr
    assert "no --vocab" in result.stdout and "使 用 | 语 言 | 模 型" in result.stdout and "[UNK]" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "give a TEXT or --shards"),
        (["一", "二", "--words", "一"], "--words needs exactly one TEXT"),
        (["一", "--vocab", "v", "--shards", "s"], "exclude each other"),
        (["--shards", "absent"], "absent: holds no shards"),
        (["一", "--words", "二", "--vocab", "VOCAB"], "must give the text when joined"),
    ],
)
def test_wrong_arguments_of_show_masking_give_one_clear_line(vocab, tmp_path, arguments, part):
    given = [vocab if item == "VOCAB" else item for item in arguments]
    assert_one_clear_line(run_script("show_masking.py", *given, cwd=tmp_path), part)


# ---- export_examples.py
# ----------------------------------------------------------------------------------------------------------------------


def test_examples_are_exported_and_summarised(prepared_sample, tmp_path):
    output = tmp_path / "examples.parquet"
    options = [
        prepared_sample.directory,
        "--output",
        output,
        "--max-seq-length",
        64,
        "--dupe-factor",
        2,
        "--pairing",
        "full-sentences",
    ]
    result = run_script("export_examples.py", *options)
    assert result.returncode == 0, result.stderr
    metadata = pyarrow.parquet.read_schema(output).metadata
    assert (
        metadata[b"pairing"] == b"full-sentences"
        and metadata[b"shard_fingerprint"].decode() == prepared_sample.manifest.fingerprint
    )
    num_rows = int(metadata[b"num_rows"])
    assert num_rows == pyarrow.parquet.read_metadata(output).num_rows == 2 * int(metadata[b"num_examples"])
    for text in (
        f"written: {output}",
        f"x 2 copies = {num_rows:,} rows",
        "at most 10 predictions per row",
        prepared_sample.manifest.fingerprint,
    ):
        assert text in result.stdout
    assert "export: " in result.stderr and result.stderr.endswith(" examples/s\n")
    assert_one_clear_line(run_script("export_examples.py", *options), "exists already", "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["absent", "--max-seq-length", 64], "absent: holds no shards"),
        (["SHARDS", "--max-seq-length", 7], "`max_seq_length` must be from 8"),
        (
            ["SHARDS", "--max-seq-length", 64, "--max-predictions-per-seq", 0],
            "`max_predictions_per_seq` must be at least 1",
        ),
        (["SHARDS", "--max-seq-length", 64, "--recipe", "absent.yaml"], "absent.yaml: no such recipe"),
    ],
)
def test_wrong_arguments_of_export_examples_give_one_clear_line_and_leave_no_files(
    prepared_sample, tmp_path, arguments, part
):
    given = [prepared_sample.directory if item == "SHARDS" else item for item in arguments]
    assert_one_clear_line(run_script("export_examples.py", *given, "--output", "new/x.parquet", cwd=tmp_path), part)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_prints_one_line_and_leaves_no_files(prepared_sample, tmp_path):
    command = command_of(
        "export_examples.py",
        prepared_sample.directory,
        "--output",
        tmp_path / "x.parquet",
        "--max-seq-length",
        64,
        "--dupe-factor",
        100_000,
    )
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.is_file() and path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()[-1]) == (130, "stopped: Ctrl-C")
    assert "Traceback" not in errors and list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_existing_file(prepared_sample, tmp_path):
    output = tmp_path / "x.parquet"
    output.write_bytes(b"before")
    options = ["--output", output, "--max-seq-length", 64, "--dupe-factor", 20, "--overwrite"]
    command = command_of("export_examples.py", prepared_sample.directory, *options)
    limit = 300_000  # bytes per file: stands for a full disk; the cached code of numba is smaller
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert_one_clear_line(result, "File too large")
    assert output.read_bytes() == b"before" and list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("script", ["show_masking.py", "export_examples.py"])
def test_help_shows_how_to_run_it(script):
    result = run_script(script, "--help")
    assert (
        result.returncode == 0
        and f"paddle-wwm {script.removesuffix('.py').replace('_', '-')}" in result.stdout
        and "--strategy" in result.stdout
    )
