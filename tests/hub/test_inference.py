"""Both ways of running a network give the same outputs. An exported program is not used after the weights changed."""

import copy

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule, inference

TEXTS = ["使用语言模型", "来预测", "下一个词的probability。", "使用", "", "   ", "北京大学学习"]
PAIRS = [["使用", "语言模型来预测"], ["下一个词", "的"], ["北京大学", "天气很好不是"]]
DATA = {
    None: TEXTS,
    "fill-mask": [f"{text}[MASK]言" for text in TEXTS] + ["[MASK][MASK]"],
    "seq-cls": TEXTS + PAIRS,
    "multi-label": TEXTS,
    "token-cls": TEXTS[:4],
    "text-matching": PAIRS,
    "question-answering": [["在哪", "我们在北京大学学习。天气很好，" * 4], ["使用", "词"]],
}
pytestmark = pytest.mark.filterwarnings("ignore:the classifier of")


@pytest.fixture
def export_at_once(monkeypatch):
    monkeypatch.setattr(inference, "MIN_CALL_TOKENS", 1)
    monkeypatch.setattr(inference, "EXPORT_AFTER_TOKENS", 1)


@pytest.fixture
def made(monkeypatch):
    """Record the precision of each exported program."""
    calls, make = [], inference.exported_program
    monkeypatch.setattr(
        inference,
        "exported_program",
        lambda network, *, spec, precision: calls.append(precision) or make(network, spec=spec, precision=precision),
    )
    return calls


def numbers_of(task, prediction):
    if task is None:
        return [array for result in prediction for array in result]
    return [
        np.ravel(np.array(values, dtype=object)).astype(float) if len(np.shape(values)) else values
        for values in map(flat, prediction[1])
    ]


def flat(values):
    return (
        np.concatenate([flat(value) for value in values])
        if isinstance(values, (list, tuple)) and len(values)
        else np.atleast_1d(values)
    )


@pytest.mark.parametrize("task", DATA)
def test_the_exported_program_gives_the_outputs_of_the_layers(weights, export_at_once, made, monkeypatch, task):
    module = BertHubModule(task=task, weights=str(weights))
    exported = module.predict(DATA[task], return_prob=True, batch_size=2)
    assert made == ["fp32"]
    monkeypatch.setattr(inference, "MIN_CALL_TOKENS", 10**9)
    layers = module.predict(DATA[task], return_prob=True, batch_size=2)
    assert made == ["fp32"]
    for one, other in zip(numbers_of(task, exported), numbers_of(task, layers), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    if task is not None and task != "fill-mask":
        assert [result if not isinstance(result, dict) else result["text"] for result in exported[0]] == [
            result if not isinstance(result, dict) else result["text"] for result in layers[0]
        ]


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_the_exported_program_gives_the_embeddings_of_the_layers(weights, export_at_once, made, monkeypatch, pooling):
    module = BertHubModule(weights=str(weights))
    exported = module.get_embedding(TEXTS + PAIRS, pooling=pooling)
    monkeypatch.setattr(inference, "MIN_CALL_TOKENS", 10**9)
    np.testing.assert_allclose(exported, module.get_embedding(TEXTS + PAIRS, pooling=pooling), atol=1e-5)
    assert made == ["fp32"]


def test_first_states_equal_those_of_the_full_encoder(weights):
    from paddle_wwm.model.shortcuts import first_states

    bert = BertHubModule(weights=str(weights)).model.bert
    ids = paddle.to_tensor(np.random.default_rng(0).integers(8, 60, (5, 11)))
    types, mask = paddle.zeros_like(ids), paddle.arange(11).unsqueeze(0) < paddle.to_tensor([[11], [1], [5], [10], [2]])
    bert.encoder.layers[-1].self_attn.k_proj.bias.set_value(paddle.randn([16]))
    bert.encoder.layers[-1].self_attn.v_proj.bias.set_value(paddle.randn([16]))
    np.testing.assert_allclose(
        first_states(bert, ids, types, mask).numpy(), bert(ids, types, mask)[:, 0].numpy(), atol=1e-5
    )


def test_a_program_is_exported_after_enough_tokens_in_large_calls(weights, made, monkeypatch):
    monkeypatch.setattr(inference, "MIN_CALL_TOKENS", 30)
    monkeypatch.setattr(inference, "EXPORT_AFTER_TOKENS", 100)
    module = BertHubModule(task="seq-cls", weights=str(weights))
    for number, (num_texts, num_programs) in enumerate([(1, 0), (5, 0), (5, 0), (5, 1), (1, 1), (50, 1)]):
        module.predict(["使用语言模型"] * num_texts)
        assert len(made) == num_programs, number


@pytest.mark.parametrize("change", ["one number", "a step of training", "set_state_dict"])
def test_a_program_is_made_again_when_the_weights_change(weights, export_at_once, made, change):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    _, before = module.predict(TEXTS, return_prob=True)
    assert module.predict(TEXTS, return_prob=True)[1] == before and len(made) == 1
    if change == "one number":
        module.model.classifier.bias.set_value(module.model.classifier.bias + paddle.to_tensor([0.5, 0.0]))
    elif change == "set_state_dict":
        module.set_state_dict({name: 0.9 * value for name, value in module.state_dict().items()})
    else:
        ids = paddle.to_tensor([[4, 20, 21, 5]])
        optimizer = paddle.optimizer.AdamW(1e-2, parameters=module.parameters())
        module.training_step([ids, paddle.zeros_like(ids), paddle.to_tensor([1])], 0)["loss"].backward()
        optimizer.step()
    _, after = module.predict(TEXTS, return_prob=True)
    assert len(made) == 2
    assert np.abs(np.array(after) - np.array(before)).max() > 1e-4
    np.testing.assert_allclose(after, [module.predict([text], return_prob=True)[1][0] for text in TEXTS], atol=1e-5)


def test_a_hook_that_is_added_later_runs(weights, export_at_once, made):
    module, calls = BertHubModule(task="seq-cls", weights=str(weights)), []
    before = module.predict(TEXTS, return_prob=True)[1]
    layer = module.model.bert.encoder.layers[-1].linear1
    hook = layer.register_forward_post_hook(lambda layer, inputs, output: calls.append(1) or 2 * output)
    assert np.abs(np.array(module.predict(TEXTS, return_prob=True)[1]) - np.array(before)).max() > 1e-6
    assert calls and made == ["fp32"]
    hook.remove()
    assert module.predict(TEXTS, return_prob=True)[1] == before


def test_a_program_is_made_again_for_a_replaced_layer(weights, export_at_once, made):
    class Doubled(paddle.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    module = BertHubModule(task="seq-cls", weights=str(weights))
    before = module.predict(TEXTS, return_prob=True)[1]
    layer, old = module.model.bert.encoder.layers[-1], module.model.bert.encoder.layers[-1].linear1
    layer.linear1 = Doubled(*old.weight.shape)
    layer.linear1.weight, layer.linear1.bias = old.weight, old.bias
    assert np.abs(np.array(module.predict(TEXTS, return_prob=True)[1]) - np.array(before)).max() > 1e-6
    assert made == ["fp32", "fp32"]


def test_a_copied_module_with_a_program_has_its_own_weights(weights, export_at_once):
    module = BertHubModule(task="seq-cls", weights=str(weights))
    expected = module.predict(TEXTS, return_prob=True)
    copied = copy.deepcopy(module)
    copied.model.classifier.bias.set_value(module.model.classifier.bias + paddle.to_tensor([0.5, 0.0]))
    assert module.predict(TEXTS, return_prob=True) == expected
    assert np.abs(np.array(copied.predict(TEXTS, return_prob=True)[1]) - np.array(expected[1])).max() > 1e-4


def test_bf16_is_close_to_fp32_and_refused_without_cpu_support(weights, made, monkeypatch):
    module = BertHubModule(weights=str(weights))
    if inference.has_bf16():
        exact, close = module.get_embedding(TEXTS), module.get_embedding(TEXTS, precision="bf16")
        assert made == ["bf16"]
        assert ((exact * close).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(close, axis=1)).min() > 0.99
    monkeypatch.setattr(inference, "BF16_FLAGS", ("no_such_flag",))
    with pytest.raises(HubModuleError, match="precision='bf16' needs a CPU with no_such_flag"):
        module.get_embedding(TEXTS, precision="bf16")
    with pytest.raises(HubModuleError, match="`precision` must be one of fp32, bf16, but is 'int8'"):
        module.predict(TEXTS, precision="int8")


def test_each_thread_that_shares_a_module_gets_its_own_results(weights, export_at_once):
    from concurrent.futures import ThreadPoolExecutor

    module = BertHubModule(task="seq-cls", weights=str(weights))
    calls = [[text] * (1 + number) for number, text in enumerate(TEXTS)] * 4
    expected = [module.predict(call, return_prob=True) for call in calls]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda call: module.predict(call, return_prob=True), calls)) == expected
