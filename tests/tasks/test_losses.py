"""The loss of every task does not depend on padding."""

import numpy as np
import paddle
import pytest

from paddle_wwm.hub import BertHubModule
from paddle_wwm.model.config_keys import ANSWER_KINDS
from paddle_wwm.model.weights import save_model
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.tasks.task_table import TASKS

from ..hub.conftest import tiny_model

IDS = [2, 7, 3, 8, 9, 10, 11, 3]
CONFIG = ModelConfig(
    vocab_size=50,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=64,
)
LABELS = ("O", "B-LOC", "I-LOC")
# the labels of a row with `length` tokens
CASES = {
    "seq-cls": (LABELS, lambda length: [1]),
    "multi-label": (LABELS, lambda length: [[1.0, 0.0, 1.0]]),
    "text-matching": (LABELS, lambda length: [2]),
    "token-cls": (LABELS, lambda length: [[-100, 0, -100, 1, 2, 0, 0, -100] + [-100] * (length - 8)]),
    "fill-mask": ((), lambda length: [[-100, 9, -100, -100, 12, -100, -100, -100] + [-100] * (length - 8)]),
    "question-answering": ((), lambda length: [[4, 5]]),
    "question-answering with kinds": (ANSWER_KINDS, lambda length: [[4, 5, 0]]),
}


def tensors(num_padding):
    ids = paddle.to_tensor([IDS + [0] * num_padding])
    return [ids, paddle.zeros_like(ids), ids != 0]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("num_padding", [8, 48])
def test_the_loss_and_its_gradient_do_not_depend_on_padding(name, num_padding):
    labels, of_length = CASES[name]
    task = TASKS[name.partition(" ")[0]](labels=labels)
    paddle.seed(1)
    network = task.make_network(CONFIG)
    network.eval()
    found = []
    for padding in (0, num_padding):
        inputs = tensors(padding) * (2 if name == "text-matching" else 1)
        mask = inputs[2] if len(inputs) == 3 else None
        loss = task.loss(task.logits(network, inputs), paddle.to_tensor(of_length(len(IDS) + padding)), mask)
        loss.backward()
        found.append((float(loss), network.bert.embeddings.word_embeddings.weight.grad.numpy()))
        network.clear_gradients()
    assert found[0][0] > 0.1
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-5)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-5)


def test_the_loss_of_a_batch_without_targets_is_0():
    task = TASKS["token-cls"](labels=LABELS)
    network = task.make_network(CONFIG)
    inputs = tensors(0)
    assert float(task.loss(network(*inputs), paddle.full([1, len(IDS)], -100, "int64"), inputs[2])) == 0.0


def test_the_loss_and_probabilities_of_a_module_do_not_depend_on_padding(tmp_path, mini_vocab):
    save_model(tmp_path, model=tiny_model(mini_vocab), vocab=mini_vocab, do_lower_case=True)
    module = BertHubModule(task="question-answering", weights=str(tmp_path))
    ids = [mini_vocab.cls_id, 7, mini_vocab.sep_id, 8, 9, 10, mini_vocab.sep_id]
    losses, probabilities = [], []
    for padding in (0, 10):
        values, loss, _ = module(
            paddle.to_tensor([ids + [mini_vocab.pad_id] * padding]), labels=paddle.to_tensor([[3, 4]])
        )
        losses.append(float(loss))
        probabilities.append(values.numpy()[0, : len(ids)])
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    np.testing.assert_allclose(probabilities[1], probabilities[0], atol=1e-6)
