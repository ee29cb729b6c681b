"""Every benchmark runs and prints its tables. What they measure is not asserted: these settings are tiny, and machines differ."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from .conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"
HELPERS = ("common.py", "peers.py", "hub_peers.py")
OF_HUB_MODULES = {
    "hub_predict.py": ["predict, first call included", "one text a call", "a new process", "largest difference of a probability"],
    "question_answering.py": ["question answering, 2,000 characters each", "the same answer for"],
}
HEADINGS = {
    "masking.py": [
        *("masking, 128 tokens an example", "masking, 512 tokens an example"),
        *("tokens/s +range +selected +ratio", "compiled (ours)", "numpy (ours)", "PaddleNLP DataCollatorForWholeWordMask", "google's rule"),
    ],
    "loader.py": [
        *(f"loader, {pairing}, up to {length} tokens" for pairing in ("next-sentence", "full-sentences") for length in (128, 512)),
        "tokens/s +range +selected +ratio",
    ],
    "loader_memory.py": ["peak memory over", "tokens +on disk +RSS before +anonymous +RSS", "small set", "3x larger", "ratio"],
    "masking_distribution.py": ["selected", "actions", "lengths of words", "words per mask", "pair labels of the index", "padding", "promised"],
}
OPTIONS = {"loader.py": ["--ours-only"]}  # the peers are started once, by masking.py

pytestmark = pytest.mark.integration


def run(name, *arguments):
    command = [sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def pattern_of(heading):
    return heading if " +" in heading else re.escape(heading)


def test_every_benchmark_is_tested_here():
    assert sorted(path.name for path in BENCHMARKS.glob("*.py")) == sorted([*HEADINGS, *HELPERS, *OF_HUB_MODULES])


@pytest.mark.parametrize("name", HEADINGS)
def test_it_runs_on_shards_and_writes_its_figures(name, prepared_sample, tmp_path):
    png = ["--png", tmp_path / "masks.png"] if name == "masking_distribution.py" else []
    options = [*OPTIONS.get(name, []), *png]
    result = run(name, "--quick", "--shards", prepared_sample.directory, "--json", tmp_path / "figures.json", *options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    missing = [heading for heading in HEADINGS[name] if not re.search(pattern_of(heading), result.stdout)]
    assert missing == [], result.stdout
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["data"].startswith("the shards given")
    assert not png or png[1].read_bytes().startswith(b"\x89PNG")


def test_without_shards_it_prepares_the_sample_corpus():
    result = run("masking_distribution.py", "--quick", "--pairing", "full-sentences", "--strategy", "ngram-word")
    assert result.returncode == 0, result.stderr
    assert "data: the bundled sample corpus" in result.stdout
    assert "pair labels" not in result.stdout


@pytest.mark.parametrize("name", OF_HUB_MODULES)
def test_it_runs_without_data_and_writes_its_figures(name, tmp_path, monkeypatch):
    monkeypatch.delenv("PADDLE_WWM_DATA", raising=False)
    result = run(name, "--quick", "--json", tmp_path / "figures.json")
    assert result.returncode == 0, result.stderr
    assert [heading for heading in OF_HUB_MODULES[name] if heading not in result.stdout] == [], result.stdout
    assert "ours" in json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*HEADINGS, *OF_HUB_MODULES])
def test_its_help_shows_how_to_call_it(name):
    result = run(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"python benchmarks/{name}" in result.stdout


def test_a_folder_without_shards_is_one_line(tmp_path):
    result = run("loader.py", "--quick", "--shards", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "holds no shards" in result.stderr
