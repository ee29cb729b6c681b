"""Pretraining in one call: its result and its reports, in one process and with workers."""

from __future__ import annotations

import dataclasses
import signal

import numpy as np
import paddle
import pytest

from paddle_wwm.corpus.segment import SegmenterConfig, make_segmenter
from paddle_wwm.errors import ConfigError, TrainingError
from paddle_wwm.pretraining.job import worker_command
from paddle_wwm.pretraining.result import summary
from paddle_wwm.pretraining.run import pretrain
from paddle_wwm.runs.folder import locked_output
from paddle_wwm.shards.reader import ShardSet

RECIPE = """
model: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,
        max_position_embeddings: 64}
data: {segmenter: lac, pairing: full-sentences}
optimizer: {name: adamw}
phases: [{max_seq_length: 32, global_batch_size: 4, num_steps: 6, learning_rate: 1e-3, num_warmup_steps: 2}]
runtime: {micro_batch_size: 2, log_every_steps: 2, evaluate_every_steps: 6, save_every_steps: 3,
          max_evaluation_examples: 8}
seed: 3
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe that trains for a few seconds."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def done(recipe, prepared_sample, tmp_path_factory):
    """The result of a run in this process, and its reports."""
    reports = []
    output = tmp_path_factory.mktemp("done") / "run"
    result = pretrain([prepared_sample.directory], output=output, config=recipe, progress=reports.append)
    return result, reports


def test_the_result_names_the_files_and_scores_of_the_run(done):
    result, _ = done
    assert result.num_steps == 6 and result.output.name == "run"
    for path in (
        result.model / "config.json",
        result.checkpoint / "training_state.json",
        result.curves,
        result.metrics,
    ):
        assert path.is_file(), path
    assert result.checkpoint.name == "step-00000006"
    assert result.best_checkpoint == result.checkpoint and result.best_loss == result.scores["loss"]
    assert {"mlm_loss", "masked_accuracy", "word_accuracy", "perplexity"} < result.scores.keys()
    assert result.baseline.keys() == {"mlm_loss", "masked_accuracy"}


def test_the_summary_says_which_loss_the_best_checkpoint_has(done):
    result, _ = done
    masked_only = {name: value for name, value in result.scores.items() if not name.startswith("nsp")}
    pairs = {**masked_only, "nsp_loss": 0.7, "nsp_accuracy": 0.5}
    for scores, kind in ((masked_only, "held-out MLM loss"), (pairs, "held-out MLM + next-sentence loss")):
        text = summary(dataclasses.replace(result, scores=scores))
        assert f"best        {result.best_checkpoint} ({kind} {result.best_loss:.3f})" in text


def test_every_step_is_reported(done):
    _, reports = done
    steps = [report.done for report in reports if report.stage == "train"]
    assert sorted(set(steps)) == list(range(7)) and steps == sorted(steps)
    assert {report.total for report in reports if report.stage == "train"} == {6}
    assert "tokens/s" in reports[-1].note


def test_the_library_prints_nothing(recipe, prepared_sample, tmp_path, capfd):
    pretrain([prepared_sample.directory], output=tmp_path / "run", config=recipe)
    written = capfd.readouterr()
    assert written.out == "" and "step" not in written.err and "train" not in written.err


def test_the_signal_handlers_of_the_program_are_restored(recipe, prepared_sample, tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    pretrain([prepared_sample.directory], output=tmp_path / "run", config=recipe)
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.slow
def test_two_workers_give_the_weights_of_one_process_and_report_to_the_caller(
    done, recipe, prepared_sample, tmp_path, capfd
):
    alone, _ = done
    reports = []
    result = pretrain(
        [prepared_sample.directory], output=tmp_path / "run", config=recipe, num_workers=2, progress=reports.append
    )
    # on AMD, the first matrix product of a process fixes the code path of MKL, so this process may use another one
    weights, expected = (paddle.load(str(one.model / "model_state.pdparams")) for one in (result, alone))
    assert weights.keys() == expected.keys()
    assert all(np.allclose(weights[name].numpy(), expected[name].numpy(), atol=1e-6) for name in expected)
    assert reports[-1].done == 6 and reports[-1].total == 6
    assert "held-out MLM loss" in (tmp_path / "run" / "logs" / "worker-0.log").read_text(encoding="utf-8")
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_a_failure_in_a_worker_is_raised_in_the_caller(recipe, prepared_sample, tmp_path, monkeypatch, logged):
    monkeypatch.setattr("paddle_wwm.pretraining.job.worker_command", lambda job: [*worker_command(job), "--nproc", "0"])
    with pytest.raises(TrainingError, match=r"worker \d ended with exit status 2"):
        pretrain([prepared_sample.directory], output=tmp_path / "run", config=recipe, num_workers=2)
    assert any("--nproc must be at least 1" in line for line in logged)


def test_resuming_a_finished_run_returns_its_result_without_training(done, recipe, prepared_sample):
    result, _ = done
    reports = []
    again = pretrain(
        [prepared_sample.directory], output=result.output, config=recipe, resume=True, progress=reports.append
    )
    assert again == result and reports == []


def test_an_output_that_holds_a_run_is_refused_without_resume(done, recipe, prepared_sample):
    result, _ = done
    with pytest.raises(ConfigError, match="already holds a run"):
        pretrain([prepared_sample.directory], output=result.output, config=recipe)


def test_a_second_process_in_the_same_output_is_refused(recipe, prepared_sample, tmp_path):
    with locked_output(tmp_path / "run"), pytest.raises(ConfigError, match="another process is working"):
        pretrain([prepared_sample.directory], output=tmp_path / "run", config=recipe)
    assert not (tmp_path / "run").exists()


def test_overwrite_deletes_only_the_files_of_the_run(recipe, prepared_sample, tmp_path):
    output = tmp_path / "run"
    pretrain([prepared_sample.directory], output=output, config=recipe)
    (output / "notes.txt").write_text("weeks of work", encoding="utf-8")
    again = pretrain([prepared_sample.directory], output=output, config=recipe, overrides=["seed=4"], overwrite=True)
    assert again.num_steps == 6 and (output / "notes.txt").read_text(encoding="utf-8") == "weeks of work"


def test_a_recipe_names_the_dictionaries_and_prepared_shards_must_fit_them(recipe, sample_corpus, tmp_path):
    first, second = tmp_path / "first.dic", tmp_path / "second.dic"
    first.write_text("米饭#很香\n不在样本里\n", encoding="utf-8")
    second.write_text("放#水\n", encoding="utf-8")
    names = f"data.custom_dictionary=[{first}, {second}]"
    overrides = [names, "data.dictionary_separator='#'", "phases.0.num_steps=2"]
    pretrain(
        [sample_corpus], output=tmp_path / "run", config=recipe, prepared=tmp_path / "prepared", overrides=overrides
    )
    [shards] = (path for path in (tmp_path / "prepared").iterdir() if path.is_dir())
    expected = make_segmenter(SegmenterConfig(custom_dictionary=(first, second), dictionary_separator="#"))
    assert ShardSet(shards).manifest.segmenter.model_sha256 == expected.model_sha256
    pretrain([shards], output=tmp_path / "again", config=recipe, overrides=overrides)
    with pytest.raises(ConfigError, match="`data.custom_dictionary` must name the dictionaries of the shards"):
        other = [f"data.custom_dictionary=[{second}, {first}]", *overrides[1:]]
        pretrain([shards], output=tmp_path / "other", config=recipe, overrides=other)
