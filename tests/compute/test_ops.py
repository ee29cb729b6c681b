"""The fast CPU operations compared with their definitions in Paddle: outputs and all gradients within 1e-5."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import paddle
import paddle.nn as nn
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.compute import ops
from paddle_wwm.compute.choice import exact
from paddle_wwm.compute.dropout import Mask, draw_mask, dropout_state, seed_dropout, set_dropout_state
from paddle_wwm.model.bert import BertEmbeddings
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.random_bits import random_uint64

from ..conftest import ROOT

TOLERANCE = 1e-5
RATES = [0.0, 0.1]
# includes widths that are not multiples of 4 or 16, and few rows
SHAPES = [(2, 3, 5), (1, 1, 1), (3, 7, 18), (2, 8, 64)]


def tensor(shape, *, seed, scale=1.0, trained=True) -> paddle.Tensor:
    result = paddle.to_tensor((scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32))
    result.stop_gradient = not trained
    return result


def linear_of(rows, columns, *, seed) -> nn.Linear:
    layer = nn.Linear(rows, columns)
    for number, parameter in enumerate(layer.parameters()):
        parameter.set_value(tensor(parameter.shape, seed=seed + number, scale=0.5))
    return layer


def norm_of(width, *, seed) -> nn.LayerNorm:
    norm = nn.LayerNorm(width, epsilon=1e-6)
    for number, parameter in enumerate(norm.parameters()):
        parameter.set_value(1 + tensor(parameter.shape, seed=seed + number, scale=0.3))
    return norm


def embeddings_of(*, rate: float = 0.0) -> BertEmbeddings:
    """Return embeddings of 30 words, 9 positions and 2 types, with width 6."""
    layer = BertEmbeddings(
        ModelConfig(
            vocab_size=30,
            hidden_size=6,
            num_attention_heads=2,
            max_position_embeddings=9,
            hidden_dropout_prob=rate,
        )
    )
    for number, parameter in enumerate(layer.layer_norm.parameters()):
        parameter.set_value(1 + tensor(parameter.shape, seed=number, scale=0.3))
    return layer


def compare(function, inputs) -> None:
    """Compare output and gradients of `inputs`, fast and exact.

    The loss has a different weight for every element.
    """
    found = []
    for setting in (contextlib.nullcontext, exact):
        set_dropout_state((5, 0))
        with setting():
            output = function()
            weights = tensor(output.shape, seed=99, trained=False)
            (output * weights).sum().backward()
        found.append([output.numpy(), *(one.grad.numpy() for one in inputs)])
        for one in inputs:
            one.clear_gradient(set_to_zero=False)
    for number, (fast, by_paddle) in enumerate(zip(*found, strict=True)):
        np.testing.assert_allclose(
            fast, by_paddle, rtol=1e-5, atol=TOLERANCE, err_msg=f"gradient {number - 1}" if number else "output"
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_linear_equals_its_definition(shape):
    x, layer = tensor(shape, seed=1), linear_of(shape[-1], 4, seed=2)
    compare(lambda: ops.linear(x, layer), [x, *layer.parameters()])


def test_decode_equals_its_definition():
    x, words, bias = tensor((5, 6), seed=1), tensor((30, 6), seed=2), tensor((30,), seed=3)
    compare(lambda: ops.decode(x, words, bias), [x, words, bias])


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("shape", SHAPES)
def test_linear_activation_equals_its_definition(shape, activation):
    x, layer = tensor(shape, seed=1, scale=3), linear_of(shape[-1], 6, seed=2)
    compare(lambda: ops.linear_activation(x, layer, activation), [x, *layer.parameters()])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[-1] > 1])
def test_linear_add_norm_equals_its_definition(shape, rate):
    x, residual = tensor((*shape[:-1], 7), seed=1), tensor(shape, seed=2)
    layer, norm = linear_of(7, shape[-1], seed=3), norm_of(shape[-1], seed=5)
    inputs = [x, residual, *layer.parameters(), *norm.parameters()]
    compare(lambda: ops.linear_add_norm(x, layer, residual, norm, rate=rate, training=True), inputs)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", [(1, 1, 1, 1, 4), (2, 9, 9, 3, 5), (3, 2, 17, 2, 8)], ids=str)
def test_attend_equals_its_definition(size, rate):
    rows, num_queries, length, heads, width = size
    q, k, v = (
        tensor((rows, count, heads, width), seed=seed, scale=2)
        for seed, count in enumerate((num_queries, length, length))
    )
    mask = paddle.to_tensor(np.arange(length) < np.array([length, max(1, length // 2), 1])[:rows, None])
    compare(lambda: ops.attend(q, k, v, mask, rate=rate, training=True), [q, k, v])


@pytest.mark.parametrize("rate", RATES)
def test_embed_equals_its_definition(rate):
    layer = embeddings_of(rate=rate)
    rng = np.random.default_rng(0)
    ids, types = paddle.to_tensor(rng.integers(0, 30, (4, 7))), paddle.to_tensor(rng.integers(0, 2, (4, 7)))
    compare(lambda: layer(ids, types), layer.parameters())


def test_fused_attention_equals_attend():
    q, k, v = (tensor((2, 6, 3, 8), seed=seed) for seed in range(3))
    mask = paddle.to_tensor(np.arange(6) < np.array([6, 4])[:, None])
    weights, found = tensor(q.shape, seed=9, trained=False), []
    for attend in (ops.attend, ops.fused_attention):
        output = attend(q, k, v, mask, rate=0.0, training=True)
        (output * weights).sum().backward()
        found.append([output.numpy(), *(one.grad.numpy() for one in (q, k, v))])
        for one in (q, k, v):
            one.clear_gradient(set_to_zero=False)
    for actual, expected in zip(*found):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


# ---- Values
# ----------------------------------------------------------------------------------------------------------------------


def test_gelu_and_its_slope_are_accurate_for_all_inputs():
    from scipy.special import erf

    values = np.concatenate([np.linspace(-30, 30, 5001), [-3e4, -1e-30, 0.0, 1e-30, 3e4]])
    layer = nn.Linear(len(values), len(values))
    layer.weight.set_value(paddle.zeros(layer.weight.shape))
    layer.bias.set_value(values.astype(np.float32))
    x = tensor((1, len(values)), seed=1)
    output = ops.linear_activation(x, layer, "gelu")
    output.sum().backward()
    exact = values.astype(np.float32).astype(np.float64)
    phi = 0.5 * (1 + erf(exact / np.sqrt(2)))
    np.testing.assert_allclose(output.numpy()[0], exact * phi, rtol=3e-7, atol=5e-7)
    slope = phi + exact * np.exp(-0.5 * exact**2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(layer.bias.grad.numpy(), slope, rtol=0, atol=5e-7)


def test_scores_of_any_size_give_weights_that_sum_to_1():
    q = tensor((1, 4, 1, 1), seed=1)
    for size in (0.0, 1e-30, 1.0, 1e4, 1e30):
        k, v = paddle.to_tensor([[size], [-size], [0.5 * size]]).reshape([1, 3, 1, 1]), paddle.ones([1, 3, 1, 1])
        output = ops.attend(q, k, v, paddle.ones([1, 3], "bool"), rate=0.0, training=True)
        np.testing.assert_allclose(output.numpy(), 1.0, atol=1e-6)


def test_a_masked_position_does_not_change_the_output():
    q, v = tensor((1, 2, 1, 4), seed=1), tensor((1, 3, 1, 4), seed=2)
    mask = paddle.to_tensor([[True, True, False]])
    outputs = []
    for value in (0.0, 50.0):
        k = tensor((1, 3, 1, 4), seed=3, trained=False)
        k[:, 2] = value
        outputs.append(ops.attend(q, k, v, mask, rate=0.0, training=True).numpy().tobytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_reach_the_output(value):
    x = tensor((2, 3, 6), seed=1, trained=False)
    x[0, 1, 2] = value
    layer, norm, mask = linear_of(6, 6, seed=2), norm_of(6, seed=3), paddle.ones([2, 3], "bool")
    heads = x.reshape([2, 3, 1, 6])
    outputs = [
        ops.linear_activation(x, layer, "gelu"),
        ops.linear_add_norm(x, layer, tensor((2, 3, 6), seed=4), norm, rate=0.0, training=True),
        ops.attend(heads, heads, heads, mask, rate=0.0, training=True),
    ]
    for output in outputs:
        assert not np.isfinite(output.numpy()[0]).all()
        assert np.isfinite(output.numpy()[1]).all()


# ---- Dropout
# ----------------------------------------------------------------------------------------------------------------------


@given(key=st.integers(0, 2**64 - 1), rows=st.integers(1, 5), columns=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_a_mask_uses_16_bits_per_element_of_random_uint64(key, rows, columns):
    words = -(-columns // 4)
    bits = random_uint64(np.uint64(key), rows * words).view(np.uint16).reshape(rows, -1)[:, :columns]
    factors = Mask(key=key, threshold=30000, scale=2.0).factors([rows, columns])
    assert factors.tolist() == np.where(bits >= 30000, 2.0, 0.0).tolist()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_its_share_and_the_mean(rate):
    seed_dropout(1)
    residual, layer, norm = paddle.zeros([2000, 64]), nn.Linear(4, 64), nn.LayerNorm(64)
    layer.bias.set_value(paddle.ones([64]))
    layer.weight.set_value(paddle.zeros([4, 64]))
    output = ops.linear_add_norm(paddle.zeros([2000, 4]), layer, residual, norm, rate=rate, training=True).numpy()
    kept = (output > 0).mean()
    assert abs(kept - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / output.size)
    assert abs(draw_mask(rate, training=True).factors([2000, 64]).mean() - 1) < 0.02


def test_masks_depend_on_the_key_and_on_their_number():
    def masks(key):
        seed_dropout(key)
        return [draw_mask(0.5, training=True).factors([4, 50]).tobytes() for _ in range(3)]

    first = masks(7)
    assert len(set(first)) == 3 and masks(7) == first
    assert not set(masks(8)) & set(first)


def test_restoring_the_dropout_state_repeats_the_masks():
    seed_dropout(3)
    draw_mask(0.5, training=True)
    state = dropout_state()
    drawn = [draw_mask(0.5, training=True) for _ in range(2)]
    set_dropout_state(state)
    assert [draw_mask(0.5, training=True) for _ in range(2)] == drawn


# ---- Parameters, types and inputs
# ----------------------------------------------------------------------------------------------------------------------


def test_frozen_parameters_get_no_gradient_and_the_others_do():
    x, residual = tensor((3, 4), seed=1, trained=False), tensor((3, 5), seed=2, trained=False)
    layer, norm = linear_of(4, 5, seed=3), norm_of(5, seed=4)
    layer.weight.stop_gradient = norm.bias.stop_gradient = True
    (ops.linear_add_norm(x, layer, residual, norm, rate=0.0, training=True) ** 2).sum().backward()
    assert layer.weight.grad is None and norm.bias.grad is None and x.grad is None
    assert float(layer.bias.grad.abs().sum()) > 0 and float(norm.weight.grad.abs().sum()) > 0


def test_ids_may_be_int32():
    layer = embeddings_of()
    ids, types = paddle.to_tensor([[3, 29, 0]]), paddle.to_tensor([[0, 1, 1]])
    outputs = [layer(ids.astype(kind), types.astype(kind)).numpy() for kind in ("int64", "int32")]
    assert outputs[0].tobytes() == outputs[1].tobytes()


def test_float64_uses_paddles_own_operations():
    x = paddle.to_tensor(np.random.default_rng(0).standard_normal((2, 4)))
    layer = linear_of(4, 3, seed=1).to(dtype="float64")
    output = ops.linear_activation(x, layer, "gelu")
    assert output.dtype == paddle.float64


@pytest.mark.parametrize(
    ("ids", "types", "message"),
    [
        ([[1, 30]], [[0, 0]], "`input_ids` must be at least 0 and below 30, but has 1 to 30"),
        ([[1, -1]], [[0, 0]], "`input_ids` must be at least 0 and below 30, but has -1 to 1"),
        ([[1, 2]], [[0, 2]], "`token_type_ids` must be at least 0 and below 2, but has 0 to 2"),
        ([[1] * 10], [[0] * 10], "`input_ids` must have at most 9 columns"),
    ],
)
def test_ids_outside_the_tables_are_refused(ids, types, message):
    with pytest.raises(ValueError, match=message):
        embeddings_of()(paddle.to_tensor(ids), paddle.to_tensor(types))


def test_inference_needs_no_numba():
    code = (
        "import sys, paddle\n"
        "from tests.model.builders import outputs_of, padded_inputs, scrambled_model\n"
        "model = scrambled_model()\n"
        "with paddle.no_grad():\n"
        "    outputs_of(model, padded_inputs())\n"
        "sys.exit('numba' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=False).returncode == 0
