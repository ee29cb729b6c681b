"""Every network calls its layers: hooks run, a replaced layer is used and trained, and Paddle's tools see all of them.

Called layers give the same numbers as the fast paths.
"""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import paddle
import paddle.nn as nn
import pytest

from paddle_wwm.compute import choice
from paddle_wwm.compute.choice import is_plain
from paddle_wwm.compute.dropout import seed_dropout
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.networks import (
    AnswerNetwork,
    EncoderNetwork,
    FirstStates,
    PooledNetwork,
    TokenNetwork,
    TowerNetwork,
)
from paddle_wwm.runs.fleet import recompute_layers

from .builders import TINY, padded_inputs

TOLERANCE = 1e-5
LEAVES = (nn.Linear, nn.Embedding, nn.LayerNorm)


class Towers(TowerNetwork):
    """A network for two texts, called as the task calls it."""

    def forward(self, input_ids, token_type_ids, attention_mask):
        one = super().forward(input_ids, token_type_ids, attention_mask)
        return self.compare(one, one.flip(0))


class Pretraining(BertForPretraining):
    """A network whose output joins both heads in one tensor."""

    def forward(self, input_ids, token_type_ids, attention_mask):
        rows, columns = paddle.shape(input_ids)[0], paddle.shape(input_ids)[1]
        positions = paddle.arange(rows) * columns + 1
        scores, relations = super().forward(input_ids, token_type_ids, attention_mask, positions, True)
        return paddle.concat([scores, relations], axis=1)


NETWORKS = {
    "encoder": lambda config: EncoderNetwork(config),
    "first states": lambda config: FirstStates(EncoderNetwork(config).bert),
    "pooled": lambda config: PooledNetwork(config, 3),
    "tokens": lambda config: TokenNetwork(config, 3),
    "answers": lambda config: AnswerNetwork(config),
    "towers": lambda config: Towers(config, 2),
    "pretraining": lambda config: Pretraining(config),
}
# layers that no output of the network depends on: first states are read without the pooler
NOT_CALLED = {"first states": {"bert.pooler", "bert.pooler.dense"}}
every_network = pytest.mark.parametrize("name", NETWORKS)
both_modes = pytest.mark.parametrize("mode", ["train", "eval"])


def network_of(name, mode="eval") -> nn.Layer:
    paddle.seed(3)
    network = NETWORKS[name](TINY)
    rng = np.random.default_rng(1)
    for parameter in network.parameters():
        noise = (0.1 * rng.standard_normal(parameter.shape)).astype(np.float32)
        parameter.set_value(parameter + paddle.to_tensor(noise))
    getattr(network, mode)()
    return network


def outputs_of(network) -> paddle.Tensor:
    inputs = padded_inputs()
    seed_dropout(1)
    return network(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask)


def gradients_of(network) -> dict[str, np.ndarray]:
    outputs_of(network).square().mean().backward()
    found = {name: one.grad.numpy().copy() for name, one in network.named_parameters() if one.grad is not None}
    network.clear_gradients()
    return found


def hook_all(network) -> list[str]:
    """Hook all layers; return a list that gets the name of a layer when its hook runs."""
    calls: list[str] = []
    for name, layer in network.named_sublayers():
        if not isinstance(layer, nn.LayerList):
            layer.register_forward_pre_hook(lambda layer, inputs, name=name: None)
            layer.register_forward_post_hook(lambda layer, inputs, outputs, name=name: calls.append(name))
    return calls


class Lora(nn.Linear):
    """A linear layer with a trained change of rank 2."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__(*base.weight.shape)
        self.weight, self.bias = base.weight, base.bias
        self.down, self.up = (
            self.create_parameter([base.weight.shape[0], 2]),
            self.create_parameter([2, base.weight.shape[1]]),
        )

    def forward(self, x):
        return super().forward(x) + x @ self.down @ self.up


# ---- Hooks
# ----------------------------------------------------------------------------------------------------------------------


@every_network
@both_modes
@pytest.mark.parametrize("graded", [True, False], ids=["with gradients", "without"])
def test_every_hook_runs_and_changes_no_number(name, mode, graded):
    network = network_of(name, mode)
    with contextlib.nullcontext() if graded else paddle.no_grad():
        expected = outputs_of(network)
        calls = hook_all(network)
        hooked = outputs_of(network)
    layers = {
        layer_name for layer_name, layer in network.named_sublayers() if not isinstance(layer, nn.LayerList)
    } - NOT_CALLED.get(name, set())
    assert set(calls) == layers
    np.testing.assert_allclose(hooked.numpy(), expected.numpy(), rtol=0, atol=TOLERANCE)


@every_network
def test_hooked_layers_have_the_gradients_of_fast_layers(name):
    network = network_of(name, "train")
    expected = gradients_of(network)
    hook_all(network)
    found = gradients_of(network)
    assert set(found) == set(expected)
    for key, gradient in expected.items():
        np.testing.assert_allclose(found[key], gradient, rtol=0, atol=TOLERANCE, err_msg=key)


@every_network
def test_called_and_fast_layers_draw_the_same_dropout(name):
    if name in ("first states", "pooled", "pretraining"):
        pytest.skip("the fast path of this network draws masks for fewer positions")
    config = dataclasses.replace(TINY, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.3)
    network = NETWORKS[name](config)
    network.train()
    expected = outputs_of(network).numpy()
    hook_all(network)
    np.testing.assert_allclose(outputs_of(network).numpy(), expected, rtol=0, atol=TOLERANCE)


@every_network
def test_a_pre_hook_of_one_layer_changes_the_result(name):
    network = network_of(name)
    before = outputs_of(network).numpy()
    layer = network.bert.encoder.layers[-1].linear1
    hook = layer.register_forward_pre_hook(lambda layer, inputs: (2 * inputs[0],))
    assert np.abs(outputs_of(network).numpy() - before).max() > 1e-3
    hook.remove()
    assert outputs_of(network).numpy().tobytes() == before.tobytes()


# ---- Replaced layers
# ----------------------------------------------------------------------------------------------------------------------


@every_network
@both_modes
@pytest.mark.parametrize("number", [0, -1], ids=["first layer", "last layer"])
def test_a_lora_of_q_proj_changes_the_loss_and_gets_a_gradient(name, mode, number):
    network = network_of(name, mode)
    before = float(outputs_of(network).square().mean())
    attention = network.bert.encoder.layers[number].self_attn
    attention.q_proj = lora = Lora(attention.q_proj)
    loss = outputs_of(network).square().mean()
    loss.backward()
    assert abs(float(loss) - before) > 1e-6
    assert float(lora.down.grad.abs().max()) > 0 and float(lora.up.grad.abs().max()) > 0
    with paddle.no_grad():
        np.testing.assert_allclose(float(outputs_of(network).square().mean()), float(loss), rtol=1e-5)


REPLACED = [
    "embeddings.word_embeddings",
    "embeddings.position_embeddings",
    "embeddings.token_type_embeddings",
    "embeddings.layer_norm",
    *(f"encoder.layers.{number}.{layer}" for number in (0, 2) for layer in ("linear1", "linear2", "norm1", "norm2")),
    *(f"encoder.layers.2.self_attn.{layer}" for layer in ("q_proj", "k_proj", "v_proj", "out_proj")),
    "encoder.layers.2.self_attn",
    "encoder.layers.2",
    "encoder",
]


class Twice(nn.Layer):
    """A layer that doubles the output of another layer."""

    def __init__(self, base: nn.Layer) -> None:
        super().__init__()
        self.base = base

    def forward(self, *inputs):
        return 2 * self.base(*inputs)

    def __getattr__(self, name):
        return super().__getattr__(name) if name in ("base",) else getattr(self.base, name)


@pytest.mark.parametrize("name", ["encoder", "pooled", "pretraining"])
@both_modes
@pytest.mark.parametrize("path", REPLACED)
def test_any_replaced_layer_is_used(name, mode, path):
    network = network_of(name, mode)
    before = outputs_of(network).numpy()
    owner, _, attribute = path.rpartition(".")
    parent = network.bert
    for part in owner.split(".") if owner else []:
        parent = parent[int(part)] if part.isdigit() else getattr(parent, part)
    if attribute.isdigit():
        parent[int(attribute)] = Twice(parent[int(attribute)])
    else:
        setattr(parent, attribute, Twice(getattr(parent, attribute)))
    assert np.abs(outputs_of(network).numpy() - before).max() > 1e-3


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: nn.Linear(4, 4, bias_attr=False),
        lambda layer: nn.LayerNorm(4, bias_attr=False),
        lambda layer: nn.LayerNorm(4, weight_attr=False),
        lambda layer: nn.Embedding(4, 4, padding_idx=0),
        lambda layer: nn.Embedding(4, 4, max_norm=1.0),
        lambda layer: nn.Dropout(),
        lambda layer: Lora(nn.Linear(4, 4)),
        lambda layer: setattr(layer, "forward", lambda x: x) or layer,
        lambda layer: layer.register_forward_pre_hook(lambda layer, inputs: None) and layer,
        lambda layer: layer.register_forward_post_hook(lambda layer, inputs, outputs: None) and layer,
        lambda layer: nn.utils.weight_norm(layer),
    ],
)
def test_changed_layers_are_not_plain(change):
    assert is_plain(nn.Linear(4, 4), nn.LayerNorm(4), nn.Embedding(4, 4))
    assert not is_plain(nn.LayerNorm(4), change(nn.Linear(4, 4)))


def test_plain_layers_are_computed_by_kernels_in_training_only(monkeypatch):
    network, asked = network_of("tokens", "train"), []
    states = choice.uses_kernels(paddle.ones([1]), training=True)
    monkeypatch.setattr("paddle_wwm.model.bert.layer_states", lambda layer, x, mask: asked.append(layer) or x)
    outputs_of(network)
    assert states and asked == list(network.bert.encoder.layers)
    network.eval()
    with paddle.no_grad():
        outputs_of(network)
    assert len(asked) == TINY.num_hidden_layers


def test_recomputed_layers_with_hooks_have_the_same_gradients():
    network = network_of("pretraining", "train")
    expected = gradients_of(network)
    recompute_layers(network.bert.encoder.layers)
    hook_all(network)
    for key, gradient in gradients_of(network).items():
        np.testing.assert_allclose(gradient, expected[key], rtol=0, atol=TOLERANCE, err_msg=key)


# ---- Paddle's tools
# ----------------------------------------------------------------------------------------------------------------------


@every_network
def test_summary_counts_the_parameters_of_every_layer(name, capsys):
    network = network_of(name)
    counted = paddle.summary(network, [(2, 9)] * 3, dtypes=["int64", "int64", "bool"])
    used = sum(
        one.size for key, one in network.named_parameters() if not key.startswith(tuple(NOT_CALLED.get(name, "\0")))
    )
    decoder = network.cls.predictions.decoder_bias.size if name == "pretraining" else 0
    assert counted["total_params"] in (used, used - decoder)
    printed = capsys.readouterr().out
    assert all(
        kind in printed for kind in ("Linear-", "Embedding-", "LayerNorm-", "BertSelfAttention-", "BertEncoder-")
    )


@every_network
@pytest.mark.parametrize("with_lora", [False, True], ids=["plain", "LoRA"])
def test_to_static_sees_the_layers(name, with_lora):
    network = network_of(name)
    if with_lora:
        for layer in network.bert.encoder.layers:
            layer.self_attn.q_proj = Lora(layer.self_attn.q_proj)
    with paddle.no_grad():
        expected = outputs_of(network).numpy()
        spec = [paddle.static.InputSpec([None, None], kind) for kind in ("int64", "int64", "bool")]
        static = paddle.jit.to_static(network, input_spec=spec, full_graph=True)
        np.testing.assert_allclose(outputs_of(static).numpy(), expected, rtol=0, atol=TOLERANCE)
