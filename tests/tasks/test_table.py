"""The table of tasks: the authors' recipes, names, and a user's own files as a task."""

import pytest

from paddle_wwm.errors import ConfigError
from paddle_wwm.tasks.metrics import METRICS
from paddle_wwm.tasks.readers import READERS, READERS_OF_KIND
from paddle_wwm.tasks.table import TASKS, find_task, learning_rate_of, task_of_flags
from paddle_wwm.tasks.types import TaskKind
from paddle_wwm.variants.scores import PUBLISHED_LEARNING_RATES, PUBLISHED_SCORES

# maximum length, batch, epochs; learning rates of BERT, ERNIE, BERT-wwm*
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
def test_the_recipe_is_the_authors(name):
    task = TASKS[name]
    rates = [task.learning_rates[family] for family in ("bert", "ernie", "bert-wwm")]
    assert (task.max_seq_length, task.batch_size, task.num_epochs, *rates) == RECIPES[name]


def test_every_task_with_published_scores_is_in_the_table_with_its_learning_rate():
    assert {task for tasks in PUBLISHED_SCORES.values() for task in tasks} == set(RECIPES)
    for model, rates in PUBLISHED_LEARNING_RATES.items():
        for name, rate in rates.items():
            assert learning_rate_of(TASKS[name], model=model)[0] == rate
    values = {name: set(METRICS[TASKS[name].metric].values) for name in RECIPES}
    for tasks in PUBLISHED_SCORES.values():
        for name, splits in tasks.items():
            assert all(set(scores.by_metric) == values[name] and split in TASKS[name].files for split, scores in splits.items())


@pytest.mark.parametrize("name", TASKS)
def test_a_row_fits_together(name):
    task = TASKS[name]
    assert task.name == name
    assert task.reader in READERS_OF_KIND[task.kind]
    assert METRICS[task.metric].kind is task.kind
    assert {"train", "dev", "test"} <= set(task.files)
    assert task.kind is TaskKind.READING_COMPREHENSION or len(task.labels) >= 2


def test_every_reader_is_of_one_kind():
    assert sorted(READERS) == sorted(reader for readers in READERS_OF_KIND.values() for reader in readers)


@pytest.mark.parametrize(
    ("model", "rate", "source"),
    [
        ("bert-base-chinese", 4e-5, "published as the best of BERT"),
        ("ernie-1.0", 8e-5, "published as the best of ERNIE"),
        ("chinese-bert-wwm", 4e-5, "published as the best of BERT-wwm and its successors"),
        ("models/chinese-roberta-wwm-ext", 4e-5, "published as the best of BERT-wwm and its successors"),
        ("rbt3", 4e-5, "BERT-wwm's, assumed: none is published for the small models"),
        ("/runs/mine", 4e-5, "BERT-wwm's, assumed: none is published for this model"),
    ],
)
def test_a_learning_rate_says_where_it_is_from(model, rate, source):
    assert learning_rate_of(TASKS["cjrc"], model=model) == (rate, source)


def test_names_are_found_as_people_write_them():
    assert find_task("BQ Corpus") is TASKS["bq_corpus"]
    assert find_task("msra-ner") is TASKS["msra_ner"]
    with pytest.raises(ConfigError, match="Did you mean 'chnsenticorp'"):
        find_task("chnsenticop")


def test_a_users_files_are_a_task_by_flags_alone(tmp_path):
    task = task_of_flags(kind="classification", files={"train": tmp_path / "a.jsonl", "dev": "b.jsonl"}, labels=("好", "坏"), learning_rate=5e-5)
    assert (task.reader, task.metric, task.labels, task.learning_rate, task.max_seq_length) == ("json-lines", "accuracy", ("好", "坏"), 5e-5, 256)
    assert task.files["train"] == (str(tmp_path / "a.jsonl"),)
    reading = task_of_flags(kind=TaskKind.READING_COMPREHENSION, files={"train": "a.json"}, metric="squad2")
    assert (reading.reader, reading.metric, reading.max_seq_length) == ("squad", "squad2", 512)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "ner"}, "--kind must be one of classification, token-labels, reading-comprehension, but is 'ner'"),
        ({"files": {}}, "at least one file"),
        ({"reader": "squad"}, "--format must be one of tsv, .* for classification, but is 'squad'"),
        ({"metric": "cmrc"}, "--metric must be one of accuracy, macro_f1 for classification, but is 'cmrc'"),
        ({"labels": ("a", "a")}, "--labels must name each label once"),
        ({"batch_size": 0}, "--batch-size must be above 0, but is 0"),
    ],
)
def test_a_flag_that_fits_nothing_is_an_error(options, message):
    with pytest.raises(ConfigError, match=message):
        task_of_flags(**{"kind": "classification", "files": {"train": "a.tsv"}, **options})
