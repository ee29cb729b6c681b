"""Continued pretraining on text of a domain: epochs, general text, the best model, early stopping, resuming."""

from __future__ import annotations

import dataclasses
import json
import logging
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest

from paddle_wwm.errors import ConfigError, DownloadError, Interrupted
from paddle_wwm.files import read_json
from paddle_wwm.pretraining.job import run_job
from paddle_wwm.pretraining.metrics_log import read_metrics
from paddle_wwm.pretraining.result import summary
from paddle_wwm.pretraining.run import pretrain
from paddle_wwm.pretraining.steps import with_epochs, with_steps
from paddle_wwm.recipe_file import load_config
from paddle_wwm.weights.pdparams import read_pdparams

TINY = """
model: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,
        max_position_embeddings: 64}
data: {pairing: full-sentences, held_out_share: 0.1}
phases: [{max_seq_length: 32, global_batch_size: 8, num_steps: 4, learning_rate: 1e-3}]
runtime: {micro_batch_size: 4, max_evaluation_examples: 32}
"""
SHORT = ["phases.0.max_seq_length=32", "phases.0.global_batch_size=16", "runtime.log_every_steps=1"]
# a rate that first lowers the held-out loss and then raises it, so that the run stops early
TOO_HIGH = ["phases.0.learning_rate=0.5", "phases.0.warmup_ratio=0", "selection.patience=2"]


@pytest.fixture(scope="module")
def texts(sample_corpus, tmp_path_factory):
    """Two text files of the sample corpus: the domain, and general text."""
    documents = sample_corpus.read_text(encoding="utf-8").split("\n\n")
    folder = tmp_path_factory.mktemp("texts")
    paths = [folder / "domain.txt", folder / "general.txt"]
    for path, part in zip(paths, (documents[:40], documents[60:120])):
        path.write_text("\n\n".join(part) + "\n", encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def base(sample_corpus, tmp_path_factory):
    """The folder of a run that has made the model to start from."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return pretrain([sample_corpus], output=folder / "run", config=folder / "tiny.yaml").output


@pytest.fixture(scope="module")
def adapt(base, texts, tmp_path_factory):
    """A function that continues `base` on the domain, with one folder for prepared text."""
    prepared = tmp_path_factory.mktemp("prepared")

    def run(output, *overrides, general=True, **options):
        values = {"init": base, "config": "domain", "prepared": prepared, "num_epochs": 2.0, **options}
        general_corpus = texts[1:] if general else ()
        return pretrain(
            texts[:1], output=output, overrides=[*SHORT, *overrides], general_corpus=general_corpus, **values
        )

    return run


@pytest.fixture(scope="module")
def mixed(adapt, tmp_path_factory):
    """A run over two epochs of the domain with 25% general text."""
    return adapt(tmp_path_factory.mktemp("mixed") / "run")


@pytest.fixture(scope="module")
def stopped(adapt, tmp_path_factory):
    """A run that stopped early."""
    return adapt(tmp_path_factory.mktemp("stopped") / "run", *TOO_HIGH, num_epochs=8.0)


def held_out_of(result):
    return [record for record in read_metrics(result.output) if record["kind"] == "held_out"]


def weights_of(result):
    return read_pdparams(result.model / "model_state.pdparams")


def assert_same_weights(one, other):
    ours, theirs = weights_of(one), weights_of(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_two_epochs_use_every_example_of_the_domain_twice(mixed):
    config = load_config(mixed.output / "recipe.yaml")
    num_domain = len(np.load(mixed.output / "index" / "corpus-0-phase-0-train.npy"))
    [phase] = config.phases
    assert phase.num_steps == mixed.num_steps == -(-2 * num_domain * 4 // 3 // 16)
    assert (phase.num_epochs, phase.warmup_ratio) == (0.0, 0.0)  # the written recipe has the steps
    assert phase.num_warmup_steps == round(0.1 * phase.num_steps)
    assert config.runtime.evaluate_every_steps == max(1, phase.num_steps // 20)


def test_a_quarter_of_the_examples_are_general_text_and_the_rest_of_the_domain(mixed, base):
    from paddle_wwm.pretraining.data import open_run_data
    from paddle_wwm.runs.folder import read_record
    from paddle_wwm.shards.reader import ShardSet

    record = read_record(mixed.output)
    assert record["num_general"] == 1 and record["init"] == str(base)
    data = open_run_data(
        load_config(mixed.output / "recipe.yaml"),
        output=mixed.output,
        corpora=tuple(ShardSet(mixed.output / path) for path in record["shards"]),
        record=record,
        init=None,
        init_layers=None,
    )
    taken = data.phases[0].train.take(np.arange(4096))
    assert np.bincount(taken.sources).tolist() == [3072, 1024]
    assert data.phases[0].held_out.sources[0].shards.directory == data.corpora[0].directory
    assert len(data.phases[0].held_out.sources) == len(data.phases[0].general_held_out.sources) == 1


def test_the_loss_before_training_and_that_of_general_text_are_measured(mixed):
    first, *_, last = held_out_of(mixed)
    assert first["step"] == 0 and last["step"] == mixed.num_steps
    assert first["general_mlm_loss"] != first["mlm_loss"] and "general_masked_accuracy" in mixed.scores


def test_a_run_without_general_text_has_no_share_of_it(adapt, tmp_path):
    result = adapt(tmp_path / "run", general=False)
    assert load_config(result.output / "recipe.yaml").data.general_share == 0
    assert "general_mlm_loss" not in result.scores


def test_the_finished_model_is_the_best_one_and_the_run_stops_early(stopped):
    losses = {record["step"]: record["loss"] for record in held_out_of(stopped) if record["step"] > 0}
    assert stopped.stopped_early and stopped.num_steps == max(losses)
    assert stopped.model_step == min(losses, key=losses.__getitem__) < stopped.num_steps
    assert sum(step > stopped.model_step for step in losses) == 2
    assert stopped.scores["loss"] == stopped.best_loss == losses[stopped.model_step]
    best = read_pdparams(stopped.best_checkpoint / "model_state.pdparams")
    assert all(np.array_equal(array, best[name]) for name, array in weights_of(stopped).items())
    text = summary(stopped)
    assert f"trained {stopped.num_steps} steps, then stopped: 2 evaluations without a lower held-out loss" in text
    assert f"the model is that of step {stopped.model_step}, the best one" in text


@pytest.mark.parametrize("after", ["the best", "the last"])
def test_a_resumed_run_keeps_the_same_model_and_stops_at_the_same_step(adapt, stopped, tmp_path, monkeypatch, after):
    """SIGTERM comes in the step before or after the best evaluation."""
    from paddle_wwm.pretraining import trainer

    at = stopped.model_step - 1 if after == "the best" else stopped.num_steps - 1
    update = trainer.Trainer.update

    def stop(self, *arguments, **options):
        if self.step == max(0, at - 1):
            signal.raise_signal(signal.SIGTERM)
            options["stop_asked"] = True
        return update(self, *arguments, **options)

    monkeypatch.setattr(trainer.Trainer, "update", stop)
    with pytest.raises(Interrupted):
        adapt(tmp_path / "run", *TOO_HIGH, num_epochs=8.0)
    monkeypatch.undo()
    resumed = adapt(tmp_path / "run", *TOO_HIGH, num_epochs=8.0, resume=True)
    assert (resumed.num_steps, resumed.model_step) == (stopped.num_steps, stopped.model_step)
    assert_same_weights(resumed, stopped)
    times = {"time", "tokens_per_s", "data_share", "mfu", "masked_share", "padding_share"}
    logs = [
        [{name: value for name, value in record.items() if name not in times} for record in read_metrics(one.output)]
        for one in (resumed, stopped)
    ]
    held_out = [[record for record in log if record["kind"] == "held_out"] for log in logs]
    assert held_out[0] == held_out[1]


@pytest.mark.slow
def test_two_workers_stop_at_the_same_step_and_keep_the_model_of_the_same_step(adapt, stopped, tmp_path):
    """At a rate of 0.5 the weights amplify the rounding of sums, so the first evaluations are compared."""
    result = adapt(tmp_path / "run", *TOO_HIGH, num_epochs=8.0, num_workers=2)
    assert (result.num_steps, result.model_step) == (stopped.num_steps, stopped.model_step)
    ours, theirs = ([record["loss"] for record in held_out_of(run)[:3]] for run in (result, stopped))
    assert ours == pytest.approx(theirs, rel=0.02)


def test_the_same_text_as_general_text_is_other_data(adapt, mixed, base, texts):
    with pytest.raises(Exception, match="the data differ"):
        pretrain(texts, init=base, output=mixed.output, config="domain", overrides=SHORT, num_epochs=2.0, resume=True)


def test_general_text_needs_a_share(base, texts, tmp_path):
    with pytest.raises(ConfigError, match=r"`data\.general_share` must be above 0"):
        pretrain(texts[:1], general_corpus=texts[1:], init=base, output=tmp_path / "run", config="small")


def test_the_recipe_needs_a_model(texts, tmp_path):
    with pytest.raises(ConfigError, match="--init is missing"):
        pretrain(texts[:1], output=tmp_path / "run", config="domain")


def test_a_rate_for_random_weights_is_warned_of_only_with_a_model(adapt, base, texts, tmp_path, logged):
    adapt(tmp_path / "low", general=False)
    assert not any("rate for random weights" in line for line in logged)
    adapt(tmp_path / "high", "phases.0.learning_rate=1e-3", general=False)
    [line] = [line for line in logged if "rate for random weights" in line]
    assert "`phases.0.learning_rate` is 0.001" in line and "--config domain" in line


def test_init_takes_the_names_and_folders_that_fine_tuning_takes(adapt, base, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PADDLE_WWM_HOME", str(tmp_path / "home"))
    with pytest.raises((ConfigError, DownloadError), match="is not a folder"):
        adapt(tmp_path / "named", init="chinese-roberta-wwm-ext")
    from paddle_wwm.datasets.own_files import dataset_of_flags
    from paddle_wwm.finetuning.run import finetune

    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("text_a\tlabel\n好米饭\t1\n坏天气\t0\n" * 1, encoding="utf-8")
    files = {name: tmp_path / f"{name}.tsv" for name in ("train", "dev")}
    tuned = finetune(
        base, task=dataset_of_flags(kind="classification", files=files), output=tmp_path / "tuned", num_epochs=1
    )
    model = tuned.output / "seed-1" / "model"
    assert adapt(tmp_path / "run", init=model, general=False).num_steps > 0


def test_init_of_a_cased_model_needs_the_same_in_the_recipe(adapt, base, tmp_path):
    import shutil

    cased = tmp_path / "cased"
    shutil.copytree(base / "model", cased)
    settings = read_json(cased / "tokenizer_config.json")
    (cased / "tokenizer_config.json").write_text(json.dumps({**settings, "do_lower_case": False}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"`data\.do_lower_case` must be false"):
        adapt(tmp_path / "run", init=cased)


def test_the_last_lines_are_the_two_commands_that_compare_the_task_before_and_after(mixed, base):
    *_, before, after = summary(mixed).splitlines()
    assert (before.strip(), after.strip()) == mixed.comparison
    assert f"--model {base} " in before and f"--model {mixed.output} " in after


@pytest.mark.slow
@pytest.mark.integration
def test_the_commands_that_compare_the_task_run_as_they_are_printed(mixed, tmp_path):
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("text_a\tlabel\n好米饭\t1\n坏天气\t0\n", encoding="utf-8")
    for line, when in zip(mixed.comparison, ("before", "after")):
        words = shlex.split(line)
        done = subprocess.run(
            [sys.executable, "-m", "paddle_wwm", *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert words[0] == "paddle-wwm" and done.returncode == 0, done.stderr
        assert f"{when}: max (mean) of 3 seed(s)" in done.stdout


def test_epochs_keep_the_share_of_warmup_and_need_one_phase():
    small = with_steps(with_epochs(load_config("small"), num_epochs=2), num_examples=[800])
    assert (small.phases[0].num_steps, small.phases[0].num_warmup_steps) == (100, 10)
    with pytest.raises(ConfigError, match="needs a recipe with one phase"):
        with_epochs(load_config("mini"), num_epochs=2)
    fixed = dataclasses.replace(load_config("domain").phases[0], warmup_ratio=0.0, num_warmup_steps=50)
    with pytest.raises(ConfigError, match="`num_warmup_steps` must be at most the 7 steps"):
        with_steps(dataclasses.replace(load_config("domain"), phases=(fixed,)), num_examples=[50])


def test_a_dry_run_estimates_the_steps_and_writes_nothing(base, texts, tmp_path, logged):
    from paddle_wwm.pretraining.job_options import Job

    job = Job(
        config=load_config("domain", overrides=SHORT),
        corpus=tuple(texts[:1]),
        general=tuple(texts[1:]),
        vocab=None,
        init_name=str(base),
        init_layers=None,
        built_vocab_size=100,
        output=tmp_path / "run",
        prepared=tmp_path / "prepared",
        resume=False,
        overwrite=False,
        num_workers=1,
        dry_run=True,
        accept_changes=False,
    )
    logging.getLogger("paddle_wwm").setLevel(logging.INFO)
    assert run_job(job) is None
    text = "\n".join(logged)
    assert "the steps are estimated from the size of the files" in text and "num_steps: 0" not in text
    assert list(tmp_path.iterdir()) == []
