"""The fine-tuning step: batches and micro-batches, learning rates, gradients, and a comparison with PaddleNLP."""

import dataclasses

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.finetuning import trainer as trainer_module
from paddle_wwm.finetuning.recipe import (
    FineTuneRecipe,
    chosen_examples,
    micro_batches,
    rate_scale_of,
    rows_of_step,
    schedule_of,
    steps_per_epoch,
)
from paddle_wwm.finetuning.trainer import SeedTrainer, TrainingData
from paddle_wwm.model.config_keys import ANSWER_KINDS
from paddle_wwm.runs import accumulation
from paddle_wwm.runs.fleet import World
from paddle_wwm.tasks.examples import AnswerKind, GoldAnswer, QuestionExample, TaskName, TextExample, TokenExample
from paddle_wwm.tasks.fine_tuned import load_tokenizer
from paddle_wwm.tasks.model_folder import read_description
from paddle_wwm.tasks.question_answering import QuestionAnswering
from paddle_wwm.tasks.rows import batch_of
from paddle_wwm.tasks.task import Reading
from paddle_wwm.tasks.task_table import task_class
from paddle_wwm.tasks.token_classification import TokenClassification

from .builders import GOOD, texts, write_model

RECIPE = FineTuneRecipe(max_seq_length=24, batch_size=8, num_epochs=2, learning_rate=1e-3)
CONTEXT = "我们在北京大学学习天气很好"


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    """A model without dropout, so that losses can be compared."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return write_model(folder, mini_vocab, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def examples_of(name):
    if name is TaskName.SEQ_CLS:
        return [
            TextExample(example_id=str(number), text=text, label=label)
            for number, (text, label) in enumerate(texts(20, seed=3))
        ]
    if name is TaskName.TOKEN_CLS:
        return [
            TokenExample(
                example_id=str(number),
                tokens=tuple(text),
                labels=tuple("1" if character in GOOD else "0" for character in text),
            )
            for number, (text, _) in enumerate(texts(20, seed=4))
        ]
    return [
        QuestionExample(
            example_id=str(number),
            question="学习语言",
            context=CONTEXT[: 6 + number % 7],
            answers=(GoldAnswer(text=CONTEXT[2:4], characters=(2, 4)),),
        )
        for number in range(20)
    ]


def trainer_of(model, *, name=TaskName.SEQ_CLS, recipe=RECIPE, seed=1, world=World()):  # noqa: B008  (it is frozen)
    description = read_description(model)
    tokenizer = load_tokenizer(model, description.config)
    task = task_class(name)(labels=() if name is TaskName.QUESTION_ANSWERING else ("0", "1"))
    reading = Reading(max_seq_length=recipe.max_seq_length)
    features = task.encode(examples_of(name), tokenizer=tokenizer, reading=reading, with_labels=True)
    data = TrainingData(features=features, task=task, tokenizer=tokenizer, model=model, description=description)
    return SeedTrainer(data, recipe=recipe, seed=seed, world=world)


@given(num_rows=st.integers(1, 50), batch_size=st.integers(1, 20), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_an_epoch_has_every_row_once(num_rows, batch_size, seed, epoch):
    recipe = dataclasses.replace(RECIPE, batch_size=batch_size)
    steps = steps_per_epoch(num_rows, recipe=recipe)
    batches = [
        rows_of_step(epoch * steps + place, num_rows=num_rows, seed=seed, recipe=recipe) for place in range(steps)
    ]
    assert sorted(np.concatenate(batches)) == list(range(num_rows))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (steps - 1)


def test_epochs_and_seeds_have_different_orders():
    recipe = dataclasses.replace(RECIPE, batch_size=50)
    orders = [tuple(rows_of_step(step, num_rows=50, seed=seed, recipe=recipe)) for step in (0, 1) for seed in (1, 2)]
    assert len(set(orders)) == 4


@given(
    lengths=st.lists(st.integers(3, 30), min_size=1, max_size=40),
    max_tokens=st.integers(1, 200),
    max_rows=st.integers(0, 5),
)
def test_micro_batches_have_every_row_once_and_respect_their_limits(lengths, max_tokens, max_rows):
    recipe = dataclasses.replace(RECIPE, micro_batch_tokens=max_tokens, micro_batch_size=max_rows)
    groups = micro_batches(range(len(lengths)), lengths, recipe=recipe)
    assert sorted(number for group in groups for number in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[number] for number in group) <= max_tokens
        assert len(group) <= (max_rows or len(lengths))


def test_a_smaller_limit_chooses_a_subset_of_the_examples_of_a_larger_one():
    assert set(chosen_examples(100, limit=10)) < set(chosen_examples(100, limit=30))
    assert list(chosen_examples(5, limit=0)) == list(chosen_examples(5, limit=9)) == [0, 1, 2, 3, 4]


def test_the_learning_rate_rises_during_the_first_tenth_and_then_falls_to_zero():
    schedule = schedule_of(20, recipe=RECIPE)
    rates = [schedule.rate_at(step) for step in range(20)]
    assert rates[:3] == pytest.approx([5e-4, 1e-3, 1e-3]) and rates[-1] == pytest.approx(1e-3 / 18)


def test_layer_decay_reduces_the_learning_rate_of_lower_layers():
    scale = rate_scale_of(3, layer_decay=0.5)
    names = (
        "bert.embeddings.word_embeddings.weight",
        *(f"bert.encoder.layers.{layer}.linear1.weight" for layer in range(3)),
        "classifier.bias",
    )
    assert [scale(name) for name in names] == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]


def test_layer_decay_reduces_the_update_of_lower_layers(model):
    # the first update of Adam has the size of the learning rate, for any gradient
    trainer = trainer_of(model, recipe=dataclasses.replace(RECIPE, layer_decay=0.5, weight_decay=0.0))
    before = trainer.weights()
    rate = trainer.step(0).learning_rate
    moved = {name: np.abs(array - before[name]).max() for name, array in trainer.weights().items()}
    assert moved["classifier.weight"] == pytest.approx(rate, rel=0.01)
    assert moved["bert.encoder.layers.1.linear1.weight"] == pytest.approx(rate / 2, rel=0.01)
    assert moved["bert.encoder.layers.0.linear1.weight"] == pytest.approx(rate / 4, rel=0.01)
    assert moved["bert.embeddings.word_embeddings.weight"] == pytest.approx(rate / 8, rel=0.01)


@pytest.mark.parametrize("task_name", TaskName)
def test_gradients_do_not_depend_on_how_a_batch_is_split(model, task_name):
    found = []
    for changes in ({"micro_batch_tokens": 10_000}, {"micro_batch_tokens": 40}, {"micro_batch_size": 1}):
        recipe = dataclasses.replace(RECIPE, clip_norm=1e9, **changes)
        trainer = trainer_of(model, name=task_name, recipe=recipe)
        # keep the gradients and update nothing
        trainer.context = dataclasses.replace(trainer.context, parameters=[])
        trainer.context.optimizer.step = lambda: None
        loss = trainer.step(0).loss
        found.append(
            (
                loss,
                {
                    name: parameter.grad.numpy()
                    for name, parameter in trainer.network.named_parameters()
                    if parameter.grad is not None
                },
            )
        )
    for loss, gradients in found[1:]:
        assert loss == pytest.approx(found[0][0], abs=1e-6)
        assert gradients.keys() == found[0][1].keys()
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, found[0][1][name], atol=1e-5, err_msg=name)


def test_a_worker_without_a_micro_batch_does_not_change_loss_and_gradient(model, monkeypatch):
    """It still makes a backward pass, which the exchange of gradients needs."""
    monkeypatch.setattr(trainer_module, "distribute_model", lambda network, world: network)
    monkeypatch.setattr(accumulation, "sum_over_workers", lambda values, world: np.asarray(values, np.float64))
    recipe = dataclasses.replace(RECIPE, micro_batch_tokens=10_000)  # only one micro-batch, for the first worker
    losses = []
    for rank in (0, 1):
        trainer = trainer_of(model, recipe=recipe, world=World(rank=rank, size=2))
        result = trainer.step(0)
        losses.append(result.loss)
        assert all(parameter.grad is not None for parameter in trainer.context.parameters)
        assert (result.gradient_norm > 0) == (rank == 0)
    assert losses[0] > 0 and losses[1] == 0


HEADS = {
    TaskName.SEQ_CLS: "BertForSequenceClassification",
    TaskName.TOKEN_CLS: "BertForTokenClassification",
    TaskName.QUESTION_ANSWERING: "BertForQuestionAnswering",
}


@pytest.mark.parity
@pytest.mark.parametrize("task_name", TaskName)
def test_losses_and_gradients_equal_those_of_paddlenlp(model, task_name):
    from paddlenlp import transformers

    trainer = trainer_of(model, name=task_name)
    theirs = getattr(transformers, HEADS[task_name]).from_pretrained(str(model))
    theirs.set_state_dict(trainer.network.state_dict())
    theirs.eval()  # PaddleNLP does not read the dropout of the heads from config.json
    features, task = trainer.data.features, trainer.data.task
    longest = max(map(len, features.rows))
    # only rows without padding, because PaddleNLP treats padding differently
    numbers = [number for number, row in enumerate(features.rows) if len(row) == longest]
    batch = batch_of(features.rows, numbers, pad_id=trainer.data.tokenizer.vocab.pad_id)
    inputs = [paddle.to_tensor(array) for array in (batch.input_ids, batch.token_type_ids, batch.attention_mask)]
    labels = paddle.to_tensor(task.batch_labels(features, batch))
    ours = task.loss_sum(trainer.network(*inputs), labels, inputs[2]) / len(numbers)
    ours.backward()
    outputs = theirs(*inputs[:2])
    cross_entropy = paddle.nn.functional.cross_entropy
    if task_name is TaskName.SEQ_CLS:
        expected = cross_entropy(outputs, labels, reduction="sum")
    elif task_name is TaskName.TOKEN_CLS:
        expected = cross_entropy(outputs[:, 1:-1].reshape([-1, 2]), labels[:, 1:-1].reshape([-1]), reduction="sum")
    else:
        expected = sum(cross_entropy(outputs[end], labels[:, end], reduction="sum") for end in (0, 1)) / 2
    expected = expected / len(numbers)
    expected.backward()
    assert float(ours) == pytest.approx(float(expected), abs=1e-5)
    of_theirs = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    compared = 0
    for name, parameter in trainer.network.named_parameters():
        if parameter.grad is not None and of_theirs.get(name) is not None:
            np.testing.assert_allclose(parameter.grad.numpy(), of_theirs[name].numpy(), atol=1e-5, err_msg=name)
            compared += 1
    assert compared > 30


def test_a_long_token_example_is_split_into_windows_with_every_token_once(mini_vocab, model):
    tokenizer = load_tokenizer(model, read_description(model).config)
    example = TokenExample(
        example_id="1", tokens=("天", " ", "probability", *"我们在北京"), labels=("0", "1", "1", *"00110")
    )
    task, reading = TokenClassification(labels=("0", "1")), Reading(max_seq_length=8)
    features = task.encode([example], tokenizer=tokenizer, reading=reading, with_labels=True)
    assert [label.tolist() for label in features.labels] == [
        [-100, 0, 1, -100, -100, 0, 0, -100],
        [-100, 1, 1, 0, -100],
    ]
    assert features.counts == {"texts_in_windows": 1, "tokens_without_pieces": 1}


def test_answer_labels_are_start_and_end_columns_and_the_kind(model):
    tokenizer = load_tokenizer(model, read_description(model).config)
    answers = [
        GoldAnswer(text="天气", characters=(9, 11)),
        GoldAnswer(text="YES", kind=AnswerKind.YES),
        GoldAnswer(text="", kind=AnswerKind.NONE),
        GoldAnswer(text="上海"),
    ]
    questions = [
        QuestionExample(example_id=str(number), question="学习", context=CONTEXT, answers=(answer,))
        for number, answer in enumerate(answers)
    ]
    task, reading = QuestionAnswering(labels=ANSWER_KINDS), Reading(max_seq_length=13, doc_stride=2)
    features = task.encode(questions, tokenizer=tokenizer, reading=reading, with_labels=True)
    found = {
        owner: [label.tolist() for row, label in zip(features.rows, features.labels) if row.owner == owner]
        for owner in range(4)
    }
    assert found[0] == [[0, 0, 3], [7, 8, 0]]  # the second window is [CLS] 学 习 [SEP] and the pieces from 6 on
    assert found[1] == [[0, 0, 1], [0, 0, 1]] and found[2] == [[0, 0, 3], [0, 0, 3]]
    assert found[3] == [] and features.counts["questions_without_usable_answer"] == 1


def test_an_answer_that_is_not_complete_in_any_window_is_counted(model):
    tokenizer = load_tokenizer(model, read_description(model).config)
    question = QuestionExample(
        example_id="1",
        question="学习",
        context=CONTEXT,
        answers=(GoldAnswer(text=CONTEXT, characters=(0, len(CONTEXT))),),
    )
    task, reading = QuestionAnswering(), Reading(max_seq_length=13, doc_stride=2)
    features = task.encode([question], tokenizer=tokenizer, reading=reading, with_labels=True)
    assert [label.tolist() for label in features.labels] == [[0, 0], [0, 0]] and features.counts[
        "answers_in_no_window"
    ] == 1
