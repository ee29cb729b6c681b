"""The public parts of CMRC 2018 are split by passage."""

import json

import pytest

from experiments.evidence.cmrc import SHARES, part_of, texts_of, write_parts
from paddle_wwm.errors import DataError
from tests.experiments.builders import squad_file

GOLDEN = ["test", "train", "train", "train", "test", "train"]  # the parts of the first passages
CONTEXTS = [f"第{number}段讲的是天气。" for number in range(60)]


@pytest.fixture
def source(tmp_path):
    squad_file(tmp_path / "cmrc2018_trial.json", ["试用的一段话。", CONTEXTS[0]])
    squad_file(tmp_path / "cmrc2018_dev.json", CONTEXTS)
    return tmp_path


def contexts_of(path):
    return [
        paragraph["context"]
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
    ]


def test_no_passage_is_in_two_parts_and_none_is_lost(source):
    counts = write_parts(source, output=source / "out")
    parts = {part: contexts_of(source / "out" / f"cmrc2018_{part}.json") for part in SHARES}
    assert counts == {part: 2 * len(contexts) for part, contexts in parts.items()}
    assert sorted({*parts["train"], *parts["dev"], *parts["test"]}) == sorted({"试用的一段话。", *CONTEXTS})
    assert (
        not set(parts["train"]) & set(parts["dev"])
        and not set(parts["train"]) & set(parts["test"])
        and not set(parts["dev"]) & set(parts["test"])
    )


def test_a_passage_in_trial_and_dev_is_in_the_training_part(source):
    write_parts(source, output=source / "out")
    assert contexts_of(source / "out" / "cmrc2018_train.json").count(CONTEXTS[0]) == 2


def test_parts_depend_only_on_the_passages(source):
    write_parts(source, output=source / "one")
    squad_file(source / "cmrc2018_dev.json", CONTEXTS[::-1])
    write_parts(source, output=source / "other")
    for part in SHARES:
        one, other = (contexts_of(source / name / f"cmrc2018_{part}.json") for name in ("one", "other"))
        assert sorted(one) == sorted(other)


@pytest.mark.golden
def test_the_parts_of_known_passages_do_not_change():
    assert [part_of(context) for context in CONTEXTS[:6]] == GOLDEN


def test_passages_and_questions_are_excluded_from_corpora(source):
    assert {"试用的一段话。", "第1个问题？", CONTEXTS[59]} <= set(texts_of(source))


def test_a_file_in_another_format_and_too_few_passages_are_errors(source):
    squad_file(source / "cmrc2018_dev.json", CONTEXTS[:1])
    with pytest.raises(DataError, match="too few passages"):
        write_parts(source, output=source / "out")
    (source / "cmrc2018_dev.json").write_text('{"data": [{"paragraphs": [{}]}]}')
    with pytest.raises(DataError, match="cmrc2018_dev.json: not in SQuAD format"):
        write_parts(source, output=source / "out")
    (source / "cmrc2018_dev.json").unlink()
    with pytest.raises(DataError, match="cmrc2018_dev.json: no such file"):
        write_parts(source, output=source / "out")


@pytest.mark.data
def test_the_published_files_are_split_into_these_numbers(shared_data, tmp_path):
    assert write_parts(shared_data / "tasks" / "cmrc2018", output=tmp_path) == {"train": 2579, "dev": 552, "test": 1090}
