"""Fine-tuning runs in this process, from files to results."""

import dataclasses
import json

import numpy as np
import paddle
import pytest

from paddle_wwm.datasets.readers.splits import read_split
from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.errors import CheckpointError, ConfigError, DataError, HubModuleError, PaddleWWMError
from paddle_wwm.finetuning.job import run_job
from paddle_wwm.finetuning.results import read_results, read_run
from paddle_wwm.finetuning.set_up import FineTuneJob
from paddle_wwm.model.config_keys import ANSWER_KINDS
from paddle_wwm.runs.folder import locked_output
from paddle_wwm.tasks.answer_kinds import KINDS
from paddle_wwm.tasks.examples import TaskName
from paddle_wwm.tasks.fine_tuned import load_finetuned, predict_examples

from .builders import (
    job_of,
    own_task,
    result_of,
    weights_of,
    write_chnsenticorp,
    write_model,
    write_questions,
    write_texts,
    write_tokens,
)


def run(job: FineTuneJob) -> None:
    run_job(job)


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return write_model(tmp_path_factory.mktemp("models") / "tiny", mini_vocab)


@pytest.fixture(scope="module")
def done(tmp_path_factory, model):
    """A finished run of two seeds."""
    folder = write_chnsenticorp(tmp_path_factory.mktemp("done") / "data")
    job = job_of(folder, model=model, seeds=(1, 2))
    run(job)
    return job


def test_a_run_learns_and_writes_its_results(done):
    record, results = read_run(done.output), read_results(done.output)
    assert (record.task, record.title, record.metric) == ("chnsenticorp", "ChnSentiCorp", "accuracy")
    assert [result.seed for result in results] == [1, 2]
    assert all(result.scores[split]["accuracy"] >= 90 for result in results for split in ("dev", "test"))
    assert all([place["step"] for place in result.dev_scores] == [8, 16, 24, 32] for result in results)
    assert record.data["train"]["num_examples"] == 64 and set(record.data) == {"train", "dev", "test"}
    assert not list(done.output.glob("seed-*/checkpoint"))
    values = [result.scores["dev"]["accuracy"] for result in results]
    assert f"dev    accuracy {max(values):.1f} ({sum(values) / 2:.1f}) ±" in (done.output / "summary.txt").read_text(
        encoding="utf-8"
    )
    log = [json.loads(line) for line in (done.output / "seed-1" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in log if line["kind"] == "train"] == list(range(1, 33))
    assert [line["accuracy"] for line in log if line["kind"] == "dev"] == [
        place["accuracy"] for place in results[0].dev_scores
    ]


def test_finished_seeds_stay_unchanged_when_more_seeds_are_added(done):
    before = weights_of(done.output, 1)
    times = {path: path.stat().st_mtime_ns for path in done.output.glob("seed-*/result.json")}
    run(dataclasses.replace(done, seeds=(1, 2)))
    assert {path: path.stat().st_mtime_ns for path in times} == times
    run(dataclasses.replace(done, seeds=(1, 2, 3)))
    assert [result.seed for result in read_results(done.output)] == [1, 2, 3]
    assert weights_of(done.output, 1) == before


def test_only_the_same_seed_gives_the_same_results(done, model):
    again = dataclasses.replace(done, output=done.output.parent / "again", seeds=(2,))
    run(again)
    assert result_of(again.output, 2) == result_of(done.output, 2)
    assert weights_of(again.output, 2) == weights_of(done.output, 2)
    assert weights_of(done.output, 1) != weights_of(done.output, 2)


def test_the_model_folder_gives_the_predictions_of_the_run(done):
    split = read_split(find_dataset("chnsenticorp"), data=done.data, split="test")
    model = load_finetuned(done.output / "seed-1" / "model", task=TaskName.SEQ_CLS)
    assert model.reading.max_seq_length == 24
    lines = (done.output / "seed-1" / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    assert [result.label for result in predict_examples(model, split.examples)] == [
        json.loads(line)["label"] for line in lines
    ]


def test_a_hub_module_can_use_the_model_folder(done):
    from paddle_wwm.hub import BertHubModule

    split = read_split(find_dataset("chnsenticorp"), data=done.data, split="test")
    module = BertHubModule(weights=str(done.output / "seed-1" / "model"))
    lines = (done.output / "seed-1" / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    assert module.task == "seq-cls"
    assert module.predict([example.text for example in split.examples], max_seq_len=24) == [
        json.loads(line)["label"] for line in lines
    ]


def test_a_hub_module_can_be_built_from_the_model_folder(done, tmp_path, model):
    from paddle_wwm.hub import BertHubModule
    from paddle_wwm.hub.build import build_module

    built = build_module(
        name="my-reviews", output=tmp_path, modules=tmp_path, checkpoint=done.output / "seed-1" / "model"
    )
    assert BertHubModule(weights=str(built.directory / "assets")).predict(["天气很好"]) == ["1"]


def test_paddlenlp_opens_the_model_folder_and_computes_the_same_outputs(done):
    from paddlenlp.transformers import BertForSequenceClassification

    folder = done.output / "seed-1" / "model"
    theirs = BertForSequenceClassification.from_pretrained(str(folder))
    theirs.eval()
    ours = load_finetuned(folder, task=TaskName.SEQ_CLS).network
    ours.eval()
    ids = paddle.to_tensor([[4, 40, 41, 42, 5]])
    logits = ours(ids, paddle.zeros_like(ids), ids > 0).numpy()
    np.testing.assert_allclose(logits, theirs(ids, paddle.zeros_like(ids)).numpy(), atol=1e-5)


def test_a_fine_tuned_model_can_be_trained_on_another_task_with_a_new_classifier(done, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    rows = "".join(f"{label}\t{'天气很好不是'[: 2 + number % 4]}\n" for number in range(4) for label in "abc")
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("label\ttext\n" + rows, encoding="utf-8")
    task = own_task("classification", folder)
    run(job_of(folder, model=done.output / "seed-1", dataset=task, changes={"num_epochs": 1}))
    config = json.loads((tmp_path / "run" / "seed-1" / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "a", "1": "b", "2": "c"}


def test_a_run_learns_token_labels(tmp_path, model):
    folder = tmp_path / "data"
    folder.mkdir()
    for number, split in enumerate(("train", "dev", "test")):
        write_tokens(folder / f"{split}.txt", 48, seed=number)
    task = own_task("token-labels", folder)
    run(job_of(folder, model=model, dataset=task, changes={"max_seq_length": 12}))
    [result] = read_results(tmp_path / "run")
    assert result.scores["test"]["f1"] > 90
    assert read_run(tmp_path / "run").data["train"]["counts"]["texts_in_windows"] > 0


def test_a_run_learns_answers_in_passages_with_several_windows(tmp_path, model):
    folder = tmp_path / "data"
    folder.mkdir()
    for number, split in enumerate(("train", "dev", "test")):
        write_questions(folder / f"{split}.json", 48, seed=number)
    task = own_task("reading-comprehension", folder)
    changes = {"max_seq_length": 32, "doc_stride": 8, "num_epochs": 3}
    run(job_of(folder, model=model, dataset=task, changes=changes))
    [result] = read_results(tmp_path / "run")
    assert result.scores["dev"]["exact_match"] > 80
    assert read_run(tmp_path / "run").data["train"]["counts"]["rows"] > 48
    assert read_run(tmp_path / "run").recipe["kinds_of_answers"] is False


def test_a_run_learns_yes_no_and_unanswerable_questions_and_a_hub_module_answers_them(tmp_path, model):
    from paddle_wwm.hub import BertHubModule
    from paddle_wwm.hub.build import build_module

    folder = tmp_path / "data"
    folder.mkdir()
    for number, name in enumerate(("train_data.json", "dev_data.json")):
        write_questions(folder / name, 80, seed=number, with_kinds=True)
    task = find_dataset("cjrc")
    changes = {"max_seq_length": 32, "doc_stride": 8, "num_epochs": 8, "learning_rate": 5e-3}
    run(job_of(folder, model=model, dataset=task, changes=changes))
    [result] = read_results(tmp_path / "run")
    assert result.scores["dev"]["f1"] > 90
    lines = (tmp_path / "run" / "seed-1" / "predictions" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    predicted = [json.loads(line)["answer"] for line in lines]
    assert {"YES", "NO", ""} <= set(predicted)
    module = BertHubModule(weights=str(tmp_path / "run" / "seed-1" / "model"))
    split = read_split(task, data=folder, split="dev")
    data = [{"question": example.question, "context": example.context} for example in split.examples]
    found = module.predict(data, max_seq_len=32, doc_stride=8)
    assert [one["text"] for one in found] == predicted
    assert {one["kind"] for one in found} == set(ANSWER_KINDS)
    assert tuple(kind.value for kind in KINDS) == ANSWER_KINDS
    built = build_module(
        name="my-judge", output=tmp_path / "dist", modules=tmp_path, checkpoint=tmp_path / "run" / "seed-1" / "model"
    )
    assert BertHubModule(weights=str(built.directory / "assets")).predict(data, max_seq_len=32, doc_stride=8) == found
    with pytest.raises(HubModuleError, match="`labels` of question-answering must have 3 columns"):
        module.training_step(
            [paddle.to_tensor([[4, 40, 5]]), paddle.to_tensor([[0, 0, 0]]), paddle.to_tensor([[1, 1]])], 0
        )


def test_a_test_split_without_labels_is_predicted_and_not_scored(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data", train=16, dev=8)
    write_texts(folder / "test.tsv", 8, seed=5, with_labels=False)
    run(job_of(folder, model=model, changes={"num_epochs": 1}))
    [result] = read_results(tmp_path / "run")
    assert set(result.scores) == {"dev"}
    assert (
        len((tmp_path / "run" / "seed-1" / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()) == 8
    )


def test_without_dev_the_last_checkpoint_is_used(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data", train=16)
    (folder / "dev.tsv").unlink()
    run(job_of(folder, model=model, changes={"num_epochs": 2}))
    [result] = read_results(tmp_path / "run")
    assert (result.best_step, result.num_steps, set(result.scores), list(result.dev_scores)) == (4, 4, {"test"}, [])


def test_patience_stops_a_seed_early_and_the_best_checkpoint_is_kept(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data", train=32)
    # the learning rate is far too high, so the score soon stops improving
    run(
        job_of(
            folder,
            model=model,
            changes={"num_epochs": 20, "learning_rate": 3.0, "evaluate_every_steps": 2, "patience": 2},
        )
    )
    [result] = read_results(tmp_path / "run")
    scores = [place["accuracy"] for place in result.dev_scores]
    assert result.num_steps < 80 and len(scores) >= 3
    assert result.scores["dev"]["accuracy"] == max(scores)
    assert result.best_step == result.dev_scores[scores.index(max(scores))]["step"] == result.num_steps - 4


def test_a_run_with_products_of_bfloat16_numbers_learns_and_is_another_run(
    tmp_path, model, done, bf16_on_any_processor
):
    folder = write_chnsenticorp(tmp_path / "data")
    run(job_of(folder, model=model, changes={"precision": "bf16"}))
    [result] = read_results(tmp_path / "run")
    assert result.scores["dev"]["accuracy"] > 0.9
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["recipe"]["precision"] == "bf16"
    with pytest.raises(CheckpointError, match="precision"):
        run(job_of(folder, model=model))


def test_a_run_can_keep_no_models(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data", train=8)
    run(job_of(folder, model=model, keep_models=False, changes={"num_epochs": 1}))
    assert sorted(path.name for path in (tmp_path / "run" / "seed-1").iterdir()) == [
        "log.jsonl",
        "predictions",
        "result.json",
    ]


def test_a_dry_run_writes_nothing(tmp_path, model, logged):
    folder = write_chnsenticorp(tmp_path / "data")
    run(job_of(folder, model=model, dry_run=True))
    assert not (tmp_path / "run").exists()
    out = "\n".join(logged)
    assert "train  64 examples" in out and "4 epochs x 8 steps of 8" in out and "[CLS]" in out


def test_the_sequence_length_is_reduced_to_the_positions_of_the_model_and_that_is_logged(tmp_path, model, logged):
    folder = write_chnsenticorp(tmp_path / "data")
    job = job_of(folder, model=model, dry_run=True)
    run(
        dataclasses.replace(
            job, changes={name: value for name, value in job.changes.items() if name != "max_seq_length"}
        )
    )
    assert "at most 48 tokens (the number of positions of the model" in "\n".join(logged)


def test_limit_train_is_applied_and_recorded(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data")
    run(job_of(folder, model=model, changes={"limit_train": 16, "num_epochs": 1}))
    record = read_run(tmp_path / "run")
    assert (record.data["train"]["num_examples"], record.recipe["limit_train"]) == (16, 16)
    assert read_results(tmp_path / "run")[0].num_steps == 2


REFUSALS = [
    ({"changes": {"max_seq_length": 64}}, ConfigError, "--max-seq-length must be at most 48"),
    ({"changes": {"batch_size": 0}}, ConfigError, "`batch_size` must be at least 1"),
    ({"changes": {"layer_decay": 1.5}}, ConfigError, "`layer_decay` must be above 0 and at most 1"),
    ({"changes": {"learning_rate": float("nan")}}, ConfigError, "`learning_rate` must be above 0"),
    ({"model": "no-such-model-here"}, PaddleWWMError, "no-such-model-here"),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSALS, ids=[message for *_, message in REFUSALS])
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, model, options, error, message):
    folder = write_chnsenticorp(tmp_path / "data")
    with pytest.raises(error, match=message):
        run(job_of(folder, **{"model": model, **options}))
    assert not (tmp_path / "run").exists()


def test_a_vocabulary_of_another_model_is_refused(tmp_path, mini_vocab):
    folder, other = write_chnsenticorp(tmp_path / "data"), write_model(tmp_path / "other", mini_vocab)
    lines = (other / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (other / "vocab.txt").write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="another model's vocabulary"):
        run(job_of(folder, model=other))


def test_the_error_for_weights_in_another_format_names_the_command_that_converts_them(tmp_path):
    folder = write_chnsenticorp(tmp_path / "data")
    (tmp_path / "hf").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "hf" / name).write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="paddle-wwm convert"):
        run(job_of(folder, model=tmp_path / "hf"))


def test_a_training_split_without_labels_is_refused(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data")
    write_texts(folder / "train.tsv", 4, seed=0, with_labels=False)
    with pytest.raises(DataError, match="train.tsv"):
        run(job_of(folder, model=model))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data", "the data of train differ"),
        ("recipe", "`batch_size` was 8 and is 4"),
        ("rate", "learning_rate was"),
        ("model", "the model's sha256"),
    ],
)
def test_the_error_for_a_folder_with_another_run_lists_the_differences(done, tmp_path, mini_vocab, change, message):
    job = done
    if change == "data":
        job = dataclasses.replace(job, data=write_chnsenticorp(tmp_path / "data", train=60))
    elif change == "recipe":
        job = dataclasses.replace(job, changes={**job.changes, "batch_size": 4})
    elif change == "rate":
        job = dataclasses.replace(job, changes={**job.changes, "learning_rate": 1e-3})
    else:
        job = dataclasses.replace(job, model=str(write_model(tmp_path / "other", mini_vocab, hidden_size=16)))
    with pytest.raises(CheckpointError, match=message):
        run(job)


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ConfigError, match="not empty and holds no run"):
        run(job_of(folder, model=model))
    assert (tmp_path / "run" / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_overwrite_discards_the_previous_run(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data", train=8)
    run(job_of(folder, model=model, seeds=(1, 2), changes={"num_epochs": 1}))
    run(job_of(folder, model=model, overwrite=True, changes={"num_epochs": 2}))
    assert [(result.seed, result.num_steps) for result in read_results(tmp_path / "run")] == [(1, 2)]


def test_a_model_that_was_fine_tuned_for_another_task_or_not_at_all_is_refused(done, model):
    with pytest.raises(CheckpointError, match="must be a model for token-cls, but was fine-tuned for seq-cls"):
        load_finetuned(done.output / "seed-1" / "model", task=TaskName.TOKEN_CLS)
    with pytest.raises(CheckpointError, match="was not fine-tuned"):
        load_finetuned(model, task=TaskName.SEQ_CLS)


def test_a_second_process_in_the_same_output_is_refused(done):
    with locked_output(done.output), pytest.raises(ConfigError, match="another process is working"):
        run(done)


def test_a_run_of_version_0_1_with_the_old_name_of_warmup_ratio_can_be_continued(tmp_path, model):
    folder = write_chnsenticorp(tmp_path / "data", train=8)
    job = job_of(folder, model=model, changes={"num_epochs": 1, "warmup_ratio": 0.2})
    run(job)
    path = job.output / "run.json"
    path.write_text(path.read_text(encoding="utf-8").replace("warmup_ratio", "warmup_share"), encoding="utf-8")
    assert read_run(job.output).recipe["warmup_ratio"] == 0.2
    run(dataclasses.replace(job, seeds=(1, 2)))
    assert [result.seed for result in read_results(job.output)] == [1, 2]
    with pytest.raises(CheckpointError, match=r"`warmup_ratio` was 0\.2 and is 0\.1"):
        run(dataclasses.replace(job, changes={"num_epochs": 1}))
