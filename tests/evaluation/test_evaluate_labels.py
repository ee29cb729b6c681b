"""Evaluation of models and predictions whose labels are other words than those of the data."""

import json
import shutil

import pytest

from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.evaluation.job import EvaluationJob, evaluate
from tests.integration.scripts import run_script

from .test_evaluate import model_folder

TEXTS = ["天气很好", "不是很好", "我们在北京", "这有那人"]
WORDS = ("neg", "pos", "pos", "neg")


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return model_folder(tmp_path_factory.mktemp("model") / "m", vocab=mini_vocab, task="seq-cls", labels=("0", "1"))


def write(path, labels, *, texts=TEXTS):
    records = ({"text": text, "label": label} for text, label in zip(texts, labels))
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def job(tmp_path, in_file, **changes):
    dataset = dataset_of_flags(kind="classification", files={"test": write(tmp_path / "test.jsonl", in_file)})
    values = {"dataset": dataset, "data": tmp_path, "split": "test", "output": tmp_path / "out"}
    return EvaluationJob(**{**values, **changes})


def score_of(tmp_path, in_file, **changes):
    found = evaluate(job(tmp_path, in_file, overwrite=True, **changes))
    lines = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return found.scores["accuracy"], [json.loads(line)["label"] for line in lines]


def test_labels_that_the_model_does_not_predict_are_refused_with_both_sets(tmp_path, model):
    with pytest.raises(DataError, match="test.jsonl, neg, pos, but predicts 0, 1.* --labels"):
        evaluate(job(tmp_path, WORDS, model=model))
    with pytest.raises(DataError, match="test.jsonl, 0, 1, 2, but predicts 0, 1.*--drop-label"):
        evaluate(job(tmp_path, "0112", model=model))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "given", "same"),
    [
        (WORDS, ["neg", "pos"], "0110"),
        (WORDS, {"neg": "0", "pos": "1"}, "0110"),
        (WORDS, {"neg": "1", "pos": "0"}, "1001"),
        ("1001", {"1": "0", "0": "1"}, "0110"),
        ((-1, 1, 1, -1), ["-1", "1"], "0110"),
    ],
)
def test_given_labels_are_mapped_to_those_of_the_model(tmp_path, model, labels, given, same):
    accuracy, predicted = score_of(tmp_path, labels, model=model, labels=given)
    assert accuracy == score_of(tmp_path, same, model=model)[0]
    assert set(predicted) <= {str(label) for label in labels}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["neg"], "--labels must have 2 names, for 0, 1, but has 1"),
        (["1", "0"], "must not give a label the name of another one"),
        ({"neg": "0"}, "to each label that the model predicts, 0, 1, but gives neg = 0"),
        ({"neg": "0", "pos": "0"}, "to each label that the model predicts"),
        ({"neg": "0", "pos": "2"}, "to each label that the model predicts"),
    ],
)
def test_given_labels_that_do_not_fit_are_refused(tmp_path, model, given, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(job(tmp_path, WORDS, model=model, labels=given))


def test_a_label_outside_of_the_given_ones_is_found_with_its_line(tmp_path, model):
    with pytest.raises(DataError, match="test.jsonl, line 4: the label must be one of 'neg', 'pos', but is 'other'"):
        evaluate(job(tmp_path, ("neg", "pos", "pos", "other"), model=model, labels=["neg", "pos"]))


def test_labels_of_a_task_from_the_table_are_mapped(tmp_path, mini_vocab):
    words = model_folder(tmp_path / "w", vocab=mini_vocab, task="seq-cls", labels=("bad", "good"))
    rows = "".join(f"{label}\t{text}\n" for label, text in zip("0110", TEXTS))
    (tmp_path / "test.tsv").write_text(f"label\ttext_a\n{rows}", encoding="utf-8")
    chnsenticorp = {"dataset": find_dataset("chnsenticorp"), "model": words}
    assert evaluate(job(tmp_path, WORDS, **chnsenticorp, labels=["0", "1"])).scores is not None
    with pytest.raises(ConfigError, match="the labels of ChnSentiCorp, 0, 1, but has a, b"):
        evaluate(job(tmp_path, WORDS, **chnsenticorp, labels=["a", "b"], overwrite=True))


def test_given_labels_must_have_the_order_of_those_in_training(tmp_path, model):
    folder = tmp_path / "named"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"id2label": {"0": "bad", "1": "good"}, "finetuning_labels": ["0", "1"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    expected = score_of(tmp_path, "0110", model=folder)
    assert expected == score_of(tmp_path, "0110", model=folder, labels=["0", "1"])
    with pytest.raises(ConfigError, match="--labels must be 0,1, the order in which .* but is 1,0; .* give a map"):
        evaluate(job(tmp_path, "0110", model=folder, labels=["1", "0"], overwrite=True))
    with pytest.raises(DataError, match=r"neg, pos, but predicts bad, good \(written 0, 1 in its training data\)"):
        evaluate(job(tmp_path, WORDS, model=folder, overwrite=True))


def test_minus_one_is_a_class_if_the_model_predicts_it(tmp_path, mini_vocab):
    signs = model_folder(tmp_path / "s", vocab=mini_vocab, task="seq-cls", labels=("-1", "0", "1"))
    assert evaluate(job(tmp_path, (-1, 0, 1, -1), model=signs)).scores is not None


def test_predictions_with_other_words_are_mapped(tmp_path):
    predictions = tmp_path / "p.jsonl"
    records = ({"id": str(number + 1), "label": label} for number, label in enumerate("0111"))
    predictions.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(DataError, match="must be one of 'neg', 'pos', but is '0'"):
        evaluate(job(tmp_path, WORDS, predictions=predictions))
    found = evaluate(job(tmp_path, WORDS, predictions=predictions, labels={"neg": "0", "pos": "1"}))
    assert found.scores == {"accuracy": 75.0}
    named = evaluate(job(tmp_path, "0110", predictions=predictions, labels=["0", "1", "2"], overwrite=True))
    assert named.scores == {"accuracy": 75.0}


@pytest.mark.integration
def test_the_command_maps_and_drops_labels(tmp_path, model):
    path = write(tmp_path / "test.json", ("neg", "pos", "-", "neg"))
    flags = ("--kind", "classification", "--file", path, "--model", model, "--output", tmp_path / "out")
    done = run_script("evaluate.py", *flags, "--labels", "neg,pos")
    assert done.returncode == 2 and "'3' has no label and others have one" in done.stderr
    done = run_script("evaluate.py", *flags, "--labels", "neg,pos", "--drop-label", "-")
    assert done.returncode == 0, done.stderr
    assert "3 examples" in done.stdout and "1 rows with a dropped label" in done.stdout
    done = run_script("evaluate.py", *flags[:2], "--file", tmp_path / "absent.csv", *flags[4:], "--overwrite")
    assert done.returncode == 2 and "absent.csv: no such file" in done.stderr
