"""The script that finds what is not plain English finds it, and finds nothing in the repository."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def plain_words():
    specification = importlib.util.spec_from_file_location("plain_words", ROOT / "tools" / "plain_words.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules["plain_words"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["plain_words"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1  # made anew\n", ["anew"]),
        ("raise ValueError('the key is none')\n", ["is none"]),
        ("def f():\n    '''The rows of a file.'''\n", ["The rows of a file."]),
        ("def f():\n    '''Return the rows of a file.'''\n", []),
        ("class A:\n    '''The rows of a file.'''\n", []),
        ("anew = 1\n", []),  # a name, not a sentence
    ],
)
def test_phrases_and_docstrings_are_found_in_python(plain_words, source, expected):
    assert [one.found for one in plain_words.findings_in("paddle_wwm/x.py", source)] == expected


def test_phrases_are_found_in_pages_with_their_line(plain_words):
    [finding] = plain_words.findings_in("docs/x.md", "One.\nThe run goes on later.\n")
    assert (finding.line, finding.found, finding.instead) == (2, "goes on", "continue")


def test_every_exception_is_needed_and_has_a_reason(plain_words):
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in plain_words.files_of([])}
    found = [one for name, text in texts.items() for one in plain_words.findings_in(name, text)]
    for (path, phrase), reason in plain_words.ALLOWED.items():
        assert len(reason) > 10 and any(one.path.startswith(path) and phrase in one.found for one in found)


def test_without_git_the_same_folders_are_read(plain_words, monkeypatch, tmp_path):
    for name in ("a/runs/x.py", ".venv/y.py", "runs/z.md", "Makefile", "a/picture.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.setattr(plain_words, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert sorted(plain_words.files_of([])) == ["Makefile", "a/runs/x.py"]
    assert plain_words.files_of(["a"]) == ["a/runs/x.py"]
