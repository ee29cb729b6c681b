"""The optimizers compared with numpy and with Paddle's own, and gradient clipping."""

import numpy as np
import paddle
import pytest

from paddle_wwm.config import OptimizerConfig, OptimizerName
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.runs.optim import (
    clip_gradients,
    has_weight_decay,
    make_optimizer,
    optimizer_arrays,
    set_optimizer_arrays,
)


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


def adamw_reference(value, gradient, state, *, rate, step, config, decay):
    state["m"] = config.beta1 * state["m"] + (1 - config.beta1) * gradient
    state["v"] = config.beta2 * state["v"] + (1 - config.beta2) * gradient**2
    corrected = np.sqrt(state["v"] / (1 - config.beta2**step)) + config.epsilon
    return value * (1 - rate * decay) - rate * state["m"] / (1 - config.beta1**step) / corrected


def trust_ratio(value, direction):
    norms = np.linalg.norm(value), np.linalg.norm(direction)
    return norms[0] / norms[1] if min(norms) > 0 else 1.0


def lamb_paddle_reference(value, gradient, state, *, rate, step, config, decay):
    state["m"] = config.beta1 * state["m"] + (1 - config.beta1) * gradient
    state["v"] = config.beta2 * state["v"] + (1 - config.beta2) * gradient**2
    first, second = state["m"] / (1 - config.beta1**step), state["v"] / (1 - config.beta2**step)
    direction = first / (np.sqrt(second) + config.epsilon) + decay * value
    return value - rate * (trust_ratio(value, direction) if decay else 1.0) * direction


def lamb_hfl_reference(value, gradient, state, *, rate, step, config, decay):
    state["m"] = config.beta1 * state["m"] + (1 - config.beta1) * gradient
    state["v"] = config.beta2 * state["v"] + (1 - config.beta2) * gradient**2
    direction = state["m"] / (np.sqrt(state["v"]) + config.epsilon) + decay * value
    return value - rate * trust_ratio(value, direction) * direction


REFERENCES = {
    OptimizerName.ADAMW: adamw_reference,
    OptimizerName.LAMB_PADDLE: lamb_paddle_reference,
    OptimizerName.LAMB_HFL: lamb_hfl_reference,
}


def gradients_of(model, *, seed):
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal(parameter.shape).astype(np.float32) for name, parameter in model.named_parameters()
    }


def update(model, optimizer, gradients, *, rate):
    for name, parameter in model.named_parameters():
        parameter.grad = paddle.to_tensor(gradients[name])
    optimizer.set_lr(rate)
    optimizer.step()
    optimizer.clear_grad()


@pytest.mark.parametrize("name", OptimizerName)
def test_every_optimizer_equals_its_numpy_reference_over_ten_steps(name):
    model, config = _TwoParameters(), OptimizerConfig(name=name, weight_decay=0.1)
    optimizer = make_optimizer(model, config)
    values = {key: parameter.numpy().astype(np.float64) for key, parameter in model.named_parameters()}
    assert not values["bias"].any()  # zero at first, to test that the ratio of LAMB is then 1
    state = {key: {"m": np.zeros_like(value), "v": np.zeros_like(value)} for key, value in values.items()}
    for step in range(1, 11):
        gradients, rate = gradients_of(model, seed=step), 0.01 * step
        for key in values:
            decay = config.weight_decay if key == "weight" else 0.0
            values[key] = REFERENCES[name](
                values[key], gradients[key], state[key], rate=rate, step=step, config=config, decay=decay
            )
        update(model, optimizer, gradients, rate=rate)
        for key, parameter in model.named_parameters():
            np.testing.assert_allclose(parameter.numpy(), values[key], atol=1e-5)


SIZES = ModelConfig(
    vocab_size=20,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    max_position_embeddings=8,
)


def paddles_own(model, config):
    decayed = {parameter.name for name, parameter in model.named_parameters() if has_weight_decay(name)}
    shared = {"learning_rate": 0.0, "epsilon": config.epsilon, "parameters": model.parameters()}
    if config.name is OptimizerName.ADAMW:
        return paddle.optimizer.AdamW(
            **shared, weight_decay=config.weight_decay, apply_decay_param_fun=lambda name: name in decayed
        )
    excluded = {"exclude_from_weight_decay_fn": lambda parameter: parameter.name not in decayed}
    return paddle.optimizer.Lamb(**shared, lamb_weight_decay=config.weight_decay, **excluded)


def twins():
    first, second = BertForPretraining(SIZES), BertForPretraining(SIZES)
    second.set_state_dict(first.state_dict())
    return first, second


def assert_equal_models(first, second):
    for name, tensor in first.state_dict().items():
        np.testing.assert_allclose(second.state_dict()[name].numpy(), tensor.numpy(), atol=1e-5, err_msg=name)


@pytest.mark.parity
@pytest.mark.parametrize("name", [OptimizerName.ADAMW, OptimizerName.LAMB_PADDLE])
def test_the_compiled_updates_equal_paddles_own_optimizers_and_continue_from_their_state(name):
    (ours, theirs), config = twins(), OptimizerConfig(name=name)
    optimizers = make_optimizer(ours, config), paddles_own(theirs, config)
    for step in range(10):
        if step == 5:  # as if a run on a GPU, which uses Paddle's optimizers, is resumed on the CPU
            again = make_optimizer(ours, config)
            set_optimizer_arrays(ours, again, optimizer_arrays(theirs, optimizers[1]))
            optimizers = again, optimizers[1]
        gradients = gradients_of(ours, seed=step)
        for model, optimizer in zip((ours, theirs), optimizers):
            update(model, optimizer, gradients, rate=0.01)
    assert_equal_models(ours, theirs)


def test_lamb_hfl_with_paddle_operations_equals_the_compiled_one(monkeypatch):
    compiled, by_paddle = twins()
    config = OptimizerConfig(name=OptimizerName.LAMB_HFL)
    optimizers = make_optimizer(compiled, config), make_optimizer(by_paddle, config)
    for step in range(10):
        gradients = gradients_of(compiled, seed=step)
        update(compiled, optimizers[0], gradients, rate=0.01)
        with monkeypatch.context() as patched:
            patched.setattr("paddle_wwm.runs.optim._is_on_cpu", lambda tensor: False)
            update(by_paddle, optimizers[1], gradients, rate=0.01)
    assert_equal_models(compiled, by_paddle)


def test_the_two_lambs_differ_for_parameters_without_decay():
    models = twins()
    for model, name in zip(models, (OptimizerName.LAMB_HFL, OptimizerName.LAMB_PADDLE)):
        optimizer = make_optimizer(model, OptimizerConfig(name=name))
        for step in range(3):
            update(model, optimizer, gradients_of(model, seed=step), rate=0.01)
    weights = [model.bert.embeddings.layer_norm.weight.numpy() for model in models]
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


def test_the_norm_is_not_finite_if_a_gradient_is_not_finite():
    for value in (np.nan, np.inf):
        model = _TwoParameters()
        model.weight.grad = paddle.to_tensor(np.array([[1, 2], [3, value], [5, 6]], np.float32))
        assert not np.isfinite(clip_gradients(model.parameters(), max_norm=1.0))
        assert model.weight.grad.numpy()[0, 0] == 1


def test_clipping_scales_all_gradients_to_the_largest_norm():
    model = _TwoParameters()
    model.weight.grad = paddle.full([3, 2], 3.0)
    model.bias.grad = paddle.full([2], 4.0)
    norm = clip_gradients(model.parameters(), max_norm=1.0)
    assert norm == pytest.approx(np.sqrt(6 * 9 + 2 * 16))
    np.testing.assert_allclose(model.weight.grad.numpy(), 3.0 / norm, rtol=1e-6)
    np.testing.assert_allclose(model.bias.grad.numpy(), 4.0 / norm, rtol=1e-6)


def test_a_gradient_below_the_largest_norm_is_unchanged():
    model = _TwoParameters()
    model.weight.grad = paddle.full([3, 2], 0.01)
    assert clip_gradients(model.parameters(), max_norm=1.0) == pytest.approx(0.01 * np.sqrt(6))
    np.testing.assert_array_equal(model.weight.grad.numpy(), np.full((3, 2), 0.01, np.float32))


@pytest.mark.parametrize("name", OptimizerName)
def test_the_optimizer_state_can_be_moved_to_another_model(name):
    first, second = twins()
    config = OptimizerConfig(name=name)
    optimizers = make_optimizer(first, config), make_optimizer(second, config)
    assert optimizer_arrays(first, optimizers[0]) == {}
    update(first, optimizers[0], gradients_of(first, seed=1), rate=0.01)
    arrays = optimizer_arrays(first, optimizers[0])
    slots = {"moment1", "moment2", "beta1_pow_acc", "beta2_pow_acc"}
    assert set(arrays) == {f"{parameter}/{slot}" for parameter, _ in first.named_parameters() for slot in slots}

    second.set_state_dict(first.state_dict())
    set_optimizer_arrays(second, optimizers[1], arrays)
    for model, optimizer in zip((first, second), optimizers):
        update(model, optimizer, gradients_of(model, seed=2), rate=0.01)
    for parameter, tensor in first.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), second.state_dict()[parameter].numpy(), err_msg=parameter)
