"""Evaluation of models with random weights, and of files of predictions: scores, written files and errors."""

import json

import paddle
import pytest

from paddle_wwm.datasets.table import find_dataset
from paddle_wwm.errors import ConfigError, DataError
from paddle_wwm.evaluation.job import EvaluationJob, evaluate, summary
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import save_model
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.tasks.model_folder import write_finetuned
from paddle_wwm.tasks.reading_comprehension import DecodingConfig
from paddle_wwm.tasks.task_table import task_class
from tests.integration.scripts import run_script

REVIEWS = [("1", "天气很好"), ("0", "不是很好"), ("1", "我们在北京"), ("0", "这有那人")]
CONTEXT = "我们在北京大学学习。天气很好，使用语言模型来预测下一个词。"
QUESTIONS = {"Q1": ("我们在北京大学有人？", "北京大学"), "Q2": ("天气？", "很好"), "Q3": ("预测？", "下一个词")}


@pytest.fixture
def folder(tmp_path):
    lines = ["label\ttext_a", *(f"{label}\t{text}" for label, text in REVIEWS)]
    (tmp_path / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "unlabelled").mkdir()
    (tmp_path / "unlabelled" / "test.tsv").write_text(
        "text_a\n" + "\n".join(text for _, text in REVIEWS) + "\n", encoding="utf-8"
    )
    qas = [
        {"id": name, "question": question, "answers": [{"text": answer, "answer_start": CONTEXT.index(answer)}]}
        for name, (question, answer) in QUESTIONS.items()
    ]
    squad = {
        "version": "",
        "data": [{"title": "", "id": "A", "paragraphs": [{"id": "A", "context": CONTEXT, "qas": qas}]}],
    }
    (tmp_path / "cmrc2018_dev.json").write_text(json.dumps(squad, ensure_ascii=False), encoding="utf-8")
    return tmp_path


def model_folder(path, *, vocab, task, labels=()):
    config = ModelConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    paddle.seed(3)
    source = path.parent / f"{path.name}-source"
    for place in (source, path):
        place.mkdir()
    save_model(source, model=BertForPretraining(config), vocab=vocab, do_lower_case=True)
    arrays = {
        name: tensor.numpy()
        for name, tensor in task_class(task)(labels=labels).make_network(config).state_dict().items()
    }
    write_finetuned(path, arrays=arrays, source=source, task=task, label_map=dict(enumerate(labels)))
    return path


def job(folder, **changes):
    values = {"dataset": find_dataset("chnsenticorp"), "data": folder, "split": "test", "output": folder / "out"}
    return EvaluationJob(**{**values, **changes})


def ids_of(folder):
    from paddle_wwm.datasets.readers.splits import read_split

    return [
        example.example_id for example in read_split(find_dataset("chnsenticorp"), data=folder, split="test").examples
    ]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def test_a_file_of_predictions_is_scored_and_missing_predictions_are_reported(folder):
    ids = ids_of(folder)
    records = [
        {"id": ids[0], "label": "1"},
        {"id": ids[1], "label": "0"},
        {"id": ids[2], "label": "0"},
        {"id": "elsewhere", "label": "1"},
    ]
    predictions = write_lines(folder / "p.jsonl", records)
    found = evaluate(job(folder, predictions=predictions))
    assert found.scores == {"accuracy": 50.0}  # 2 of 4 are right, one is wrong, one has no prediction
    assert (found.unanswered, found.unknown) == ([ids[3]], ["elsewhere"])
    record = json.loads((folder / "out" / "scores.json").read_text(encoding="utf-8"))
    assert (record["scores"], record["unanswered"], record["unknown_ids"]) == ({"accuracy": 50.0}, 1, 1)
    assert "1 without a prediction, counted as wrong" in summary(job(folder, predictions=predictions), found)


def test_predictions_of_another_split_are_refused(folder):
    predictions = write_lines(folder / "p.jsonl", [{"id": "a", "label": "1"}])
    with pytest.raises(DataError, match="none of its 1 ids is in .*test.tsv, for example 'a'; .* another split"):
        evaluate(job(folder, predictions=predictions))


def test_the_scores_of_a_model_match_those_of_its_written_predictions(folder, mini_vocab):
    model = model_folder(folder / "m", vocab=mini_vocab, task="seq-cls", labels=("0", "1"))
    first = evaluate(job(folder, model=model))
    again = evaluate(job(folder, predictions=folder / "out" / "predictions.jsonl", output=folder / "again"))
    assert first.scores == again.scores and not first.unanswered


def test_a_split_without_labels_gives_predictions_but_no_scores(folder, mini_vocab):
    model = model_folder(folder / "m", vocab=mini_vocab, task="seq-cls", labels=("0", "1"))
    found = evaluate(job(folder, model=model, data=folder / "unlabelled"))
    assert found.scores is None
    assert len((folder / "out" / "predictions.jsonl").read_text().splitlines()) == len(REVIEWS)
    assert json.loads((folder / "out" / "scores.json").read_text())["scores"] is None


def test_a_model_with_other_labels_is_refused(folder, mini_vocab):
    model = model_folder(folder / "m", vocab=mini_vocab, task="seq-cls", labels=("bad", "good"))
    with pytest.raises(DataError, match="must predict the labels of ChnSentiCorp, 0, 1, but predicts bad, good"):
        evaluate(job(folder, model=model))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "either a model or a file of predictions"),
        ({"predictions": "p", "model": "m"}, "either a model or a file of predictions"),
        ({"predictions": "p", "find_threshold": True}, "need a model for reading comprehension"),
        ({"model": "m", "decoding": DecodingConfig(num_answers=3)}, "need a model for reading comprehension"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(job(folder, **changes))


def test_an_earlier_evaluation_is_overwritten_only_with_overwrite(folder):
    predictions = write_lines(folder / "p.jsonl", [{"id": ids_of(folder)[0], "label": "1"}])
    evaluate(job(folder, predictions=predictions))
    with pytest.raises(ConfigError, match="scores.json: exists already"):
        evaluate(job(folder, predictions=predictions))
    assert evaluate(job(folder, predictions=predictions, overwrite=True)).scores == {"accuracy": 25.0}


def test_reading_comprehension_writes_n_best_answers_and_the_authors_file(folder, mini_vocab):
    model = model_folder(folder / "m", vocab=mini_vocab, task="question-answering")
    reading = {"dataset": find_dataset("cmrc2018"), "split": "dev", "model": model, "max_seq_length": 32}
    found = evaluate(job(folder, **reading, decoding=DecodingConfig(num_answers=3, max_answer_len=4)))
    assert set(found.scores) >= {"exact_match", "f1"}
    answers = json.loads((folder / "out" / "answers.json").read_text(encoding="utf-8"))
    best = json.loads((folder / "out" / "nbest.json").read_text(encoding="utf-8"))
    assert answers.keys() == best.keys() == QUESTIONS.keys()
    for name, candidates in best.items():
        assert len(candidates) == 3 and candidates[0]["text"] == answers[name]
        assert all(CONTEXT[item["start"] : item["end"]] == item["text"] for item in candidates)
        assert [item["score"] for item in candidates] == sorted((item["score"] for item in candidates), reverse=True)
    again = job(
        folder, **{**reading, "model": None}, predictions=folder / "out" / "answers.json", output=folder / "again"
    )
    assert evaluate(again).scores == found.scores


def test_the_best_threshold_scores_at_least_as_well_as_no_threshold(folder, mini_vocab):
    model = model_folder(folder / "m", vocab=mini_vocab, task="question-answering")
    reading = {"dataset": find_dataset("cmrc2018"), "split": "dev", "model": model, "max_seq_length": 32}
    plain = evaluate(job(folder, **reading, find_threshold=True))
    found = evaluate(
        job(folder, **reading, decoding=DecodingConfig(no_answer_threshold=plain.threshold), output=folder / "with")
    )
    assert found.scores["f1"] >= plain.scores["f1"]  # every question has an answer, so "no answer" cannot help
    none = evaluate(job(folder, **reading, decoding=DecodingConfig(no_answer_threshold=-1e9), output=folder / "none"))
    assert none.scores["f1"] == 0.0


@pytest.mark.integration
def test_the_script_scores_a_users_own_file(folder):
    ids = ids_of(folder)
    write_lines(folder / "p.jsonl", [{"id": number, "label": label} for number, (label, _) in zip(ids, REVIEWS)])
    flags = (
        "--kind",
        "classification",
        "--file",
        folder / "test.tsv",
        "--column",
        "text=text_a",
        "--predictions",
        folder / "p.jsonl",
    )
    done = run_script("evaluate.py", *flags, "--output", folder / "out")
    assert done.returncode == 0, done.stderr
    assert "accuracy 100.00" in done.stdout and str(folder / "out" / "scores.json") in done.stdout
    again = run_script("evaluate.py", *flags, "--output", folder / "out")
    assert again.returncode == 2 and "--overwrite" in again.stderr
