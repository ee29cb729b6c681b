"""Training with products of bfloat16 numbers: layers equal a textbook in Paddle, and gradients are close to float32's.

The textbook rounds both operands of every product, in both passes, and uses Paddle's float32 product and its autograd.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle.autograd import PyLayer

from paddle_wwm.compute import onednn, ops
from paddle_wwm.compute.bf16 import bfloat16_products, empty16, plain_gemm, rounded, widened
from paddle_wwm.compute.choice import exact
from paddle_wwm.compute.dropout import dropout, dropout_state, seed_dropout
from paddle_wwm.model.shortcuts import ReadPositions, gather_positions, layer_states
from paddle_wwm.tokenization.vocab import IGNORED_LABEL

from ..model.builders import padded_inputs, scrambled_model
from ..model.test_fast_training import DROPOUT, gradients_of, trained_model
from .test_onednn import GEMMS, numbers

SMALLEST_COSINE = 0.9999


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
    return float(x @ y / math.sqrt((x @ x) * (y @ y)))


def assert_same_direction(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], *, least: float) -> None:
    """Compare gradients by their cosine and norm. The true gradient of the key bias is 0: its norm is small."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        if name.endswith("k_proj.bias"):
            layer = np.linalg.norm(expected[name.replace("bias", "weight")])
            assert np.linalg.norm(found[name]) <= 1e-3 * layer, name
        else:
            assert cosine(found[name], value) >= least, name
            assert abs(np.linalg.norm(found[name]) / np.linalg.norm(value) - 1) <= 0.01, name


# ---- Numbers
# ----------------------------------------------------------------------------------------------------------------------


def test_rounding_goes_to_the_nearest_number_and_ties_to_even():
    ties = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0xBF818000], np.uint32).view(np.float32)
    assert [hex(value) for value in rounded(ties)] == ["0x3f80", "0x3f82", "0x3f81", "0x3f80", "0xbf82"]
    special = np.array([np.inf, -np.inf, 0.0, -0.0, 1e-40, 3.4e38], np.float32)
    assert [hex(value) for value in rounded(special)] == ["0x7f80", "0xff80", "0x0", "0x8000", "0x1", "0x7f80"]
    assert np.isnan(widened(rounded(np.array([np.nan], np.float32)))).all()
    values = numbers(1000)
    assert (np.abs(widened(rounded(values)) / values - 1) <= 2**-8).all()


def test_arrays_start_on_a_cache_line():
    assert all(empty16(3, size).ctypes.data % 64 == 0 for size in range(1, 40))


# ---- Layers and their textbook
# ----------------------------------------------------------------------------------------------------------------------


class _RoundedProduct(PyLayer):
    @staticmethod
    def forward(ctx, x, y):
        x, y = (paddle.to_tensor(widened(rounded(operand.numpy()))) for operand in (x, y))
        ctx.operands = x, y
        return paddle.matmul(x, y)

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.operands
        grad = paddle.to_tensor(widened(rounded(grad.numpy())))
        y_grad = (
            paddle.matmul(x.reshape([-1, x.shape[-1]]), grad.reshape([-1, grad.shape[-1]]), transpose_x=True)
            if y.ndim == 2
            else paddle.matmul(x, grad, transpose_x=True)
        )
        return paddle.matmul(grad, y, transpose_y=True), y_grad


def textbook_linear(x, layer):
    return _RoundedProduct.apply(x, layer.weight) + layer.bias


def textbook_layer(layer, x, mask, read=None):
    """Compute a BertLayer, all positions, and then gather those that are read."""
    attention, rate = layer.self_attn, layer.dropout_rate
    q, k, v = (
        textbook_linear(x, part).reshape([0, 0, attention.num_heads, attention.head_size]).transpose([0, 2, 1, 3])
        for part in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    scores = _RoundedProduct.apply(q, k.transpose([0, 1, 3, 2])) / math.sqrt(attention.head_size)
    weights = F.softmax(scores + ops.attention_bias(mask, dtype=x.dtype))
    weights = dropout(weights, attention.dropout_rate, training=True)
    context = _RoundedProduct.apply(weights, v).transpose([0, 2, 1, 3]).reshape(x.shape)
    x = layer.norm1(x + dropout(textbook_linear(context, attention.out_proj), rate, training=True))
    inner = ops.ACTIVATIONS[layer.activation](textbook_linear(x, layer.linear1))
    x = layer.norm2(x + dropout(textbook_linear(inner, layer.linear2), rate, training=True))
    return x if read is None else gather_positions(x, read.flat)


def compare_layers(gemm, *, reads=False, **changes) -> None:
    layer = trained_model(**changes).bert.encoder.layers[0]
    x, inputs = paddle.to_tensor(numbers(3, 20, 32)), padded_inputs()
    x.stop_gradient = False
    read = ReadPositions.of(inputs.flat_positions, shape=x.shape) if reads else None
    results = []
    for run in (textbook_layer, layer_states):
        seed_dropout(4)
        with bfloat16_products(gemm), exact() if run is textbook_layer else contextlib.nullcontext():
            output = run(layer, x, inputs.attention_mask, read)
            (output * paddle.to_tensor(numbers(*output.shape, seed=9))).sum().backward()
        gradients = {name: parameter.grad.numpy() for name, parameter in layer.named_parameters()}
        results.append((output.numpy(), gradients | {"x": x.grad.numpy()}, dropout_state()))
        for tensor in (x, *layer.parameters()):
            tensor.clear_gradient(set_to_zero=False)
    (expected, expected_gradients, state), (found, gradients, found_state) = results
    # an operand on the edge between two numbers may be rounded to the other one
    assert np.abs(found - expected).mean() <= 1e-3 and cosine(found, expected) >= 0.99999
    assert_same_direction(gradients, expected_gradients, least=SMALLEST_COSINE)
    assert found_state == state


@pytest.mark.parametrize("gemm", GEMMS)
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_a_layer_equals_the_textbook(gemm, activation):
    compare_layers(gemm, hidden_act=activation)


@pytest.mark.parametrize("gemm", GEMMS)
def test_dropout_draws_the_masks_of_the_textbook(gemm):
    compare_layers(gemm, **DROPOUT)


@pytest.mark.parametrize("gemm", GEMMS)
def test_a_layer_that_is_read_at_some_positions_equals_the_textbook(gemm):
    compare_layers(gemm, reads=True)


# ---- The loss of masked words
# ----------------------------------------------------------------------------------------------------------------------


def loss_and_gradients(x, words, bias, labels, *, factor=0.25):
    loss, correct = ops.masked_loss(x, words, bias, paddle.to_tensor(labels), ignored=IGNORED_LABEL)
    (loss * factor).backward()
    gradients = {name: tensor.grad.numpy() for name, tensor in (("x", x), ("words", words), ("bias", bias))}
    for tensor in (x, words, bias):
        tensor.clear_gradient(set_to_zero=False)
    return float(loss), correct.numpy(), gradients


def trained(*shape, seed, scale=1.0):
    tensor = paddle.to_tensor(scale * numbers(*shape, seed=seed))
    tensor.stop_gradient = False
    return tensor


@pytest.mark.parametrize("gemm", GEMMS)
@pytest.mark.parametrize("num_rows", [1, 5, 128, 300])
def test_the_loss_of_masked_words_equals_its_definition(gemm, num_rows):
    x, words, bias = trained(num_rows, 16, seed=1), trained(50, 16, seed=2, scale=0.5), trained(50, seed=3)
    for tensor in (x, words):  # numbers that rounding does not change
        tensor.set_value(widened(rounded(tensor.numpy())))
    labels = np.random.default_rng(4).integers(0, 50, num_rows)
    labels[1::7] = IGNORED_LABEL
    expected_loss, expected_correct, expected = loss_and_gradients(x, words, bias, labels)
    with bfloat16_products(gemm):
        loss, correct, found = loss_and_gradients(x, words, bias, labels)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    np.testing.assert_array_equal(correct, expected_correct)
    for name, value in expected.items():
        assert cosine(found[name], value) >= 0.9999, name
        np.testing.assert_allclose(found[name], value, rtol=0, atol=2**-7 * np.abs(value).max(), err_msg=name)


def test_of_several_largest_scores_the_first_counts_as_the_guess():
    x, words, bias = paddle.ones([3, 4]), paddle.ones([6, 4]), paddle.zeros([6])
    words.stop_gradient = False
    with bfloat16_products(plain_gemm):
        _, correct = ops.masked_loss(x, words, bias, paddle.to_tensor([0, 3, 5]), ignored=IGNORED_LABEL)
    assert correct.numpy().tolist() == [True, False, False]


@pytest.mark.parametrize("gemm", GEMMS)
def test_a_batch_without_predictions_has_no_loss_and_gradients_of_zero(gemm):
    model, inputs = trained_model(), padded_inputs()
    nothing = paddle.to_tensor(np.zeros(0, np.int64))
    arguments = (inputs.input_ids, inputs.token_type_ids, inputs.attention_mask, nothing, True, nothing)
    with bfloat16_products(gemm):
        (loss, correct), relations = model(*arguments)
        (loss + relations.sum()).backward()
    assert float(loss) == 0.0 and correct.shape == [0]
    assert np.isfinite(model.bert.embeddings.word_embeddings.weight.grad.numpy()).all()
    assert not model.cls.predictions.decoder_bias.grad.numpy().any()


def test_a_loss_that_is_not_finite_stays_so():
    words, bias = trained(20, 8, seed=2), trained(20, seed=3)
    x = paddle.to_tensor(numbers(3, 8))
    x[1] = np.nan
    with bfloat16_products(plain_gemm):
        loss, _ = ops.masked_loss(x, words, bias, paddle.to_tensor([1, 2, 3]), ignored=IGNORED_LABEL)
    assert np.isnan(float(loss))


def test_labels_outside_of_the_vocabulary_are_refused():
    x, words, bias = trained(2, 8, seed=1), trained(20, 8, seed=2), trained(20, seed=3)
    with bfloat16_products(plain_gemm), pytest.raises(ValueError, match="`labels` must be below 20, but has 20"):
        ops.masked_loss(x, words, bias, paddle.to_tensor([1, 20]), ignored=IGNORED_LABEL)


# ---- Models
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gemm", GEMMS)
@pytest.mark.parametrize("changes", [{}, DROPOUT, {"num_hidden_layers": 12}], ids=["plain", "dropout", "12 layers"])
def test_all_gradients_of_a_model_have_the_direction_of_float32s(gemm, changes):
    sizes = {"hidden_size": 64, "intermediate_size": 256, "initializer_range": 0.02}
    model, inputs = trained_model(**sizes, **changes), padded_inputs()
    for name, parameter in model.named_parameters():  # a scale at which training happens
        if "norm" not in name:
            parameter.set_value(parameter * 0.3)
    expected = gradients_of(model, inputs)
    with bfloat16_products(gemm):
        found = gradients_of(model, inputs)
    assert any(not np.array_equal(found[name], expected[name]) for name in found)
    assert_same_direction(found, expected, least=0.999)


def test_a_layer_with_a_hook_is_called_and_computed_in_float32():
    model, inputs, seen = trained_model(), padded_inputs(), []
    expected = gradients_of(model, inputs)
    hooks = [
        part.register_forward_post_hook(lambda layer, given, output: seen.append(output.dtype))
        for layer in model.bert.encoder.layers
        for part in (layer.linear1, layer.self_attn.q_proj)
    ]
    with bfloat16_products(plain_gemm):
        found = gradients_of(model, inputs)
    assert seen == [paddle.float32] * len(hooks)
    assert (
        cosine(found["bert.encoder.layers.0.linear1.weight"], expected["bert.encoder.layers.0.linear1.weight"]) > 0.99
    )


def test_evaluation_is_computed_in_float32():
    model, inputs = scrambled_model(), padded_inputs()
    arguments = (inputs.input_ids, inputs.token_type_ids, inputs.attention_mask, inputs.flat_positions, True)
    with paddle.no_grad():
        expected = model(*arguments)[0].numpy()
        with bfloat16_products(plain_gemm):
            assert model(*arguments)[0].numpy().tobytes() == expected.tobytes()


def test_frozen_parameters_get_no_gradient():
    model, inputs = trained_model(), padded_inputs()
    frozen = [name for name, _ in model.named_parameters() if "layers.0" in name or "embeddings" in name]
    for name, parameter in model.named_parameters():
        parameter.stop_gradient = name in frozen
    with bfloat16_products(plain_gemm):
        loss = model(*(getattr(inputs, name) for name in INPUTS), True)[0].sum()
        loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (name in frozen or "relationship" in name or "pooler" in name), name


INPUTS = ("input_ids", "token_type_ids", "attention_mask", "flat_positions")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("gemm", GEMMS)
def test_nan_and_infinity_reach_the_output(gemm, value):
    layer, mask = trained_model().bert.encoder.layers[0], paddle.ones([2, 5], "bool")
    x = paddle.to_tensor(numbers(2, 5, 32))
    x[0, 1, 2] = value
    with bfloat16_products(gemm):
        output = layer_states(layer, x, mask).numpy()
    assert not np.isfinite(output[0]).all() and np.isfinite(output[1]).all()


def test_outside_of_the_context_nothing_changes():
    model, inputs = trained_model(), padded_inputs()
    expected = gradients_of(model, inputs)
    with bfloat16_products(plain_gemm):
        gradients_of(model, inputs)
    for name, value in gradients_of(model, inputs).items():
        np.testing.assert_array_equal(value, expected[name])
    assert onednn.missing() or onednn.version()
