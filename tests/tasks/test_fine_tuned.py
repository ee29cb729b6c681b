"""The network's outputs for rows, and predictions of fine-tuned models."""

import json

import numpy as np
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.model.config_keys import ANSWER_KINDS, READING_KEY
from paddle_wwm.tasks.examples import QuestionExample, TextExample, TokenExample
from paddle_wwm.tasks.fine_tuned import load_finetuned, load_tokenizer, predict_examples
from paddle_wwm.tasks.model_folder import read_description, write_finetuned
from paddle_wwm.tasks.programs import compute_outputs, dygraph_program, evaluating
from paddle_wwm.tasks.question_answering import QuestionAnswering
from paddle_wwm.tasks.task import Reading
from paddle_wwm.tasks.text_classification import TextClassification
from paddle_wwm.tasks.token_classification import TokenClassification

from ..finetuning.builders import texts, write_model

READING = Reading(max_seq_length=14, doc_stride=4)
TASKS = [
    TextClassification(labels=("a", "b", "c")),
    TokenClassification(labels=("O", "B-PER")),
    QuestionAnswering(),
    QuestionAnswering(labels=ANSWER_KINDS),
]
NAMES = ["classification", "token labels", "answers", "answers and kinds"]


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    return write_model(tmp_path_factory.mktemp("models") / "tiny", mini_vocab)


def examples_of(task):
    found = [text for text, _ in texts(12, seed=3)]
    if isinstance(task, TextClassification):
        return [
            TextExample(example_id=str(number), text=text, text_pair="天气" if number % 2 else None)
            for number, text in enumerate(found)
        ]
    if isinstance(task, TokenClassification):
        return [TokenExample(example_id=str(number), tokens=(*text, " ")) for number, text in enumerate(found)]
    return [QuestionExample(example_id=str(number), question="学习", context=text) for number, text in enumerate(found)]


def fine_tuned(folder, *, model, task):
    """Write a model folder with a random classifier."""
    network = task.make_network(read_description(model).config)
    folder.mkdir()
    write_finetuned(
        folder,
        arrays={name: tensor.numpy() for name, tensor in network.state_dict().items()},
        source=model,
        task=task.name,
        label_map=dict(enumerate(task.labels)),
        notes={READING_KEY: {"max_seq_length": READING.max_seq_length, "doc_stride": READING.doc_stride}},
    )
    return folder


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_the_output_of_a_row_does_not_depend_on_its_batch(model, task):
    config = read_description(model).config
    tokenizer, network = load_tokenizer(model, config), task.make_network(config)
    features = task.encode(examples_of(task), tokenizer=tokenizer, reading=READING)
    with evaluating(network):
        together, alone = (
            compute_outputs(
                dygraph_program(network), features.rows, task=task, vocab=tokenizer.vocab, batch_size=batch_size
            )
            for batch_size in (100, 1)
        )
    assert [output.shape for output in together] == [task.output_shape(len(row)) for row in features.rows]
    for one, other in zip(together, alone):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=NAMES)
def test_a_model_folder_stores_the_reading_options_and_predicts_every_example(model, task, tmp_path):
    loaded = load_finetuned(fine_tuned(tmp_path / "model", model=model, task=task), task=task.name)
    assert (loaded.reading, loaded.task.labels) == (READING, task.labels)
    examples = examples_of(task)
    results = predict_examples(loaded, examples)
    assert len(results) == len(examples)
    for example, result in zip(examples, results):
        predicted = result.predicted
        if isinstance(task, TextClassification):
            assert predicted in task.labels
        elif isinstance(task, TokenClassification):
            assert len(predicted) == len(example.tokens) and set(predicted) <= set(task.labels) and predicted[-1] == "O"
            text = "".join(example.tokens)
            assert [text[start:end] for start, end in result.characters] == list(example.tokens)
        else:
            assert predicted in example.context or (task.has_kinds and predicted in ("YES", "NO", ""))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_seq_length": 49}, "`max_seq_length` must be a number from 8 to the model's 48 positions"),
        ({"max_seq_length": "24"}, "`max_seq_length` must be"),
        ({"stride": 3}, "`stride` must be"),
    ],
)
def test_the_reading_options_in_config_json_are_checked(model, tmp_path, values, message):
    folder = fine_tuned(tmp_path / "model", model=model, task=TASKS[0])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, READING_KEY: values}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        load_finetuned(folder, task="seq-cls")


def test_no_examples_give_no_predictions(model, tmp_path):
    loaded = load_finetuned(fine_tuned(tmp_path / "model", model=model, task=TASKS[0]), task="seq-cls")
    assert list(predict_examples(loaded, [])) == []
