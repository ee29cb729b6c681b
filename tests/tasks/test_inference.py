"""The network's outputs for rows, and models that predict."""

import json

import numpy as np
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.model.finetuned import read_description, write_finetuned
from paddle_wwm.tasks.network import inference
from paddle_wwm.tasks.network.features import Features, Reading, features_of
from paddle_wwm.tasks.network.heads import TASK_NAMES, label_map_of_reading, make_network, output_size
from paddle_wwm.tasks.network.inference import (
    READING_KEY,
    check_vocabulary,
    compute_outputs,
    load_finetuned,
    predict_examples,
)
from paddle_wwm.tasks.types import QuestionExample, TaskKind, TextExample, TokenExample

from ..finetuning.builders import texts, write_model

READINGS = [
    Reading(kind=TaskKind.CLASSIFICATION, labels=("a", "b", "c"), max_seq_length=12),
    Reading(kind=TaskKind.TOKEN_LABELS, labels=("O", "B-PER"), max_seq_length=12),
    Reading(kind=TaskKind.READING_COMPREHENSION, max_seq_length=14, doc_stride=4),
    Reading(kind=TaskKind.READING_COMPREHENSION, with_kinds=True, max_seq_length=14, doc_stride=4),
]
NAMES = ["classification", "token labels", "answers", "answers and kinds"]


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return write_model(tmp_path_factory.mktemp("models") / "tiny", mini_vocab)


def examples_of(kind):
    found = [text for text, _ in texts(12, seed=3)]
    if kind is TaskKind.CLASSIFICATION:
        return [
            TextExample(example_id=str(number), text=text, text_pair="天气" if number % 2 else None)
            for number, text in enumerate(found)
        ]
    if kind is TaskKind.TOKEN_LABELS:
        return [TokenExample(example_id=str(number), tokens=(*text, " ")) for number, text in enumerate(found)]
    return [QuestionExample(example_id=str(number), question="学习", context=text) for number, text in enumerate(found)]


def fine_tuned(folder, *, model, reading):
    """A model folder with a classifier as it was drawn."""
    network = make_network(read_description(model).config, reading=reading)
    folder.mkdir()
    write_finetuned(
        folder,
        arrays={name: tensor.numpy() for name, tensor in network.state_dict().items()},
        source=model,
        task=TASK_NAMES[reading.kind],
        label_map=label_map_of_reading(reading),
        notes={READING_KEY: {"max_seq_length": reading.max_seq_length, "doc_stride": reading.doc_stride}},
    )
    return folder


@pytest.mark.parametrize("reading", READINGS, ids=NAMES)
def test_every_row_has_its_output_whatever_else_is_in_its_batch(model, reading, monkeypatch):
    config = read_description(model).config
    tokenizer, network = check_vocabulary(model, config), make_network(config, reading=reading)
    features = features_of(examples_of(reading.kind), reading=reading, tokenizer=tokenizer, with_labels=False)
    together = compute_outputs(network, features, reading=reading, pad_id=tokenizer.vocab.pad_id)
    assert [output.shape for output in together] == [output_size(row, reading=reading) for row in features.rows]
    monkeypatch.setattr(inference, "MAX_ROWS", 1)
    alone = compute_outputs(network, features, reading=reading, pad_id=tokenizer.vocab.pad_id)
    for one, other in zip(together, alone):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("reading", READINGS, ids=NAMES)
def test_a_model_folder_says_how_examples_are_read_and_predicts_each(model, reading, tmp_path):
    loaded = load_finetuned(fine_tuned(tmp_path / "model", model=model, reading=reading), kind=reading.kind)
    assert loaded.reading == reading
    examples = examples_of(reading.kind)
    predictions = predict_examples(loaded, examples)
    assert list(predictions) == [example.example_id for example in examples]
    for example, predicted in zip(examples, predictions.values()):
        if reading.kind is TaskKind.CLASSIFICATION:
            assert predicted in reading.labels
        elif reading.kind is TaskKind.TOKEN_LABELS:
            assert (
                len(predicted) == len(example.tokens) and set(predicted) <= set(reading.labels) and predicted[-1] == "O"
            )
        else:
            assert predicted in example.context or (reading.with_kinds and predicted in ("YES", "NO", ""))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_seq_length": 49}, "`max_seq_length` must be a number from 8 to the model's 48 positions"),
        ({"max_seq_length": "24"}, "`max_seq_length` must be"),
        ({"stride": 3}, "`stride` must be"),
    ],
)
def test_what_config_json_says_of_reading_is_checked(model, tmp_path, values, message):
    folder = fine_tuned(tmp_path / "model", model=model, reading=READINGS[0])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, READING_KEY: values}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        load_finetuned(folder, kind=TaskKind.CLASSIFICATION)


def test_no_examples_have_no_predictions(model, tmp_path):
    loaded = load_finetuned(
        fine_tuned(tmp_path / "model", model=model, reading=READINGS[0]), kind=TaskKind.CLASSIFICATION
    )
    assert predict_examples(loaded, []) == {}
    assert compute_outputs(loaded.network, Features(rows=[]), reading=loaded.reading, pad_id=0) == []
