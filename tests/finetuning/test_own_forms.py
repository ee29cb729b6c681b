"""Fine-tuning on files in the forms in which people have them: what is wrong is found before any training."""

import csv
import dataclasses
import json

import pytest

from paddle_wwm.datasets.own_files import dataset_of_flags
from paddle_wwm.errors import CheckpointError, DataError
from paddle_wwm.finetuning.job import run_job, worker_command
from paddle_wwm.hub import BertHubModule

from .builders import FILLER, GOOD, job_of, texts, write_chnsenticorp, write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return write_model(tmp_path_factory.mktemp("models") / "tiny", mini_vocab)


def run(tmp_path, model, *, kind="classification", splits=("train",), changes=None, **options):
    files = {split: tmp_path / split for split in splits}
    dataset = dataset_of_flags(kind=kind, files=files, **options)
    changes = {"num_epochs": 1, **(changes or {})}
    job = job_of(tmp_path, model=model, dataset=dataset, changes=changes)
    job = dataclasses.replace(job, output=tmp_path / "run")
    run_job(job)
    record = json.loads((job.output / "run.json").read_text(encoding="utf-8"))
    return job, record


def write_csv(path):
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = [(label, f'{text},\n"{text}"') for text, label in texts(16, seed=0)]
        csv.writer(stream).writerows([("Label", "Text"), *rows])


def write_array(path):
    records = [{"text": text, "label": label == "1"} for text, label in texts(16, seed=0)]
    path.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")


def write_pairs(path):
    records = [{"abst": text, "keyword": list(text[:3]), "label": int(label)} for text, label in texts(16, seed=0)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


@pytest.mark.parametrize(
    ("write", "labels", "columns"),
    [
        (write_csv, ["0", "1"], {}),
        (write_array, ["false", "true"], {}),
        (write_pairs, ["0", "1"], {"text": "abst", "text_pair": "keyword"}),
    ],
)
def test_texts_in_every_form_are_trained_on(tmp_path, model, write, labels, columns):
    write(tmp_path / "train")
    job, record = run(tmp_path, model, columns=columns)
    assert record["data"]["train"]["num_examples"] == 16 and record["recipe"]["labels"] == labels
    assert (job.output / "seed-1" / "model" / "config.json").exists()


@pytest.mark.parametrize("form", ["cluener", "doccano"])
def test_entities_as_parts_of_a_text_are_trained_on(tmp_path, model, form):
    rows = []
    for number in range(16):
        text = FILLER[number : number + 4] + GOOD[:2] + FILLER[:number]
        spans = {"good": {GOOD[:2]: [[4, 5]]}} if form == "cluener" else [[4, 6, "good"]]
        rows.append(json.dumps({"text": text, "label": spans}, ensure_ascii=False))
    (tmp_path / "train").write_text("\n".join(rows), encoding="utf-8")
    job, record = run(tmp_path, model, kind="token-labels", changes={"num_epochs": 8})
    assert record["recipe"]["labels"] == ["B-good", "I-good", "O"]
    predicted = BertHubModule(weights=str(job.output / "seed-1" / "model")).predict([FILLER[:4] + GOOD[:2]])
    assert list(predicted[0])[4:] == ["B-good", "I-good"]


def test_dropped_labels_are_counted_and_are_part_of_the_run(tmp_path, model):
    records = [{"text": text, "label": label} for text, label in [*texts(16, seed=0), ("好", "-"), ("坏", None)]]
    (tmp_path / "train").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    with pytest.raises(DataError, match="line 17: the label must not be '-'.*--drop-label=-"):
        run(tmp_path, model)
    assert not (tmp_path / "run").exists()
    job, record = run(tmp_path, model, drop_labels=("-", ""))
    assert record["data"]["train"]["counts"]["rows_with_a_dropped_label"] == 2
    assert record["recipe"]["drop_labels"] == ["", "-"] and record["recipe"]["labels"] == ["0", "1"]
    with pytest.raises(CheckpointError, match="drop_labels"):
        run(tmp_path, model, drop_labels=("-", "", "?"))


def test_workers_get_labels_that_look_like_flags(tmp_path, model):
    dataset = dataset_of_flags(
        kind="classification", files={"train": tmp_path / "t"}, labels=("-1", "1"), drop_labels=("-", "")
    )
    command = worker_command(job_of(tmp_path, model=model, dataset=dataset))
    assert {"--labels=-1,1", "--drop-label=-", "--drop-label="} <= set(command)
    job = job_of(write_chnsenticorp(tmp_path / "data"), model=model)
    job = dataclasses.replace(job, dataset=dataclasses.replace(job.dataset, drop_labels=("-",)))
    command = worker_command(job)
    assert "--task" in command and "--drop-label=-" in command and "--kind" not in command


def test_a_missing_dev_file_is_an_error_before_training(tmp_path, model):
    write_csv(tmp_path / "train")
    with pytest.raises(DataError, match="dev: no such file"):
        run(tmp_path, model, splits=("train", "dev"))
    assert not (tmp_path / "run").exists()


def test_entity_labels_without_a_prefix_are_found_before_training(tmp_path, model):
    (tmp_path / "train").write_text("小 PER\n红 PER\n到 O\n", encoding="utf-8")
    with pytest.raises(DataError, match="train, line 1: the label of a token must be O, or B-"):
        run(tmp_path, model, kind="token-labels")
    assert not (tmp_path / "run").exists()
