"""A tiny experiment from end to end, in real processes: killed, restarted, and started again after it is done."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments.evidence.corpus import write_corpus
from experiments.evidence.experiment import PRETRAINED, Arm
from experiments.evidence.masked import read_masked
from experiments.evidence.pretrain import is_pretrained
from experiments.evidence.settings import read_settings
from paddle_wwm.errors import DataError
from paddle_wwm.files import write_json
from paddle_wwm.finetuning.results import read_results
from paddle_wwm.model.folder import WEIGHTS_NAME
from paddle_wwm.pretraining.data import open_run_data
from paddle_wwm.pretraining.metrics_log import read_metrics
from paddle_wwm.pretraining.trainer import Trainer
from paddle_wwm.runs.fleet import World
from paddle_wwm.runs.folder import read_record
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.weights.pdparams import read_pdparams
from tests.experiments.builders import RECIPE, sentiment_folder
from tests.integration.scripts import ROOT, TIMEOUT_S, run_command, wait_for_step

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def flags(prepared_sample, sample_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")[:30]
    documents.append(
        "这一篇\n我们在北京大学学习，有人来这"
    )  # a review, but its shared text is too short to exclude the document
    documents.append("那一篇\n他说：今天的天气和昨天的天气一样，都是很好的天气。")
    (folder / "corpus.txt").write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    prepared_sample.vocab().save(folder / "vocab.txt")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    chn = sentiment_folder(folder / "chn")
    with open(chn / "train.tsv", "a", encoding="utf-8") as stream:
        stream.write("1\t今天的天气和昨天的天气一样，都是很好的天气\n")
    return (
        *(
            "--corpus",
            folder / "corpus.txt",
            "--vocab",
            folder / "vocab.txt",
            "--recipe",
            folder / "recipe.yaml",
            "--output",
            folder / "out",
        ),
        *("--chnsenticorp", chn, "--chnsenticorp-length", 16, "--chnsenticorp-batch", 8, "--chnsenticorp-epochs", 1),
        *("--seeds", 1, 2, "--finetune-seeds", 2, "--nproc", 1, "--jobs", 2, "--evaluation-examples", 8),
    )


def test_a_killed_experiment_continues_to_its_page_and_a_third_start_does_nothing(flags):
    output = flags[flags.index("--output") + 1]
    first = output / "pretrain" / "whole-word-seed1"
    process = subprocess.Popen(
        command_of_evidence(*flags), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: first.exists(), process)
        wait_for_step(process, first, 12)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_until(lambda: not still_written(first))  # its training process ends with it

    done = run_evidence(*flags, "--write-docs", output / "docs" / "evidence.md")
    assert done.returncode == 0, done.stdout + done.stderr
    config = read_settings(output)
    assert all(is_pretrained(config, arm, seed) for arm, seed in config.pretrained())
    assert [record["step"] for record in read_metrics(first) if record["kind"] == "train"] == list(range(1, 41))
    assert "1 of 32 documents left out" in done.stdout and "今天的天气" not in (output / "corpus.txt").read_text(
        encoding="utf-8"
    )
    for arm, seed in config.models():
        results = read_results(config.finetuning_path("chnsenticorp", arm, seed))
        assert [result.seed for result in results] == ([1] if arm is Arm.FROM_SCRATCH else [1, 2])
    assert len(list((output / "logs").glob("pretrain-*.log"))) == 4  # in parallel, so not to the terminal
    for arm, seed in config.pretrained():
        assert set(read_masked(config, arm, seed)) == {masking.value for masking in PRETRAINED}
    page = (output / "docs" / "evidence.md").read_text(encoding="utf-8")
    assert "4 of 4 models are pretrained, 10 of 10 fine-tuning runs are done." in page
    assert (output / "docs" / "evidence-pretraining.svg").exists()

    before = {
        path: path.stat().st_mtime_ns
        for folder in ("pretrain", "finetune", "shards", "masked")
        for path in (output / folder).rglob("*.*")
    }
    again = run_evidence(*flags)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (output / "evidence.md").read_text(encoding="utf-8") == page

    described = run_evidence(*flags, "--dry-run")
    assert described.returncode == 0 and "to do" not in described.stdout

    other = run_evidence(*flags, "--steps", 50)
    assert other.returncode == 2 and "phases.0.num_steps" in other.stderr  # runs with another recipe are refused


def test_both_arms_of_a_pair_start_from_the_saved_weights_and_read_the_same_examples(flags, tmp_path):
    config = read_settings(flags[flags.index("--output") + 1])
    shards = ShardSet(config.shards_path)
    saved = read_pdparams(config.model_path(Arm.FROM_SCRATCH, 1) / WEIGHTS_NAME)
    indices = []
    for arm in PRETRAINED:
        path = config.pretraining_path(arm, 1)
        run = config.arm_config(arm, 1, vocab_size=shards.manifest.vocab_size)
        data = open_run_data(run, output=path, corpora=(shards,), record=read_record(path), init=None, init_layers=None)
        first = Trainer(run, data=data, output=tmp_path, world=World()).core.state_dict()
        assert all(np.array_equal(tensor.numpy(), saved[name]) for name, tensor in first.items())
        indices.append((path / "index" / "corpus-0-phase-0-train.npy").read_bytes())
    assert indices[0] == indices[1]


def test_a_follow_up_accepts_a_corpus_that_excludes_more_texts_but_not_one_from_other_sources(flags, tmp_path):
    output = flags[flags.index("--output") + 1]
    report = json.loads((output / "corpus.json").read_text(encoding="utf-8"))
    shutil.copy(output / "corpus.txt", tmp_path)
    config = dataclasses.replace(read_settings(output), output=tmp_path)
    write_json(tmp_path / "corpus.json", {**report, "evaluation_sets": ["chnsenticorp", "cmrc2018"]})
    assert write_corpus(config)["num_documents"] == 32
    write_json(tmp_path / "corpus.json", {**report, "evaluation_sets": ["cmrc2018"]})
    with pytest.raises(DataError, match="made with other evaluation_sets"):
        write_corpus(config)
    write_json(tmp_path / "corpus.json", {**report, "sources": []})
    with pytest.raises(DataError, match="made with other sources"):
        write_corpus(config)


def command_of_evidence(*flags):
    return [sys.executable, "-m", "experiments.evidence", *map(str, flags)]


def run_evidence(*flags):
    return run_command(command_of_evidence(*flags), cwd=ROOT)


def still_written(run) -> bool:
    before = len(read_metrics(run))
    time.sleep(0.5)
    return len(read_metrics(run)) > before


def wait_until(condition, process=None) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
