"""Names for labels: the model predicts words, and the files of a run keep the labels of the data."""

import dataclasses
import json

import pytest

from paddle_wwm.cli.flags import label_names_of
from paddle_wwm.datasets.label_names import data_labels_of, in_order, names_of_labels
from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.errors import CheckpointError, ConfigError, PaddleWWMError
from paddle_wwm.evaluation.job import EvaluationJob, evaluate
from paddle_wwm.finetuning.job import run_job, worker_command
from paddle_wwm.hub import BertHubModule
from paddle_wwm.hub.build import build_module

from .builders import job_of, result_of, write_chnsenticorp, write_model, write_questions, write_texts, write_tokens

NAMES = ("negative", "positive")


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return write_model(tmp_path_factory.mktemp("models") / "tiny", mini_vocab)


@pytest.fixture(scope="module")
def plain(tmp_path_factory, model):
    """A finished run on labels 0 and 1."""
    job = job_of(write_chnsenticorp(tmp_path_factory.mktemp("plain") / "data"), model=model)
    run_job(job)
    return job


@pytest.fixture(scope="module")
def named(tmp_path_factory, plain):
    """The same run with names for the labels."""
    job = dataclasses.replace(plain, output=tmp_path_factory.mktemp("named") / "run", label_names=list(NAMES))
    run_job(job)
    return job


def model_of(job):
    return job.output / "seed-1" / "model"


def summary_of(job):
    return (job.output / "summary.txt").read_text(encoding="utf-8")


def test_the_model_predicts_words_and_the_numbers_are_the_same(plain, named):
    assert result_of(named.output, 1) == result_of(plain.output, 1)
    texts = ["天气很好", "不是这那不是"]
    assert BertHubModule(weights=str(model_of(plain))).predict(texts) == ["1", "0"]
    assert BertHubModule(weights=str(model_of(named))).predict(texts) == ["positive", "negative"]
    config = json.loads((model_of(named) / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "negative", "1": "positive"}


def test_the_summary_asks_for_names_where_labels_are_only_numbers(plain, named):
    assert "labels 0, 1: only numbers" in summary_of(plain) and "--label-names" in summary_of(plain)
    assert "labels 0 = negative, 1 = positive" in summary_of(named) and "--label-names" not in summary_of(named)


def test_the_plan_asks_before_the_run_costs_time(plain, tmp_path, logged):
    run_job(dataclasses.replace(plain, output=tmp_path / "run", dry_run=True))
    assert any("labels 0, 1: only numbers" in line and "--label-names" in line for line in logged)


def test_the_files_of_a_run_have_the_labels_of_the_data(named):
    lines = (named.output / "seed-1" / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["label"] for line in lines} == {"0", "1"}


@pytest.mark.parametrize("own", [False, True])
def test_a_model_with_names_is_scored_on_the_numbers_of_the_data(plain, named, tmp_path, own):
    dataset = plain.dataset
    if own:
        dataset = dataset_of_flags(kind="classification", files={"test": plain.data / "test.tsv"})
    scores = []
    for number, job in enumerate((plain, named)):
        evaluation = EvaluationJob(
            dataset=dataset, data=plain.data, split="test", output=tmp_path / str(number), model=model_of(job)
        )
        scores.append(evaluate(evaluation).scores)
    predicted = [(tmp_path / str(number) / "predictions.jsonl").read_bytes() for number in range(2)]
    assert scores[0] == scores[1] and predicted[0] == predicted[1]


def test_a_model_with_names_is_scored_on_a_file_with_the_names(plain, named, tmp_path):
    rows = (
        (plain.data / "test.tsv").read_text(encoding="utf-8").replace("0\t", "negative\t").replace("1\t", "positive\t")
    )
    (tmp_path / "test.tsv").write_text(rows, encoding="utf-8")
    dataset = dataset_of_flags(kind="classification", files={"test": tmp_path / "test.tsv"})
    job = EvaluationJob(dataset=dataset, data=tmp_path, split="test", output=tmp_path / "scores", model=model_of(named))
    assert evaluate(job).scores["accuracy"] == result_of(named.output, 1)["scores"]["test"]["accuracy"]


def test_other_names_are_another_run(named):
    with pytest.raises(CheckpointError, match="label_names"):
        run_job(dataclasses.replace(named, label_names=["bad", "good"]))


def test_workers_get_the_names(named):
    command = list(worker_command(named))
    assert label_names_of(command[command.index("--label-names") + 1]) == list(NAMES)


def test_a_model_without_names_does_not_inherit_those_of_the_model_it_starts_from(plain, named, tmp_path):
    data = write_texts(tmp_path / "train.tsv", 16, seed=1)
    text = data.read_text(encoding="utf-8").replace("0\t", "x\t").replace("1\t", "y\t")
    data.write_text(text, encoding="utf-8")
    dataset = dataset_of_flags(kind="classification", files={"train": data})
    changes = {"num_epochs": 1, "max_seq_length": 24}
    job = dataclasses.replace(
        plain, dataset=dataset, model=str(model_of(named)), output=tmp_path / "run", changes=changes
    )
    run_job(job)
    config = json.loads((model_of(job) / "config.json").read_text(encoding="utf-8"))
    assert list(config["id2label"].values()) == config["finetuning_labels"] == ["x", "y"]


# ---- Packing it as a module


def test_a_module_keeps_the_words_and_one_without_words_asks_for_them(plain, named, tmp_path):
    built = build_module(name="named", output=tmp_path, checkpoint=model_of(named))
    assert built.notes == () and "2 labels: negative, positive" in (built.directory / "module.py").read_text()
    numbers = build_module(name="numbers", output=tmp_path, checkpoint=model_of(plain))
    assert "its labels are only numbers (0, 1)" in numbers.notes[0] and "--label-map" in numbers.notes[0]
    words = build_module(name="words", output=tmp_path, checkpoint=model_of(plain), label_map=["bad", 'a "good" one'])
    assert BertHubModule(weights=str(words.directory / "assets")).predict(["天气很好"]) == ['a "good" one']
    assert words.notes == ()


# ---- The rules


@pytest.mark.parametrize(
    ("labels", "given", "is_ordered", "names"),
    [
        (("0", "1"), ["bad", "good"], False, ("bad", "good")),
        (("1", "2", "10"), ["one", "two", "ten"], False, ("one", "two", "ten")),
        (("neg", "pos"), {"pos": "good", "neg": "bad"}, False, ("bad", "good")),
        (("pos", "neg"), ["good", "bad"], True, ("good", "bad")),
        (("neg", "pos"), {"pos": "good", "neg": "neg"}, False, ("neg", "good")),
    ],
)
def test_names_belong_to_labels(labels, given, is_ordered, names):
    assert names_of_labels(labels, given, is_ordered=is_ordered) == names


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ((), ["x"], "tasks with labels"),
        (("0", "1"), "bad", "must be a list"),
        (("0", "1"), 7, "must be a list"),
        (("0", "1"), ["bad"], "must have 2 names, for 0, 1, but has 1: bad"),
        (("0", "1"), ["bad", "good", "more"], "must have 2 names"),
        (("0", "1"), {"0": "bad"}, "each label of the data once, 0, 1, but names 0"),
        (("0", "1"), {"0": "bad", "1": "good", "2": "x"}, "but names 0, 1, 2"),
        (("neg", "pos"), ["bad", "good"], "must be a map here"),
        (("0", "1"), ["bad", "bad"], "a different word for each label"),
        (("0", "1"), ["bad", " "], "a different word for each label"),
        (("0", "1"), ["bad", 3], "a different word for each label"),
        (("0", "1"), ["1", "0"], "the name of another one"),
    ],
)
def test_names_that_do_not_fit_are_refused(labels, given, message):
    with pytest.raises(ConfigError, match=message):
        names_of_labels(labels, given, is_ordered=False)


def test_numbers_are_ordered_as_numbers():
    assert in_order({"10", "2", "1"}) == ("1", "2", "10") and in_order({"b", "10", "a"}) == ("10", "a", "b")


def test_labels_of_the_data_are_found_only_where_they_are_recorded():
    known = {"names": NAMES, "labels": {"0", "1"}}
    assert data_labels_of(["0", "1"], **known) == {"negative": "0", "positive": "1"}
    for recorded in (None, "01", ["0"], ["a", "b"], {"0": "1"}):
        assert data_labels_of(recorded, **known) == {}


def test_the_flag_takes_words_json_or_a_file(tmp_path):
    (tmp_path / "names.json").write_text('{"0": "bad", "1": "good"}', encoding="utf-8")
    (tmp_path / "names").write_text("坏\n好\n", encoding="utf-8")
    assert label_names_of("bad, good") == ["bad", "good"]
    assert label_names_of('["bad", "good"]') == ["bad", "good"]
    assert label_names_of(str(tmp_path / "names.json")) == {"0": "bad", "1": "good"}
    assert label_names_of(str(tmp_path / "names")) == ["坏", "好"]
    for absent in ("absent.json", "absent"):
        with pytest.raises(PaddleWWMError, match=f"{absent}: cannot be read as a label map"):
            label_names_of(str(tmp_path / absent))
    with pytest.raises(PaddleWWMError, match="not valid JSON"):
        label_names_of('{"0": ')


def test_other_kinds_of_tasks(model, tmp_path):
    tokens = dataset_of_flags(kind="token-labels", files={"train": write_tokens(tmp_path / "train.txt", 16, seed=0)})
    job = dataclasses.replace(
        job_of(tmp_path, model=model, dataset=tokens),
        output=tmp_path / "run",
        label_names={"O": "none", "B-PER": "name"},
    )
    run_job(job)
    labels = set(BertHubModule(weights=str(model_of(job))).predict(["\002".join("天气很")])[0])
    assert labels <= {"none", "name"}
    write_questions(tmp_path / "q.json", 4, seed=0)
    questions = dataset_of_flags(kind="reading-comprehension", files={"train": tmp_path / "q.json"})
    with pytest.raises(ConfigError, match="tasks with labels"):
        run_job(dataclasses.replace(job, dataset=questions, output=tmp_path / "q", label_names=["a"]))
