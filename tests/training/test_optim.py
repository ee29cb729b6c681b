"""The optimizer against numpy, step by step."""

import numpy as np
import paddle
import pytest

from paddle_wwm.config import ModelConfig, OptimizerConfig, PhaseConfig
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.training.optim import (
    clip_gradients,
    has_weight_decay,
    learning_rate_at,
    make_optimizer,
    optimizer_arrays,
    set_optimizer_arrays,
)

PHASE = PhaseConfig(max_seq_length=64, global_batch_size=8, num_steps=10, learning_rate=1.0, num_warmup_steps=4)


def test_the_rate_rises_linearly_and_falls_linearly_to_zero_after_the_last_step():
    rates = [learning_rate_at(step, PHASE) for step in range(11)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0.0])


def test_biases_and_layer_norms_are_not_decayed():
    names = {
        "bert.embeddings.word_embeddings.weight": True,
        "bert.embeddings.layer_norm.weight": False,
        "bert.encoder.layers.0.norm1.weight": False,
        "bert.encoder.layers.0.norm2.bias": False,
        "bert.encoder.layers.0.linear1.weight": True,
        "bert.encoder.layers.0.self_attn.q_proj.bias": False,
        "cls.predictions.decoder_bias": False,
        "cls.predictions.layer_norm.weight": False,
        "cls.seq_relationship.weight": True,
    }
    assert {name: has_weight_decay(name) for name in names} == names


class _TwoParameters(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.weight = self.create_parameter([3, 2])
        self.bias = self.create_parameter([2], is_bias=True)


def test_adamw_equals_its_numpy_reference_over_ten_steps():
    rng = np.random.default_rng(0)
    model = _TwoParameters()
    config = OptimizerConfig(weight_decay=0.1)
    optimizer = make_optimizer(model, config)
    values = {name: parameter.numpy().astype(np.float64) for name, parameter in model.named_parameters()}
    first, second = ({name: np.zeros_like(value) for name, value in values.items()} for _ in range(2))
    for step in range(1, 11):
        rate = 0.01 * step
        for name, parameter in model.named_parameters():
            gradient = rng.standard_normal(parameter.shape).astype(np.float32)
            parameter.grad = paddle.to_tensor(gradient)
            first[name] = config.beta1 * first[name] + (1 - config.beta1) * gradient
            second[name] = config.beta2 * second[name] + (1 - config.beta2) * gradient**2
            values[name] *= 1 - rate * (config.weight_decay if name == "weight" else 0.0)
            corrected = np.sqrt(second[name] / (1 - config.beta2**step)) + config.epsilon
            values[name] -= rate * first[name] / (1 - config.beta1**step) / corrected
        optimizer.set_lr(rate)
        optimizer.step()
        optimizer.clear_grad()
        for name, parameter in model.named_parameters():
            np.testing.assert_allclose(parameter.numpy(), values[name], atol=1e-5)


def test_clipping_scales_the_whole_gradient_to_the_largest_norm():
    model = _TwoParameters()
    model.weight.grad = paddle.full([3, 2], 3.0)
    model.bias.grad = paddle.full([2], 4.0)
    norm = clip_gradients(model.parameters(), max_norm=1.0)
    assert norm == pytest.approx(np.sqrt(6 * 9 + 2 * 16))
    np.testing.assert_allclose(model.weight.grad.numpy(), 3.0 / norm, rtol=1e-6)
    np.testing.assert_allclose(model.bias.grad.numpy(), 4.0 / norm, rtol=1e-6)


def test_a_gradient_within_the_norm_is_left_alone():
    model = _TwoParameters()
    model.weight.grad = paddle.full([3, 2], 0.01)
    assert clip_gradients(model.parameters(), max_norm=1.0) == pytest.approx(0.01 * np.sqrt(6))
    np.testing.assert_array_equal(model.weight.grad.numpy(), np.full((3, 2), 0.01, np.float32))


def test_the_optimizer_state_moves_to_another_model_under_structured_names():
    config = ModelConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=8)

    def step(model, optimizer, seed):
        rng = np.random.default_rng(seed)
        for _, parameter in model.named_parameters():
            parameter.grad = paddle.to_tensor(rng.standard_normal(parameter.shape).astype(np.float32))
        optimizer.set_lr(0.01)
        optimizer.step()
        optimizer.clear_grad()

    first, second = BertForPretraining(config), BertForPretraining(config)
    first_optimizer, second_optimizer = make_optimizer(first, OptimizerConfig()), make_optimizer(second, OptimizerConfig())
    step(first, first_optimizer, seed=1)
    arrays = optimizer_arrays(first, first_optimizer)
    assert "bert.encoder.layers.0.linear1.weight/moment1_0" in arrays

    second.set_state_dict(first.state_dict())
    set_optimizer_arrays(second, second_optimizer, arrays)
    step(first, first_optimizer, seed=2)
    step(second, second_optimizer, seed=2)
    for name, tensor in first.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), second.state_dict()[name].numpy(), err_msg=name)
