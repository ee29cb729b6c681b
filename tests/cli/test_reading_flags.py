"""The flags and lists of the commands that read a corpus, through these commands."""

from __future__ import annotations

import re

import pytest

from paddle_wwm.cli.main import main
from paddle_wwm.corpus import segment, source_files
from paddle_wwm.corpus.segmenters import CharacterSegmenter

from ..corpus.conftest import parquet_bytes

TEXT = "今天天气很好，我们去公园。\n"
COMMANDS = {
    "prepare-corpus": ("--vocab", "vocab.txt", "--output", "out", "--segmenter", "none"),
    "build-vocab": ("--output", "out"),
    "propose-words": ("--vocab", "vocab.txt", "--output", "out", "--segmenter", "none"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of sources and a vocabulary; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n天\n", encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.parquet").write_bytes(parquet_bytes(text=[TEXT]))
    (tmp_path / "in" / "picture.png").write_bytes(b"\x89PNG")
    return tmp_path


def run(*argv):
    """Run a command in this process and return its exit status."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return caught.value.code or 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_flags_of_reading_without_effect_and_lists_what_was_skipped(folder, capsys, command):
    for flag, value in (("--encoding", "gb18030"), ("--document", "line"), ("--variant", "zh-tw")):
        assert run(command, "in", *COMMANDS[command], flag, value) == 2
        assert re.search(f"{flag} has an effect on .*, but the sources are parquet", capsys.readouterr().err)
        assert not (folder / "out").exists()
    (folder / "in" / "b.txt").write_bytes(TEXT.encode("gb18030"))
    assert run(command, "in", *COMMANDS[command], "--encoding", "gb18030") == 0
    assert "skipped 1 files with other endings: in/picture.png (--format reads all files)" in capsys.readouterr().out
    assert (folder / "out").exists()


def test_dry_runs_list_the_sources_in_the_same_way(folder, capsys):
    for number in range(60):
        (folder / "in" / f"{number:02}.txt").write_text(TEXT * 10, encoding="utf-8")
    (folder / "in" / "00.txt").write_bytes(b"%PDF-1.7\n")
    lists = {}
    for command in ("build-vocab", "prepare-corpus"):
        run(command, "in", *COMMANDS[command], "--dry-run", "--on-error", "skip")
        lines = capsys.readouterr().out.splitlines()
        lists[command] = [line for line in lines if line.startswith(("  in/", "  … and"))]
    assert lists["build-vocab"] == lists["prepare-corpus"]
    assert re.fullmatch(r"  in/00\.txt  refused  9 B", lists["build-vocab"][0])
    assert lists["build-vocab"][-1] == "  … and 11 more"


def test_a_dry_run_makes_one_segmenter(folder, capsys, monkeypatch):
    made = []

    def make():
        made.append(CharacterSegmenter())
        return made[-1]

    monkeypatch.setitem(segment.SEGMENTERS, "none", (make, ()))
    assert run("prepare-corpus", "in", *COMMANDS["prepare-corpus"], "--dry-run") == 0
    assert "words: no words: every piece by itself" in capsys.readouterr().out
    assert len(made) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_source_is_looked_at_once(folder, monkeypatch, command):
    looked_at = []
    content_of = source_files.content_of

    def noted(path, **options):
        looked_at.append(path.name)
        return content_of(path, **options)

    monkeypatch.setattr(source_files, "content_of", noted)
    assert run(command, "in", *COMMANDS[command]) == 0
    assert looked_at == ["a.parquet"]
