"""Files of predictions in our format and in those of the authors' scripts."""

import json

import pytest

from paddle_wwm.datasets.prediction_files import read_predictions, write_answers_for_authors, write_predictions
from paddle_wwm.datasets.table import DATASETS
from paddle_wwm.errors import DataError

PREDICTIONS = {
    "chnsenticorp": {"2": "1", "3": "0"},
    "msra_ner": {"2": ("B-PER", "I-PER", "O")},
    "cmrc2018": {"DEV_0_QUERY_0": "光荣和ω-force", "id": "1\n2", "answer": ""},
    "cjrc": {"1_1": "夫妻感情破裂", "1_3": "YES", "1_4": ""},
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_written_predictions_are_read_back(tmp_path, name):
    path = tmp_path / "dev.jsonl"
    write_predictions(path, PREDICTIONS[name], DATASETS[name])
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(PREDICTIONS[name])
    assert read_predictions(path, DATASETS[name]) == PREDICTIONS[name]


@pytest.mark.parametrize(("name", "kind"), [("cmrc2018", dict), ("cjrc", list)])
def test_the_formats_of_the_authors_are_written_and_read_back(tmp_path, name, kind):
    path = tmp_path / "answers.json"
    write_answers_for_authors(path, PREDICTIONS[name], DATASETS[name])
    assert isinstance(json.loads(path.read_text(encoding="utf-8")), kind)
    assert read_predictions(path, DATASETS[name]) == PREDICTIONS[name]


@pytest.mark.parametrize(
    "content",
    [
        '{"1": "甲", "2": "乙"}',
        '{\n"1": "甲",\n"2": "乙"\n}\n',
        '[{"id": "1", "answer": "甲"}, {"id": "2", "answer": "乙"}]',
    ],
)
def test_files_of_the_authors_may_have_one_line_or_many(tmp_path, content):
    path = tmp_path / "answers.json"
    path.write_text(content, encoding="utf-8")
    assert read_predictions(path, DATASETS["cmrc2018"]) == {"1": "甲", "2": "乙"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("chnsenticorp", "", "must contain predictions, but has none"),
        (
            "chnsenticorp",
            '{"id": "1"}',
            "line 1: .* must have the keys id and label, but has id",
        ),
        ("chnsenticorp", '{"id": "1", "label": "2"}', "line 1: the label must be one of '0', '1', but is '2'"),
        ("chnsenticorp", '{"id": "1", "label": 1}', "line 1: the label of '1' must be a text, but is '1'"),
        (
            "chnsenticorp",
            '{"id": "1", "label": "1"}\n{"id": "1", "label": "0"}',
            "line 2: ids must be unique, but '1' occurs twice",
        ),
        ("chnsenticorp", "label\ttext", "line 1: must be one JSON object"),
        ("msra_ner", '{"id": "1", "labels": "O"}', "the labels of '1' must be a list of texts"),
        ("cmrc2018", '{"1": ["甲"]}', "the answer of '1' must be a text"),
        ("cmrc2018", "[1]", "must have the keys id and answer"),
        ("cmrc2018", '"x"', "must be one JSON object|must be a JSON object"),
    ],
)
def test_the_error_for_a_bad_file_names_the_file(tmp_path, name, content, message):
    path = tmp_path / "predictions.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message) as error:
        read_predictions(path, DATASETS[name])
    assert str(error.value).startswith(str(path))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file of predictions"):
        read_predictions(tmp_path / "absent.jsonl", DATASETS["cmrc2018"])
