"""A new task needs only one class and one row of the table."""

import numpy as np
import pytest

from paddle_wwm import load_model
from paddle_wwm.errors import HubModuleError
from paddle_wwm.finetuning.trainer import SeedTrainer, TrainingData
from paddle_wwm.hub import BertHubModule
from paddle_wwm.model.networks import PooledNetwork
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.runs.fleet import World
from paddle_wwm.tasks.examples import TextExample
from paddle_wwm.tasks.fine_tuned import load_finetuned, load_tokenizer, predict_examples
from paddle_wwm.tasks.model_folder import read_description, write_finetuned
from paddle_wwm.tasks.results import ClassResult
from paddle_wwm.tasks.task import Features, Reading
from paddle_wwm.tasks.task_table import TASKS, task_class
from paddle_wwm.tasks.text_classification import TextClassification, encode_texts

from ..finetuning.builders import write_model
from ..finetuning.test_finetune_step import RECIPE


class Regression(TextClassification):
    """A task that predicts a number for a text. The loss is the squared error."""

    name = "regression"
    architecture = "BertForRegression"

    def encode(self, examples, *, tokenizer, reading, with_labels=False):
        rows, num_cut = encode_texts(examples, tokenizer=tokenizer, max_seq_length=reading.max_seq_length)
        labels = [np.float32(example.label) for example in examples] if with_labels else []
        return Features(rows=rows, labels=labels, counts={"texts_cut": num_cut})

    def make_network(self, config: ModelConfig):
        return PooledNetwork(config, 1)

    def num_targets(self, labels):
        return np.size(labels)

    def loss_sum(self, logits, labels, attention_mask):
        return ((logits[:, 0] - labels) ** 2).sum()

    def results(self, examples, *, features, outputs, tokenizer, options):
        return [ClassResult(label=round(float(output[0]), 3), probabilities=output) for output in outputs]


def test_a_new_task_in_the_table_can_be_trained_saved_loaded_and_served(tmp_path, mini_vocab, monkeypatch):
    monkeypatch.setitem(TASKS, Regression.name, Regression)
    model = write_model(tmp_path / "tiny", mini_vocab)
    examples = [
        TextExample(example_id=str(number), text="天气很好"[: number + 1], label=str(number / 4)) for number in range(4)
    ]
    description = read_description(model)
    tokenizer, task = load_tokenizer(model, description.config), Regression(labels=("value",))
    features = task.encode(examples, tokenizer=tokenizer, reading=Reading(max_seq_length=16), with_labels=True)
    data = TrainingData(features=features, task=task, tokenizer=tokenizer, model=model, description=description)
    trainer = SeedTrainer(data, recipe=RECIPE, seed=1, world=World())
    losses = [trainer.step(number).loss for number in range(2)]
    assert all(np.isfinite(losses))

    folder = tmp_path / "tuned"
    folder.mkdir()
    write_finetuned(
        folder, arrays=trainer.weights(), source=model, task="regression", label_map=dict(enumerate(task.labels))
    )
    loaded = load_finetuned(folder, task="regression")
    expected = [result.label for result in predict_examples(loaded, examples)]
    assert isinstance(load_model(folder, task="regression"), PooledNetwork)
    module = BertHubModule(weights=str(folder))
    assert module.task == "regression"
    assert module.predict([example.text for example in examples]) == pytest.approx(expected, abs=1e-3)


def test_the_error_for_an_unknown_task_suggests_the_nearest_name():
    with pytest.raises(HubModuleError, match="must be None or one of .*, but is 'seq-clas'. Did you mean 'seq-cls'"):
        task_class("seq-clas")
    with pytest.raises(HubModuleError) as caught:
        task_class("nope")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("mrc", "question-answering"),
        ("reading_comprehension", "question-answering"),
        ("Machine Reading Comprehension", "question-answering"),
        ("question_answering", "question-answering"),
        ("ner", "token-cls"),
        ("NER", "token-cls"),
        ("sequence-labeling", "token-cls"),
        ("sequence_labelling", "token-cls"),
        ("token_cls", "token-cls"),
        ("sequence_classification", "seq-cls"),
        ("SEQ_CLS", "seq-cls"),
        ("sentiment_analysis", "seq-cls"),
        ("text_matching", "text-matching"),
        ("similarity", "text-matching"),
        ("multi_label", "multi-label"),
        ("multilabel", "multi-label"),
        ("mlm", "fill-mask"),
        ("fill_mask", "fill-mask"),
        ("embeddings", None),
        ("none", None),
    ],
)
def test_the_error_for_another_name_of_a_task_gives_the_right_one(name, right):
    with pytest.raises(HubModuleError) as caught:
        task_class(name)
    assert str(caught.value).endswith(f"but is {name!r}. Did you mean {right!r}?")


@pytest.mark.parametrize("name", [["seq-cls"], {"task": "seq-cls"}, 3, "", "nope"])
def test_a_task_that_is_no_name_is_refused_in_one_line(name):
    with pytest.raises(HubModuleError, match="`task` must be None or one of") as caught:
        task_class(name)
    assert "\n" not in str(caught.value)
