"""load_model loads a network with its weights from every kind of folder."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_wwm import load_model
from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.model.config_keys import ANSWER_KINDS
from paddle_wwm.model.folder import WEIGHTS_NAME, read_model_config
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.networks import AnswerNetwork, PooledNetwork, TokenNetwork, TowerNetwork
from paddle_wwm.tasks.model_folder import write_finetuned
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams

from ..finetuning.builders import write_model

KINDS = [
    ("seq-cls", PooledNetwork, ("no", "yes")),
    ("multi-label", PooledNetwork, ("a", "b", "c")),
    ("token-cls", TokenNetwork, ("O", "B-PER")),
    ("text-matching", TowerNetwork, ("no", "yes")),
    ("question-answering", TokenNetwork, ()),
    ("question-answering", AnswerNetwork, ANSWER_KINDS),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory, mini_vocab):
    folder = tmp_path_factory.mktemp("loading") / "model"
    folder.mkdir()
    return write_model(folder, mini_vocab)


def write_network(folder, *, model, task, kind, labels):
    """Write the folder of a fine-tuned model, and return its network."""
    config = read_model_config(model)
    network = kind(config) if kind is AnswerNetwork else kind(config, len(labels) or 2)
    folder.mkdir()
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    write_finetuned(folder, arrays=arrays, source=model, task=task, label_map=dict(enumerate(labels)))
    return network


def same_state(one, other):
    there = other.state_dict()
    return all(np.array_equal(tensor.numpy(), there[name].numpy()) for name, tensor in one.state_dict().items())


def test_a_model_folder_is_loaded_in_evaluation_mode(model, logged):
    network = load_model(model)
    arrays = read_pdparams(model / WEIGHTS_NAME)
    assert isinstance(network, BertForPretraining) and not network.training and network.bert.has_pooler
    assert all(np.array_equal(tensor.numpy(), arrays[name]) for name, tensor in network.state_dict().items())
    assert logged == []


@pytest.mark.parametrize(("task", "kind", "labels"), KINDS, ids=[f"{task}-{kind.__name__}" for task, kind, _ in KINDS])
def test_a_fine_tuned_folder_is_loaded_as_the_network_of_its_task(task, kind, labels, model, tmp_path):
    written = write_network(tmp_path / "tuned", model=model, task=task, kind=kind, labels=labels)
    network = load_model(tmp_path / "tuned", task=task)
    assert type(network) is kind and not network.training and same_state(written, network)
    ids = paddle.ones([2, 8], dtype="int64")
    assert network(ids, paddle.zeros_like(ids), ids > 0).shape[0] == 2


def test_a_run_and_a_hub_module_are_found(model, tmp_path):
    for place in ("run/model", "module/assets"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).symlink_to(model)
        assert same_state(load_model(model), load_model(tmp_path / place.split("/")[0]))


def test_missing_heads_are_random_and_a_warning_names_them(model, tmp_path, logged):
    config = read_model_config(model)
    bare = {name: array for name, array in read_pdparams(model / WEIGHTS_NAME).items() if not name.startswith("cls.")}
    (tmp_path / "config.json").write_bytes((model / "config.json").read_bytes())
    write_pdparams(tmp_path / WEIGHTS_NAME, {name.removeprefix("bert."): array for name, array in bare.items()})
    network = load_model(tmp_path)
    assert network.config == config
    assert np.array_equal(network.state_dict()["bert.pooler.dense.weight"].numpy(), bare["bert.pooler.dense.weight"])
    assert len(logged) == 1 and "no trained cls.predictions, cls.seq_relationship" in logged[0]
    with pytest.raises(CheckpointError, match="fill-mask needs a trained head"):
        load_model(tmp_path, task="fill-mask")


def test_a_warning_names_the_parts_that_config_json_lists_as_untrained(mini_vocab, tmp_path, logged):
    from paddle_wwm.model.weights import save_model

    network = BertForPretraining(read_model_config(write_model_in(tmp_path / "model", mini_vocab)))
    (tmp_path / "other").mkdir()
    save_model(tmp_path / "other", model=network, vocab=mini_vocab, do_lower_case=True, untrained=("bert.pooler",))
    assert not load_model(tmp_path / "other").bert.has_pooler
    assert "no trained bert.pooler;" in logged[0]


def write_model_in(folder, vocab):
    folder.mkdir()
    return write_model(folder, vocab)


def test_a_fine_tuned_folder_loaded_without_a_task_has_random_heads(model, tmp_path, logged):
    written = write_network(tmp_path / "tuned", model=model, task="seq-cls", kind=PooledNetwork, labels=("no", "yes"))
    assert same_state(written.bert, load_model(tmp_path / "tuned").bert)
    assert "cls.predictions" in logged[0]


def test_a_folder_without_a_head_for_the_task_is_refused(model, tmp_path):
    with pytest.raises(CheckpointError, match="must be a model for seq-cls, but was not fine-tuned"):
        load_model(model, task="seq-cls")
    write_network(tmp_path / "tuned", model=model, task="seq-cls", kind=PooledNetwork, labels=("no", "yes"))
    with pytest.raises(CheckpointError, match="must be a model for token-cls, but was fine-tuned for seq-cls"):
        load_model(tmp_path / "tuned", task="token-cls")
    path = tmp_path / "tuned" / WEIGHTS_NAME
    write_pdparams(path, {name: a for name, a in read_pdparams(path).items() if not name.startswith("classifier.")})
    with pytest.raises(CheckpointError, match="have no classifier"):
        load_model(tmp_path / "tuned", task="seq-cls")


def test_the_error_for_an_unknown_task_lists_the_known_tasks(model):
    with pytest.raises(ConfigError, match="fill-mask, seq-cls.*but is 'ner'"):
        load_model(model, task="ner")


@pytest.mark.parametrize(
    ("task", "kind", "is_trained"),
    [("token-cls", TokenNetwork, False), ("seq-cls", PooledNetwork, True), ("text-matching", TowerNetwork, False)],
)
def test_a_random_pooler_stays_listed_as_untrained_unless_the_task_trains_it(
    mini_vocab, tmp_path, task, kind, is_trained
):
    from paddle_wwm.model.weights import save_model

    network = BertForPretraining(read_model_config(write_model_in(tmp_path / "model", mini_vocab)))
    (tmp_path / "base").mkdir()
    save_model(tmp_path / "base", model=network, vocab=mini_vocab, do_lower_case=True, untrained=("bert.pooler",))
    write_network(tmp_path / "tuned", model=tmp_path / "base", task=task, kind=kind, labels=("no", "yes"))
    assert load_model(tmp_path / "tuned", task=task).bert.has_pooler is is_trained
