"""Test the table of files that are not text: the readers of corpora and of tasks refuse them with the same words."""

from __future__ import annotations

import pytest

from paddle_wwm.corpus.source_files import find_sources
from paddle_wwm.datasets.readers.file import TaskFile
from paddle_wwm.errors import DataError
from paddle_wwm.file_kinds import FILE_KINDS, kind_of


def content_of(kind):
    return b"\xff" * kind.offset + kind.first_bytes + (b" x\n" if kind.is_printable else b"\0\xff\xfe\0" * 4)


@pytest.mark.parametrize("kind", FILE_KINDS, ids=lambda kind: f"{kind.what} {kind.first_bytes[:4]!r}")
def test_both_readers_refuse_a_file_with_the_same_words(tmp_path, kind):
    path = tmp_path / "a.b.txt"
    path.write_bytes(content_of(kind))
    refusal = kind.refusal("a.b.txt")
    assert kind_of(path.read_bytes()) is kind and "{" not in refusal
    with pytest.raises(DataError) as caught:
        _ = TaskFile(path=path, split="train").content
    assert str(caught.value) == f"{path}: must be text, but is {refusal}"
    [source] = find_sources([path]).files
    assert (source.refusal == refusal) is not kind.is_corpus


@pytest.mark.parametrize(
    "text", ["BZh\t1\n", "PAR1 和 ORC\n", "Rar! 好\n", "ARROW1,1\n", "Obj\n", "ustar", "今天<html>\n"]
)
def test_text_that_begins_like_another_kind_is_text(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert kind_of(text.encode()) is None
    assert TaskFile(path=path, split="train").content == text.encode()


def test_markup_is_recognised_in_capitals_and_after_white_space():
    for start in ("\ufeff", "\n ", "\ufeff \n"):
        found = kind_of(f"{start}<!DOCTYPE HTML><p>".encode())
        assert found is not None and found.what == "HTML or XML"
