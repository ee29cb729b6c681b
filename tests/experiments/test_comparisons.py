"""The page from hand-written results: which models are compared, and which conclusions the page draws."""

import dataclasses
import shlex
import shutil
import sys

import pytest

from experiments.evidence.__main__ import parse_arguments
from experiments.evidence.commands import commands
from experiments.evidence.comparisons import (
    difference_table,
    differences,
    finetuned_table,
    masked_table,
    tasks_without_gain,
    verdict,
)
from experiments.evidence.experiment import Arm, differing_fields, model_name
from experiments.evidence.finetune import is_finetuned
from experiments.evidence.page import make_page, write_page
from experiments.evidence.settings import keep_plan, read_settings, save_settings
from paddle_wwm.errors import ConfigError, DataError
from tests.experiments.builders import config_of, write_finetuned, write_masked

WHOLE, PIECE, SCRATCH = Arm.WHOLE_WORD, Arm.PIECE, Arm.FROM_SCRATCH


@pytest.fixture
def config(tmp_path):
    config = config_of(tmp_path, num_finetuning_seeds=2, num_floor_seeds=1)
    for seed in config.seeds:
        write_finetuned(config, WHOLE, seed, [(80, 70 + seed), (82, 72 + seed)])  # test means: 72, 73, 74
        write_finetuned(config, PIECE, seed, [(80, 69 + seed), (80, 69 + seed)])  # 70, 71, 72
        write_finetuned(config, SCRATCH, seed, [(50, 50)])
        write_masked(config, WHOLE, seed, pieces=0.30 + seed / 100, words=0.2)
        write_masked(config, PIECE, seed, pieces=0.30, words=0.2 + seed / 100)
    return config


def test_a_table_has_all_fine_tuning_runs_and_the_means_of_each_pretraining_seed(config):
    rows = {(row[0], row[1]): row[2:] for row in finetuned_table(config, config.tasks[0]).rows}
    assert rows["whole words", "test"] == ("6", "75.0 (73.0)", "1.41", "72.0; 73.0; 74.0")
    assert rows["from scratch", "dev"] == ("3", "50.0 (50.0)", "0.00", "50.0; 50.0; 50.0")


def test_masked_accuracy_is_in_percent_with_every_seed(config):
    assert masked_table(config).rows[0][1] == "32.00 (31.00, 32.00, 33.00)"


def test_arms_are_compared_in_pairs_and_only_decided_differences_are_reported(config):
    found = differences(config)
    assert found["ChnSentiCorp, test, accuracy"].differences == (2.0, 2.0, 2.0)
    cells = {row[0]: row[1:4] for row in difference_table(found).rows}
    assert cells["ChnSentiCorp, test, accuracy"] == ("+2.00", "[+2.00, +2.00]", "higher")
    assert cells["masked words right, pieces hidden"] == (
        "-2.00",
        "[-4.48, +0.48]",
        "no",
    )  # -1, -2, -3: 4.303 x 1 / sqrt(3)
    text = verdict(found)
    assert (
        "Whole words are ahead (the interval excludes 0): ChnSentiCorp, dev, accuracy (+1.00); ChnSentiCorp, "
        "test, accuracy (+2.00)."
    ) in text
    assert "Pieces are ahead (the interval excludes 0): none." in text


def test_the_page_reports_a_lead_of_the_piece_arm(config):
    for seed in config.seeds:
        write_finetuned(config, WHOLE, seed, [(70, 60), (70, 60)])
    assert "Pieces are ahead (the interval excludes 0): ChnSentiCorp, dev, accuracy (-10.00)" in verdict(
        differences(config)
    )


def test_the_page_reports_a_task_without_a_lead_over_models_without_pretraining(config):
    sentence = "ChnSentiCorp: neither arm has a decided lead over models without pretraining"
    assert sentence not in make_page(config).text
    for seed in config.seeds:
        write_finetuned(
            config, SCRATCH, seed, [(80, 70 + 2 * (seed - 2))]
        )  # 68, 70, 72: whole words +4, +3, +2; pieces +2, +1, 0
    assert sentence not in make_page(config).text  # whole words have a lead
    for seed in config.seeds:
        write_finetuned(config, SCRATCH, seed, [(80, 60 + 10 * seed)])
    assert sentence in make_page(config).text
    assert tasks_without_gain(config) == {"ChnSentiCorp": "equal"}


def test_the_page_reports_arms_that_are_behind_models_without_pretraining(config):
    for seed in config.seeds:
        write_finetuned(config, SCRATCH, seed, [(90, 80 + seed)])
    assert tasks_without_gain(config) == {"ChnSentiCorp": "below"}
    text = make_page(config).text
    assert "- ChnSentiCorp: models without pretraining have a decided lead over both arms." in text
    assert (
        "On ChnSentiCorp, models without pretraining have a decided lead over both arms."
        in text.partition("## Method")[0]
    )


def test_a_model_with_unfinished_fine_tuning_is_left_out(config):
    (config.finetuning_path("chnsenticorp", PIECE, 2) / "seed-2" / "result.json").unlink()
    assert differences(config)["ChnSentiCorp, test, accuracy"].num_pairs == 2


def test_the_page_reports_progress_and_is_written_with_its_pictures(config, tmp_path):
    page = make_page(config, name="mine")
    assert "0 of 6 models are pretrained, 15 of 15 fine-tuning runs are done." in page.text
    assert "effect of pretraining itself" in page.text and "There are no follow-ups." in page.text
    written = write_page(page, tmp_path / "docs" / "mine.md")
    assert [path.name for path in written] == ["mine.md", "mine-pretraining.svg", "mine-finetuning.svg"]
    assert all(f"]({path.name})" in written[0].read_text(encoding="utf-8") for path in written[1:])
    assert written[2].read_text(encoding="utf-8").count("<use ") >= 15  # one dot per fine-tuning run
    assert make_page(config, name="mine").text == page.text


def test_the_command_on_the_page_repeats_the_experiment(config, monkeypatch):
    written = dataclasses.replace(
        config, overrides=("optimizer.weight_decay=0.1",), num_workers=1, evaluation_examples=8
    )
    monkeypatch.setattr(sys, "argv", shlex.split(commands(written).replace("\\\n", ""))[2:])
    found = parse_arguments()
    assert (tuple(found.seeds), found.finetune_seeds, found.floor_seeds) == (written.seeds, 2, 1)
    assert (found.overrides, found.nproc, found.evaluation_examples) == (["optimizer.weight_decay=0.1"], 1, 8)
    assert (
        found.chnsenticorp_length,
        found.chnsenticorp_batch,
        found.chnsenticorp_epochs,
        found.chnsenticorp_rate,
    ) == (16, 4, 1, 1e-3)


def test_the_page_of_an_experiment_without_results_claims_nothing(tmp_path):
    text = make_page(config_of(tmp_path)).text
    assert "no pair is finished." in text and "Corpus: not prepared yet." in text


def test_runs_on_different_data_are_not_compared(config):
    write_finetuned(config, PIECE, 1, [(80, 70), (80, 70)], data_sha256="other")
    with pytest.raises(DataError, match="data.train.sha256"):
        make_page(config)


def test_a_run_with_another_recipe_is_an_error(config):
    assert is_finetuned(config, config.tasks[0], PIECE, 1)
    write_finetuned(config, PIECE, 1, [(80, 70), (80, 70)], recipe={"num_epochs": 7})
    with pytest.raises(ConfigError, match="'num_epochs': 7"):
        is_finetuned(config, config.tasks[0], PIECE, 1)


def test_settings_are_unchanged_after_saving_and_reading(config):
    save_settings(config)
    assert read_settings(config.output) == config
    with pytest.raises(ConfigError, match="evidence.json: no such file"):
        read_settings(config.output / "elsewhere")


def test_a_plan_is_saved_before_the_first_run_and_never_replaced(config, tmp_path):
    plan = tmp_path / "plan.md"
    plan.write_text("Four times the steps; we expect more.\n", encoding="utf-8")
    keep_plan(config, plan)
    keep_plan(config, plan)
    follow_up_text = make_page(config, follow_ups=[config]).text
    assert "> Four times the steps; we expect more." in follow_up_text and "Outcome: 0 of 6" in follow_up_text
    assert "- Follow-up 1: " in follow_up_text and "](evidence-follow-up-1-finetuning.svg)" in follow_up_text
    plan.write_text("We knew it.", encoding="utf-8")
    with pytest.raises(ConfigError, match="another plan was saved"):
        keep_plan(config, plan)
    (config.output / "plan.md").unlink()
    (config.output / "pretrain" / model_name(WHOLE, 1)).mkdir(parents=True)
    with pytest.raises(ConfigError, match="training has already started"):
        keep_plan(config, plan)


def test_a_follow_up_on_the_models_of_another_experiment_does_not_report_their_pretraining_again(config, tmp_path):
    other = dataclasses.replace(config, output=tmp_path / "other")
    other.output.mkdir()
    (config.output / "pretrain" / model_name(WHOLE, 1)).mkdir(parents=True)
    for name in ("pretrain", "masked"):
        (other.output / name).symlink_to(config.output / name)
    plan = tmp_path / "plan.md"
    plan.write_text("Another rate.\n", encoding="utf-8")
    keep_plan(other, plan)
    shutil.copytree(config.output / "finetune", other.output / "finetune")
    assert list(differences(other)) == ["ChnSentiCorp, dev, accuracy", "ChnSentiCorp, test, accuracy"]
    page = make_page(config, follow_ups=[config, other])
    assert "- Follow-up 1: " in page.text and "Follow-up 2" not in page.text  # the first has no plan
    assert (
        "evidence-follow-up-1-finetuning.svg" in page.pictures
        and "evidence-follow-up-1-pretraining.svg" not in page.pictures
    )
    assert "ln -s $PWD/runs/evidence/" in page.text and "--follow-up runs/evidence-follow-up-1" in page.text
    (other.output / "plan.md").unlink()
    with pytest.raises(ConfigError, match="training has already started"):
        keep_plan(other, plan)


def test_the_arms_differ_only_in_the_masking(config):
    from paddle_wwm.config import to_plain

    arms = [to_plain(config.arm_config(arm, 1, vocab_size=100)) for arm in (WHOLE, PIECE)]
    assert differing_fields(*arms) == ["masking.strategy"]
    assert differing_fields({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ["a.1.b"]
