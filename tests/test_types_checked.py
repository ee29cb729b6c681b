"""mypy checks the types of the package (`make lint`). Few lines are excluded, and each names its error code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "paddle_wwm"
MAX_IGNORED = 30
IGNORE, IGNORE_WITH_CODE = re.compile(r"#\s*type:\s*ignore"), re.compile(r"#\s*type:\s*ignore\[[a-z-]+(, ?[a-z-]+)*\]")


def ignoring_lines(texts: dict[str, str]) -> list[str]:
    """Return the lines that mypy ignores, each with its place."""
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if IGNORE.search(line)
    ]


@pytest.fixture(scope="module")
def ignored() -> list[str]:
    texts = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    return ignoring_lines(texts)


def test_few_lines_are_excluded_from_type_checking(ignored):
    assert len(ignored) <= MAX_IGNORED, "\n".join(ignored)


def test_every_excluded_line_names_its_error_code(ignored):
    assert [line for line in ignored if not IGNORE_WITH_CODE.search(line)] == []


def test_no_file_is_excluded_from_type_checking():
    switched_off = re.compile(r"^#\s*(type:\s*ignore|mypy:)", re.MULTILINE)
    paths = sorted(PACKAGE.rglob("*.py"))
    assert paths
    assert [path.name for path in paths if switched_off.search(path.read_text(encoding="utf-8"))] == []


def test_excluded_lines_are_found_with_and_without_an_error_code():
    # concatenated, so that no tool takes these examples for real exclusions
    bare, coded = "x = f()  # type" + ": ignore", "y = g()  # type" + ": ignore[no-any-return]"
    found = ignoring_lines({"a.py": f"{bare}\n{coded}\nz = 1\n"})
    assert [line.partition(": ")[0] for line in found] == ["a.py:1", "a.py:2"]
    assert [bool(IGNORE_WITH_CODE.search(line)) for line in found] == [False, True]
