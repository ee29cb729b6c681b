"""Every benchmark runs and prints its tables. Measured values are not checked: the settings are tiny and machines
differ.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from .conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"
HELPERS = (
    "common.py",
    "peers.py",
    "step_contenders.py",
    "hub_peers.py",
    "resume.py",
)  # resume.py takes minutes and runs in `make soak`
OF_HUB_MODULES = {
    "hub_predict.py": [
        "predict, first call included",
        "one text per call",
        "a new process",
        "largest difference of a probability",
    ],
    "hub_memory.py": ["resident memory in MB, 3 rounds", "round 1 +half-way +last +growth", "ours, unbounded"],
    "reading_comprehension.py": ["answers +recovered +not in passage", "ours, 128 tokens", "PaddleNLP, 512 tokens"],
    "finetune.py": [
        "training, batches of",
        "PaddleNLP, dynamic padding",
        "PaddleNLP, padded to the maximum",
        "accuracy after 2 epochs",
    ],
    "question_answering.py": ["question answering, 2,000 characters each", "the same answer for"],
}
HEADINGS = {
    "masking.py": [
        *("masking, 128 tokens per example", "masking, 512 tokens per example"),
        *(
            "tokens/s +range +selected +ratio",
            "compiled (ours)",
            "numpy (ours)",
            "PaddleNLP DataCollatorForWholeWordMask",
            "google's rule",
        ),
    ],
    "loader.py": [
        *(
            f"loader, {pairing}, up to {length} tokens"
            for pairing in ("next-sentence", "full-sentences")
            for length in (128, 512)
        ),
        "tokens/s +range +selected +ratio",
    ],
    "loader_memory.py": [
        "peak memory over",
        "tokens +on disk +RSS before +anonymous +RSS",
        "small set",
        "3x larger",
        "ratio",
    ],
    "training_step.py": [
        *("training step, 1 layers x 64, 2 x 32 tokens, 64 of them real", "ms +tokens/s +peak MB"),
        *("ratios", "faster by +memory", "ours, both losses : PaddleNLP BertForPretraining"),
        *("ours, both losses", "ours, MLM only", "PaddleNLP BertForPretraining", "of the GEMM peak of"),
    ],
    "optimizer_step.py": [
        "clipping and update of",
        "ms +to our AdamW +to Paddle's AdamW",
        "adamw (ours)",
        "lamb-hfl (ours)",
        "LAMB (Paddle)",
    ],
    "fleet_scaling.py": ["fleet, 2 micro-batches of 2 x 32 per step and process", "1 process(es)", "2 process(es)"],
    "masking_distribution.py": [
        "selected",
        "actions",
        "word lengths",
        "words per mask",
        "pair labels of the index",
        "padding",
        "expected",
    ],
}
# These benchmarks read text instead of shards.
CORPUS_HEADINGS = {
    "prepare.py": ["MB/s +range +ratio", "ours, 1 worker", "ours, 2 workers", "plain loop", "bytes per token"],
    "segmentation.py": [
        *("characters/s +range +ratio +MB", "paddle-onednn", "paddle-lines", "jieba", "best Paddle"),
        *("tags of compiled that differ from Paddle's: 0 of",),
    ],
    "wordpiece.py": [
        *(
            "all lines",
            "a share of the lines",
            "characters/s +range +ratio",
            "encode (ours), empty tables",
            "tokenizers encode_batch",
        ),
        *("lines whose ids or offsets differ from the tokenizers library's: 0 of 300", "PaddleNLP's ids: 0 of"),
    ],
    "wiki.py": ["MB/s of XML +characters +ratio", "strip_code"],
}
# These benchmarks read a model instead of shards.
MODEL_HEADINGS = {
    "conversion.py": [
        "file +peak +peak/file +time",
        "huggingface -> tensorflow",
        "bit-identical",
        "every tensor, with checksums",
        "claims: peak",
    ],
}
OPTIONS = {"loader.py": ["--ours-only"]}  # only masking.py runs the peers

pytestmark = pytest.mark.integration


def run(name, *arguments):
    command = [sys.executable, str(BENCHMARKS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def pattern_of(heading):
    return heading if " +" in heading else re.escape(heading)


def assert_headings(headings, output):
    assert [heading for heading in headings if not re.search(pattern_of(heading), output)] == [], output


def test_every_benchmark_is_tested_here():
    of_text_or_models = [*CORPUS_HEADINGS, *MODEL_HEADINGS, *OF_HUB_MODULES]
    assert sorted(path.name for path in BENCHMARKS.glob("*.py")) == sorted([*HEADINGS, *of_text_or_models, *HELPERS])


@pytest.mark.slow
@pytest.mark.parametrize("name", HEADINGS)
def test_a_shard_benchmark_runs_and_writes_its_figures(name, prepared_sample, tmp_path):
    png = ["--png", tmp_path / "masks.png"] if name == "masking_distribution.py" else []
    options = [*OPTIONS.get(name, []), *png]
    result = run(name, "--quick", "--shards", prepared_sample.directory, "--json", tmp_path / "figures.json", *options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert_headings(HEADINGS[name], result.stdout)
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["data"].startswith("the shards given")
    assert not png or png[1].read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("name", CORPUS_HEADINGS)
def test_a_corpus_benchmark_runs_and_writes_its_figures(name, sample_corpus, tmp_path):
    result = run(name, "--quick", "--corpus", sample_corpus.parent, "--json", tmp_path / "figures.json")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert_headings(CORPUS_HEADINGS[name], result.stdout)
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["data"].startswith("sample_data (")


@pytest.mark.parametrize("name", MODEL_HEADINGS)
def test_a_model_benchmark_runs_and_writes_its_figures(name, tmp_path):
    result = run(name, "--quick", "--json", tmp_path / "figures.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert_headings(MODEL_HEADINGS[name], result.stdout)
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["bit_identical"] is True


def test_a_benchmark_without_shards_prepares_the_sample_corpus():
    result = run("masking_distribution.py", "--quick", "--pairing", "full-sentences", "--strategy", "ngram-word")
    assert result.returncode == 0, result.stderr
    assert "data: the bundled sample corpus" in result.stdout
    assert "pair labels" not in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_HUB_MODULES)
def test_a_hub_benchmark_runs_without_data_and_writes_its_figures(name, tmp_path, monkeypatch):
    monkeypatch.delenv("PADDLE_WWM_DATA", raising=False)
    result = run(name, "--quick", "--json", tmp_path / "figures.json")
    assert result.returncode == 0, result.stderr
    assert_headings(OF_HUB_MODULES[name], result.stdout)
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert "ours" in figures.get("training", figures)


@pytest.mark.parametrize("name", [*HEADINGS, *CORPUS_HEADINGS, *MODEL_HEADINGS, *OF_HUB_MODULES])
def test_the_help_of_a_benchmark_shows_its_command(name):
    result = run(name, "--help")
    assert result.returncode == 0, result.stderr
    assert f"python benchmarks/{name}" in result.stdout


def test_the_error_for_a_folder_without_shards_is_one_line(tmp_path):
    result = run("loader.py", "--quick", "--shards", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "holds no shards" in result.stderr
