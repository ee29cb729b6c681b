"""Fine-tuning and evaluation in one call: their results and reports, in one process and with workers."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.errors import ConfigError
from paddle_wwm.evaluation.evaluate import evaluate
from paddle_wwm.finetuning.job import worker_command
from paddle_wwm.finetuning.recipe import FineTuneRecipe
from paddle_wwm.finetuning.results import read_results
from paddle_wwm.finetuning.run import finetune

from .builders import write_chnsenticorp, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    folder.mkdir()
    return write_model(folder, mini_vocab)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_chnsenticorp(tmp_path_factory.mktemp("run") / "data")


@pytest.fixture(scope="module")
def done(model, data, tmp_path_factory):
    """The result of two seeds in this process, and their reports."""
    reports = []
    output = tmp_path_factory.mktemp("run") / "out"
    result = finetune(
        model,
        task="chnsenticorp",
        data=data,
        output=output,
        seeds=2,
        num_epochs=2,
        batch_size=8,
        progress=reports.append,
    )
    return result, reports


def test_the_result_has_the_scores_of_all_seeds_and_the_best_model(done):
    result, _ = done
    assert [seed.seed for seed in result.seeds] == [1, 2] and result.seeds == read_results(result.output)
    values = [seed.scores["dev"]["accuracy"] for seed in result.seeds]
    score = result.scores["dev"]["accuracy"]
    assert (score.max, score.mean, score.num_seeds) == (max(values), sum(values) / 2, 2)
    assert (result.best_model / "config.json").is_file() and result.summary.is_file()


def test_every_step_of_every_seed_is_reported(done):
    _, reports = done
    for stage in ("seed 1 (1/2)", "seed 2 (2/2)"):
        steps = [report.done for report in reports if report.stage == stage]
        assert sorted(set(steps)) == list(range(17))
    assert any(report.stage == "evaluate dev" and report.done == report.total == 24 for report in reports)


@pytest.mark.slow
def test_two_workers_take_the_same_steps_and_report_them_to_the_caller(done, model, data, tmp_path, capfd):
    alone, _ = done
    reports = []
    result = finetune(
        model,
        task="chnsenticorp",
        data=data,
        output=tmp_path / "out",
        num_epochs=2,
        batch_size=8,
        num_workers=2,
        progress=reports.append,
    )
    assert result.seeds[0].num_steps == alone.seeds[0].num_steps == reports[-1].done == 16
    assert capfd.readouterr().out == ""


def test_workers_get_the_same_task_for_own_files(data, model, tmp_path):
    from paddle_wwm.cli.finetune import dataset_of
    from paddle_wwm.cli.main import parse
    from paddle_wwm.finetuning.set_up import FineTuneJob

    task = dataset_of_flags(
        name="mine",
        kind="classification",
        files={"train": data / "train.tsv", "dev": data / "dev.tsv"},
        columns={"text": "text_a", "label": 0},
        labels=("0", "1"),
    )
    job = FineTuneJob(dataset=task, data=data, model=str(model), output=tmp_path, seeds=range(3, 5), num_workers=2)
    command = worker_command(dataclasses.replace(job, changes={"num_epochs": 2, "learning_rate": 3e-5}))
    arguments = parse("finetune", command[command.index("finetune") + 1 :])
    assert dataset_of(arguments) == task
    assert (arguments.seeds, arguments.first_seed, arguments.nproc) == (2, 3, 2)
    assert (arguments.epochs, arguments.learning_rate, arguments.batch_size) == (2, 3e-5, None)


def test_warmup_ratio_is_a_flag_and_its_old_name_still_works():
    from paddle_wwm.cli.main import parse

    for flag in ("--warmup-ratio", "--warmup-share"):
        arguments = parse("finetune", ["--task", "xnli", "--data", "d", "--model", "m", "--output", "o", flag, "0.2"])
        assert arguments.warmup_ratio == 0.2


def test_every_setting_of_the_recipe_is_a_parameter():
    assert {field.name for field in dataclasses.fields(FineTuneRecipe)} <= inspect.signature(finetune).parameters.keys()


def test_a_fine_tuned_model_can_be_evaluated(done, data, tmp_path):
    result, _ = done
    evaluation = evaluate(result.best_model, task="chnsenticorp", data=data, split="dev", output=tmp_path)
    assert evaluation.scores["accuracy"] == result.scores["dev"]["accuracy"].max
    assert (tmp_path / "scores.json") in evaluation.written


@pytest.mark.parametrize("options", [{}, {"seeds": 0, "data": "."}, {"num_workers": 0, "data": "."}])
def test_wrong_arguments_are_refused(model, tmp_path, options):
    with pytest.raises(ConfigError, match="must"):
        finetune(model, task="chnsenticorp", output=tmp_path / "out", **options)
