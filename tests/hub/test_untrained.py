"""A classifier counts as untrained while one of its tensors has its random initial values, however it was loaded."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import paddle
import paddlehub as hub
import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule

CLASSIFIER = ("classifier.weight", "classifier.bias")


def untrained(module) -> list[str]:
    """Return the tensors that `predict` warns of."""
    data = [["使用", "语言"]] if module.task == "text-matching" else ["使用语言"]
    if module.task == "question-answering":
        data = [["使用", "语言模型"]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module.predict(data)
    messages = [str(one.message) for one in caught if "is new and random" in str(one.message)]
    assert len(messages) <= 1
    return messages[0].partition("(")[2].partition(")")[0].split(", ") if messages else []


@pytest.fixture
def make(weights):
    def make_module(task="seq-cls", **options):
        return BertHubModule(task=task, weights=str(weights), **options)

    return make_module


def state_of(module, *, zero_bias=True) -> dict:
    """Return a state with other weights and, as in a checkpoint that was hardly trained, a bias of zeros."""
    state = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    return {
        name: np.zeros_like(array) if zero_bias and name.endswith("classifier.bias") else array + np.float32(0.01)
        for name, array in state.items()
    }


@pytest.mark.filterwarnings("ignore:Skip loading")
@pytest.mark.parametrize("method", ["set_state_dict", "set_dict", "load_dict"])
def test_a_state_counts_only_if_it_sets_all_tensors_of_the_classifier(make, method):
    module, other = make(num_classes=2), make(num_classes=7)
    good = state_of(module)
    for bad in (
        state_of(other),
        {f"other.{name}": array for name, array in good.items()},
        {name: array for name, array in good.items() if "classifier" not in name},
        {},
    ):
        getattr(module, method)(bad)
        assert untrained(module) == list(CLASSIFIER)
    getattr(module, method)({"model.classifier.weight": good["model.classifier.weight"]})
    assert untrained(module) == ["classifier.bias"]
    getattr(module, method)(good)
    assert untrained(module) == []


@pytest.mark.parametrize("task", ["seq-cls", "token-cls", "multi-label", "text-matching", "question-answering"])
def test_the_inner_network_and_its_layers_may_be_loaded_by_themselves(make, task):
    for load in (
        lambda module, state: module.model.set_state_dict(
            {name.removeprefix("model."): array for name, array in state.items()}
        ),
        lambda module, state: module.model.classifier.set_state_dict(
            {name: state[f"model.classifier.{name}"] for name in ("weight", "bias")}
        ),
        lambda module, state: [
            parameter.set_value(state[f"model.classifier.{name}"])
            for name, parameter in module.model.classifier.named_parameters()
        ],
    ):
        module = make(task)
        assert "classifier.weight" in untrained(module)
        load(module, state_of(module))
        assert untrained(module) == []


def test_the_state_of_another_module_counts_even_if_it_is_random(make):
    module, other = make(), make()
    module.set_state_dict(other.state_dict())
    assert untrained(module) == []


@pytest.mark.filterwarnings("ignore:Skip loading")
def test_a_copy_remembers_what_was_set_and_changes_alone(make):
    module = make()
    copied = copy.deepcopy(module)
    copied.set_state_dict(state_of(module))
    assert (untrained(copied), untrained(copy.deepcopy(copied)), untrained(module)) == ([], [], list(CLASSIFIER))
    assert untrained(copy.deepcopy(module)) == list(CLASSIFIER)


@pytest.mark.parametrize("task", ["seq-cls", "token-cls", "multi-label", "question-answering"])
def test_only_a_step_of_the_optimizer_trains_a_classifier(make, task):
    module = make(task)
    labels = {"seq-cls": [1], "token-cls": [[0, 1, 0, 1]], "multi-label": [[1.0, 0.0]], "question-answering": [[1, 2]]}
    optimizer = paddle.optimizer.SGD(learning_rate=0.1, parameters=module.parameters())
    module.train()
    _, loss, _ = module(paddle.to_tensor([[4, 8, 9, 5]]), labels=paddle.to_tensor(labels[task]))
    loss.backward()
    assert "classifier.weight" in untrained(module)
    optimizer.step()
    assert untrained(module) == []


def test_a_cast_to_a_shorter_type_trains_nothing(make):
    module = make()
    module.to(dtype="float64")
    assert module._initial_values.unchanged(module.model) == list(CLASSIFIER)
    module.to(dtype="bfloat16")
    assert module._initial_values.unchanged(module.model) == list(CLASSIFIER)


class Texts(paddle.io.Dataset):
    def __getitem__(self, index):
        return paddle.to_tensor([4, 8, 9, 5]), paddle.to_tensor([0, 0, 0, 0]), paddle.to_tensor(index % 2)

    def __len__(self):
        return 4


def trainer_of(module, folder):
    optimizer = paddle.optimizer.AdamW(learning_rate=1e-3, parameters=module.parameters())
    return hub.Trainer(module, optimizer, checkpoint_dir=str(folder), use_gpu=False, use_vdl=False)


def test_hub_trainer_that_resumes_with_another_number_of_classes_leaves_a_random_classifier(make, tmp_path):
    first = make(num_classes=2)
    trainer_of(first, tmp_path).train(Texts(), epochs=1, batch_size=4, eval_dataset=Texts(), save_interval=1)
    assert untrained(first) == []
    other = make(num_classes=7)
    with pytest.warns(UserWarning, match="Skip loading for model.classifier"):
        assert trainer_of(other, tmp_path).current_epoch == 1
    assert untrained(other) == list(CLASSIFIER)
    same = make(num_classes=2)
    trainer_of(same, tmp_path)
    assert untrained(same) == []


def test_the_pooler_counts_where_the_classifier_reads_it_and_the_model_has_none(headless_weights):
    module = BertHubModule(task="seq-cls", weights=str(headless_weights))
    module.model.classifier.set_state_dict({"weight": paddle.ones([16, 2]), "bias": paddle.zeros([2])})
    assert untrained(module) == ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]
    for task, width in (("token-cls", 16), ("text-matching", 48)):
        module = BertHubModule(task=task, weights=str(headless_weights))
        module.model.classifier.set_state_dict({"weight": paddle.ones([width, 2]), "bias": paddle.zeros([2])})
        assert untrained(module) == []


def test_random_classifiers_of_the_same_seed_are_the_same(make):
    states = []
    for _ in range(2):
        paddle.seed(3)
        states.append(make().state_dict())
    assert all(np.array_equal(tensor.numpy(), states[1][name].numpy()) for name, tensor in states[0].items())


@pytest.mark.parametrize("name", ["context", "get_vocab_path", "get_spm_path"])
def test_calls_of_paddlehub_1_name_what_replaces_them(make, name):
    module = make(None)
    with pytest.raises(HubModuleError, match=rf"`{name}` is a call of PaddleHub 1.x.*module"):
        getattr(module, name)(trainable=True)
    assert not hasattr(module, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name
