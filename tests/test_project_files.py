"""Project files such as CITATION.cff and CONTRIBUTING.md: they parse, agree, and name only existing files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from paddle_wwm.version import __version__

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
# Not part of a checkout: made by a command.
NO_FILES = (".venv",)
_PATH = re.compile(r"\.?[\w.-]+(?:/[\w.*-]+)+|[\w.-]+\.(?:md|py|toml|cff|txt|yaml)|\.[\w-]+[\w.-]*")
_VERSION = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def paths_in(text: str) -> list[str]:
    """Return the words in backticks that look like a path of the checkout, also inside a command."""
    words = [word for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text) for word in code.split()]
    return [word for word in words if _PATH.fullmatch(word)]


def test_the_citation_names_authors_version_and_both_papers():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert {"cff-version", "message", "title", "type", "authors", "license", "version"} <= citation.keys()
    assert citation["authors"] == [{"name": "paddle_wwm developers"}]
    assert (str(citation["version"]), citation["license"]) == (__version__, "Apache-2.0")
    journal, conference = citation["references"]
    assert journal["title"] == "Pre-Training with Whole Word Masking for Chinese BERT"
    assert journal["doi"] == "10.1109/TASLP.2021.3124365"
    assert conference["title"] == "Revisiting Pre-Trained Models for Chinese Natural Language Processing"
    for paper in citation["references"]:
        assert {"type", "title", "authors", "year", "url"} <= paper.keys()
        assert paper["authors"][0] == {"family-names": "Cui", "given-names": "Yiming"}


def test_the_changelog_has_an_entry_for_this_version():
    versions = _VERSION.findall(read("CHANGELOG.md"))
    names = [name for name, _ in versions]
    assert names[0] in ("Unreleased", __version__)
    assert __version__ in names
    assert all(date for name, date in versions if name != "Unreleased")
    dates = [date for _, date in versions if date]
    assert dates == sorted(dates, reverse=True) and len(set(names)) == len(names)


@pytest.mark.parametrize("name", PAGES)
def test_every_path_in_the_page_exists(name):
    found = [path for path in paths_in(read(name)) if path not in NO_FILES]
    assert name == "CHANGELOG.md" or len(found) >= 3
    assert [path for path in found if not list(ROOT.glob(path))] == []


def test_paths_in_backticks_are_found():
    text = "See `paddle_wwm/absent.py`, `python scripts/absent.py --flag`, `absent.toml` and `.absent/run`; not `a b`."
    assert paths_in(text) == ["paddle_wwm/absent.py", "scripts/absent.py", "absent.toml", ".absent/run"]


def test_the_names_in_the_contributing_guides_exist_in_the_named_files():
    """Each name in backticks must occur in one of the files that its section names."""
    sections = re.split(r"^## ", read("CONTRIBUTING.md"), flags=re.MULTILINE)
    guides = [section for section in sections if section.startswith("Add a ")]
    assert [guide.partition("\n")[0] for guide in guides] == [
        *("Add a segmenter", "Add a form of text", "Add a task", "Add a data set", "Add a variant")
    ]
    for guide in guides:
        files = [path for name in paths_in(guide) for path in ([ROOT / name] if (ROOT / name).is_file() else [])]
        folders = [ROOT / name for name in paths_in(guide) if (ROOT / name).is_dir()]
        files += [path for folder in folders for path in folder.glob("*.py")]
        source = "\n".join(path.read_text(encoding="utf-8") for path in files)
        names = re.findall(r"`([A-Za-z_]\w*[A-Z_]\w*|[A-Z]\w+)`", guide)
        names = [name for name in names if not (ROOT / name).exists()]
        assert names and [name for name in names if not re.search(rf"\b{name}\b", source)] == [], guide


def test_pre_commit_hooks_are_local_and_call_commands_of_the_environment():
    [repository] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"  # nothing is downloaded
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert list(hooks) == ["ruff-format", "ruff-check", "mypy", "plain-words"]
    environment = Path(sys.executable).parent
    for hook in hooks.values():
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split()
        assert program.startswith(".venv/bin/")
        path = shutil.which(Path(program).name, path=str(environment))
        if path is None:
            pytest.skip(f"{program} is not installed next to {sys.executable}")
        assert subprocess.run([path, *arguments, "--help"], capture_output=True).returncode == 0


def test_hooks_and_make_lint_run_the_same_checks():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)[1]
    assert [line.strip().removeprefix("$(PY) ") for line in recipe.splitlines()] == [
        "-m ruff format --check .",
        "-m ruff check .",
        "-m mypy",
        "tools/plain_words.py",
    ]
    script = read(".ci/run")
    assert 0 < script.index("make lint") < script.index("make test")


def test_pyproject_holds_settings_of_tools_and_no_metadata():
    settings = tomllib.loads(read("pyproject.toml"))
    assert settings.keys() == {"build-system", "tool"}  # `project` would repeat the metadata of setup.py
    assert settings["tool"].keys() == {"ruff", "mypy", "pytest"}
    assert not (ROOT / "setup.cfg").exists() and not (ROOT / "ruff.toml").exists()


def test_warnings_are_errors_and_exceptions_name_message_and_category():
    first, *exceptions = tomllib.loads(read("pyproject.toml"))["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert first == "error"
    for line in exceptions:
        action, message, category, *_ = line.split(":")
        assert action in ("ignore", "default") and len(message) > 10 and category.endswith("Warning"), line


def test_ignored_commits_of_git_blame_are_full_hashes_with_a_reason():
    lines = read(".git-blame-ignore-revs").splitlines()
    hashes = [line for line in lines if line and not line.startswith("#")]
    assert hashes and all(re.fullmatch(r"[0-9a-f]{40}", line) for line in hashes)
    assert sum(line.startswith("#") for line in lines) > len(hashes)
