"""The table of data sets: the authors' recipes, the names, and data sets from a user's own files."""

import json
import subprocess
import sys

import pytest

from paddle_wwm.datasets.metrics.scores import METRICS
from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.datasets.readers.splits import READERS, READERS_OF_KIND
from paddle_wwm.datasets.table import DATASETS, find_dataset, learning_rate_of
from paddle_wwm.errors import ConfigError
from paddle_wwm.tasks.examples import TaskName
from paddle_wwm.variants.scores import PUBLISHED_SCORES

# maximum length, batch size, epochs; learning rates for BERT, ERNIE, BERT-wwm
RECIPES = {
    "cmrc2018": (512, 64, 2, 3e-5, 8e-5, 3e-5),
    "drcd": (512, 64, 2, 3e-5, 8e-5, 3e-5),
    "cjrc": (512, 64, 2, 4e-5, 8e-5, 4e-5),
    "xnli": (128, 64, 2, 3e-5, 5e-5, 3e-5),
    "chnsenticorp": (256, 64, 3, 2e-5, 5e-5, 2e-5),
    "lcqmc": (128, 64, 3, 2e-5, 3e-5, 2e-5),
    "bq_corpus": (128, 64, 3, 3e-5, 5e-5, 3e-5),
    "thucnews": (512, 64, 3, 2e-5, 5e-5, 2e-5),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_match_those_of_the_authors(name):
    task = DATASETS[name]
    rates = [task.learning_rates[family] for family in ("bert", "ernie", "bert-wwm")]
    assert (task.max_seq_length, task.batch_size, task.num_epochs, *rates) == RECIPES[name]


def test_every_task_with_published_scores_is_in_the_table():
    assert {task for tasks in PUBLISHED_SCORES.values() for task in tasks} == set(RECIPES)
    values = {name: set(METRICS[DATASETS[name].metric].values) for name in RECIPES}
    for tasks in PUBLISHED_SCORES.values():
        for name, splits in tasks.items():
            assert all(
                set(scores.by_metric) == values[name] and split in DATASETS[name].files
                for split, scores in splits.items()
            )


@pytest.mark.parametrize("name", DATASETS)
def test_every_row_of_the_table_is_consistent(name):
    task = DATASETS[name]
    assert task.name == name
    assert task.reader in READERS_OF_KIND[task.task]
    assert METRICS[task.metric].task is task.task
    assert {"train", "dev", "test"} <= set(task.files)
    assert task.task is TaskName.QUESTION_ANSWERING or len(task.labels) >= 2


def test_every_reader_belongs_to_one_kind():
    assert sorted(READERS) == sorted(reader for readers in READERS_OF_KIND.values() for reader in readers)


@pytest.mark.parametrize(
    ("model", "rate", "source"),
    [
        ("bert-base-chinese", 4e-5, "published as the best for BERT"),
        ("ernie-1.0", 8e-5, "published as the best for ERNIE"),
        ("chinese-bert-wwm", 4e-5, "published as the best for BERT-wwm and its successors"),
        ("models/chinese-roberta-wwm-ext", 4e-5, "published as the best for BERT-wwm and its successors"),
        ("rbt3", 4e-5, "that of BERT-wwm; no published value for the small models"),
        ("/runs/mine", 4e-5, "that of BERT-wwm; no published value for this model"),
    ],
)
def test_a_learning_rate_has_a_source(model, rate, source):
    assert learning_rate_of(DATASETS["cjrc"], model=model) == (rate, source)


def test_names_are_found_in_any_case_and_with_hyphens_or_spaces():
    assert find_dataset("BQ Corpus") is DATASETS["bq_corpus"]
    assert find_dataset("msra-ner") is DATASETS["msra_ner"]
    with pytest.raises(ConfigError, match="Did you mean 'chnsenticorp'"):
        find_dataset("chnsenticop")


def test_flags_make_a_task_from_a_users_own_files(tmp_path):
    task = dataset_of_flags(
        kind="classification",
        files={"train": tmp_path / "a.jsonl", "dev": "b.jsonl"},
        labels=("好", "坏"),
        learning_rate=5e-5,
    )
    assert (task.reader, task.metric, task.labels, task.learning_rate, task.max_seq_length) == (
        "texts-by-content",
        "accuracy",
        ("好", "坏"),
        5e-5,
        256,
    )
    assert task.files["train"] == (str(tmp_path / "a.jsonl"),)
    reading = dataset_of_flags(kind=TaskName.QUESTION_ANSWERING, files={"train": "a.json"}, metric="squad2")
    assert (reading.reader, reading.metric, reading.max_seq_length) == ("squad", "squad2", 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "ner"}, "--kind must be one of classification, token-labels, reading-comprehension, but is 'ner'"),
        ({"files": {}}, "at least one file"),
        ({"reader": "squad"}, "--format must be one of tsv, .* for classification, but is 'squad'"),
        ({"metric": "cmrc"}, "--metric must be one of accuracy, macro_f1 for classification, but is 'cmrc'"),
        ({"labels": ("a", "a")}, "--labels must name each label once"),
        ({"labels": ("a", "b"), "drop_labels": ("a",)}, "--drop-label must not name a label of the task, but names a"),
        ({"kind": "token-labels", "drop_labels": ("O",)}, "--drop-label is for classification"),
        ({"batch_size": 0}, "--batch-size must be above 0, but is 0"),
    ],
)
def test_a_flag_with_a_wrong_value_is_an_error(options, message):
    with pytest.raises(ConfigError, match=message):
        dataset_of_flags(**{"kind": "classification", "files": {"train": "a.tsv"}, **options})


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "paddle_wwm.tasks", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.integration
def test_the_table_is_printed_as_text_and_as_json():
    lines = run().stdout.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| ")] == ["name", *DATASETS]
    assert {row["name"]: row["max_seq_length"] for row in json.loads(run("--json").stdout)} == {
        task.name: task.max_seq_length for task in DATASETS.values()
    }


@pytest.mark.integration
def test_the_files_of_a_task_are_read_and_counted(tmp_path):
    (tmp_path / "train.tsv").write_text("label\ttext_a\n1\t好\n0\t坏\n", encoding="utf-8")
    (tmp_path / "test.tsv").write_text("text_a\n好\n\n", encoding="utf-8")
    result = run("chnsenticorp", "--data", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"2 examples of {tmp_path / 'train.tsv'}\n" in result.stdout
    assert f"1 examples of {tmp_path / 'test.tsv'}, no labels: 1 blank lines\n" in result.stdout
    [row] = json.loads(run("chnsenticorp", "--data", tmp_path, "--json").stdout)
    assert row["found"]["test"]["counts"] == {"blank_lines": 1}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("chnsent",), "Did you mean 'chnsenticorp'?"), (("drcd", "--data", "."), "must contain DRCD_training.json")],
)
def test_a_wrong_name_or_folder_prints_one_line(arguments, message):
    result = run(*arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert message in result.stderr


@pytest.mark.integration
def test_reading_and_scoring_do_not_import_paddle():
    modules = "import sys, paddle_wwm.datasets.table, paddle_wwm.datasets.prediction_files"
    code = f"{modules}; print([name for name in ('paddle', 'seqeval', 'numba') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
