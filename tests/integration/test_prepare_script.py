"""The script prepare_corpus.py as a user runs it: bad input, a full disk, the summary at the end."""

import gzip
import json
import os
import re
import resource
import subprocess
from pathlib import Path

import pytest

from paddle_wwm.shards.reader import ShardSet

from ..corpus.conftest import parquet_bytes
from .scripts import command_of, run_script
from .test_bad_input import assert_one_clear_line, files_below

pytestmark = pytest.mark.integration
FAST = ["--segmenter", "none", "--workers", 1]


def folders_below(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path, mini_vocab):
    """Write good and bad files, and a vocabulary."""
    mini_vocab.save(tmp_path / "vocab.txt")
    text = "天气很好。我们学习！\n\n\u200b语言模型。\n\n天气很好。我们学习！\n"
    (tmp_path / "good.txt").write_text(text, encoding="utf-8")
    (tmp_path / "bad.jsonl").write_text(
        '{"text": "北京大学。"}\n{"content": "x"}\n{"text": null}\n{"text": "a\\ud800b"}\n', encoding="utf-8"
    )
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(text.encode() * 50)[:-10])
    (tmp_path / "utf16.txt").write_text(text, encoding="utf-16")
    (tmp_path / "long.jsonl").write_bytes('{"text": "好。"}\n'.encode() + b"x" * (70 << 20) + b"\n")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "no_mask.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n我\n", encoding="utf-8")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    return tmp_path


CASES = {
    "a missing file": (["absent.txt"], ["absent.txt: no such file"]),
    "a folder among the files, without text": (
        ["good.txt", "pictures"],
        ["pictures: is a folder without files that end in"],
    ),
    "an empty file": (["good.txt", "empty.txt"], ["empty.txt: the file is empty", "--on-error skip"]),
    "a record without the key": (
        ["good.txt", "bad.jsonl"],
        ["bad.jsonl, line 2: must have the key 'text', but has content", "--text-key"],
    ),
    "a truncated compressed file": (["cut.txt.gz"], ["cut.txt.gz: cannot be read to its end", "get it again"]),
    "UTF-16": (["utf16.txt"], ["utf16.txt: is UTF-16", "add --encoding utf-16"]),
    "a record of 70 MB": (["long.jsonl"], ["long.jsonl, line 2: is longer than 64 MB"]),
    "another format": (["good.txt", "--format", "parquet"], ["good.txt: is not a Parquet table", "--format"]),
    "a vocabulary without [MASK]": (["good.txt", "--vocab", "no_mask.txt"], ["no_mask.txt: lacks [MASK]"]),
    "a wrong limit": (["good.txt", "--max-line-chars", "0"], ["`max_line_chars` must be at least 1, but is 0"]),
    "no characters that end a sentence": (
        ["good.txt", "--sentence-ends", ""],
        ["`ends` must hold at least one character"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gives_one_clear_line_and_leaves_no_shards(case, folder):
    arguments, parts = CASES[case]
    vocab = [] if "--vocab" in arguments else ["--vocab", "vocab.txt"]
    before = files_below(folder)
    result = run_script("prepare_corpus.py", *arguments, *vocab, "--output", "out", *FAST, cwd=folder)
    assert_one_clear_line(result, *parts)
    assert len(result.stderr.splitlines()[-1]) < 700
    # data read before the error is kept, so that a rerun with --on-error skip can continue
    left = [name for name in files_below(folder) if name not in before and not name.startswith("out.partial/")]
    assert left == [] and not (folder / "out").exists()


def test_bad_input_can_be_skipped_and_all_of_it_is_reported_and_counted(folder):
    files = ["good.txt", "bad.jsonl", "cut.txt.gz", "utf16.txt", "long.jsonl", "empty.txt"]
    command = [*files, "--vocab", "vocab.txt", "--output", "out", "--text", *FAST]
    failed = run_script("prepare_corpus.py", *command, cwd=folder)
    assert_one_clear_line(failed, "long.jsonl, line 2")  # the largest file comes first
    result = run_script("prepare_corpus.py", *command, "--on-error", "skip", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert folders_below(folder) == ["out", "pictures"], "the folder of unfinished work is removed"
    shards = ShardSet(folder / "out")
    shards.verify()
    report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    counts, characters = report["counts"], report["characters"]
    expected = {
        "bad_records": 2,
        "broken_files": 1,
        "not_text": 1,
        "empty_files": 1,
        "endless_lines": 1,
        "lone_surrogates": 1,
        "short_documents": 1,
    }
    assert {name: counts[name] for name in expected} == expected
    assert (
        shards.num_documents == 5
    )  # 2 from good.txt, 2 from bad.jsonl, and 1 from cut.txt.gz before the damage that is not in good.txt
    assert characters["read"] == sum(count for rule, count in characters.items() if rule != "read")
    assert characters["endless_lines"] == 70 << 20
    for line in (
        "bad records: 2 skipped",
        "endless lines: 1 skipped (73,400,320 characters)",
        f"{folder}/bad.jsonl, line 2: ",
        "report.json",
    ):
        assert line in result.stdout, line


def test_a_dry_run_lists_the_files_to_read_and_to_skip_and_writes_nothing(folder):
    (folder / os.fsdecode(b"\xd6\xd0.txt")).write_text("天气")
    (folder / os.fsdecode(b"\xd6\xd0.pdf")).touch()
    before = files_below(folder)
    command = command_of("prepare_corpus.py", ".", "--vocab", "vocab.txt", "--output", "out", "--dry-run")
    result = subprocess.run([*command, "--on-error", "skip"], cwd=folder, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert b"skipped 2 files with other endings: pictures/a.png, \xd6\xd0.pdf" in result.stdout
    assert b"\xd6\xd0.txt  text" in result.stdout and b"cut.txt.gz  text.gz" in result.stdout
    assert files_below(folder) == before


@pytest.mark.parametrize(("limit", "is_kept"), [(100, False), (20_000, False), (30_000, True), (60_000, True)])
def test_a_full_disk_gives_one_clear_line_and_the_same_command_continues_to_the_same_bytes(folder, limit, is_kept):
    """A limit on the file size stands for a full disk.

    The limits stop the first file, and files of the first, second and third pass.
    """
    (folder / "large.txt").write_text(
        "".join(f"天气{number}很好。我们学习！\n\n" for number in range(3000)), encoding="utf-8"
    )
    command = command_of(
        "prepare_corpus.py", "large.txt", "--vocab", "vocab.txt", "--output", "out", "--unit-chars", 10_000, *FAST
    )
    full = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert_one_clear_line(full, "File too large: '", "out")
    assert not (folder / "out").exists()
    assert (folder / "out.partial").exists() == ("to continue, repeat" in full.stdout) == is_kept
    assert not [name for name in files_below(folder) if Path(name).name.startswith(".")], (
        "a partial file was left behind"
    )
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    whole = subprocess.run([*command, "--output", "whole"], cwd=folder, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    assert files_below(folder / "out") == files_below(folder / "whole")
    for name in files_below(folder / "out"):
        assert (folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    assert folders_below(folder) == ["out", "pictures", "whole"]


def test_a_dry_run_opens_every_source_and_lists_all_that_cannot_be_read(folder):
    (folder / "bad.jsonl").write_text('{"txt": "x"}\n', encoding="utf-8")
    (folder / "old.csv").write_bytes("text\n今天天气很好，我们去公园。\n".encode("gb18030"))
    sources = ("bad.jsonl", "old.csv", "cut.txt.gz", "good.txt")
    (folder / "good.txt").write_text("今天天气很好，我们去公园。\n\n" * 40, encoding="utf-8")
    before = files_below(folder)
    command = command_of("prepare_corpus.py", *sources, "--vocab", "vocab.txt", "--output", "out", "--dry-run")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2
    for line in ("bad.jsonl, line 1: must have the key 'text'", "old.csv, line 2: not UTF-8", "--encoding gb18030"):
        assert line in result.stdout, line
    assert re.search(r"error: \d of 4 sources cannot be read; nothing was written", result.stderr)
    assert files_below(folder) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--document", "line", "a.jsonl"), "--document has an effect on text only, but the sources are jsonl"),
        (("--text-key", "body", "a.txt"), "--text-key has an effect on arrow, .*, but the sources are text"),
        (("--variant", "zh-tw", "a.txt"), "--variant has an effect on mediawiki only"),
        (("--encoding", "gb18030", "a.parquet"), "--encoding has an effect on csv, .*, but the sources are parquet"),
        (
            ("--max-line-chars", "99", "--without", "long_lines", "a.txt"),
            "--max-line-chars has an effect with the rule",
        ),
        (("--min-document-chars", "9", "--without", "short_documents", "a.txt"), "with the rule short_documents only"),
        (("--encoding", "gb18031", "a.txt"), "`encoding` must be one that Python knows"),
    ],
)
def test_a_flag_without_effect_is_an_error(folder, flags, message):
    (folder / "a.txt").write_text("今天。", encoding="utf-8")
    (folder / "a.jsonl").write_text('{"text": "今天。"}\n', encoding="utf-8")
    (folder / "a.parquet").write_bytes(parquet_bytes(text=["今天。"]))
    command = command_of("prepare_corpus.py", *flags, "--vocab", "vocab.txt", "--output", "out", "--dry-run")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2 and re.search(message, result.stderr), result.stderr


def test_a_dry_run_estimates_characters_tokens_time_and_disk(folder):
    text = "".join(f"天气{number}很好。我们在公园里学习！\n\n" for number in range(30_000))
    for name, data in (("a.txt", text.encode()), ("b.txt.gz", gzip.compress(text.encode()))):
        (folder / name).write_bytes(data)
    command = command_of("prepare_corpus.py", "a.txt", "b.txt.gz", "--vocab", "vocab.txt", "--output", "out", *FAST)
    dry = subprocess.run([*command, "--dry-run"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert dry.returncode == 0, dry.stderr
    found = re.search(r"text +([\d.]+) ([kM]) characters, ([\d.]+) ([kM]) tokens", dry.stdout)
    assert found, dry.stdout
    units = {"k": 1e3, "M": 1e6}
    num_chars, num_tokens = float(found[1]) * units[found[2]], float(found[3]) * units[found[4]]
    assert num_chars == pytest.approx(2 * len(text.replace("\n", "")), rel=0.15)
    assert 0.5 * num_chars < num_tokens < 1.1 * num_chars
    assert re.search(r"time +\d+ (s|min) with \d+ workers", dry.stdout)
    assert re.search(r"disk +[\d.]+ MB for the shards, [\d.]+ MB more while working", dry.stdout)
