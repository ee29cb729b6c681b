"""AdamW, the learning rate schedule and gradient clipping, as BERT has them."""

from __future__ import annotations

from typing import Iterable

import numpy as np
import paddle

from ..config import OptimizerConfig, PhaseConfig


def learning_rate_at(step: int, phase: PhaseConfig) -> float:
    """The rate of step 0, 1, … of a phase: linear warm-up from 0, then linear decay to 0 at the phase's end.

    Step s counts as s + 1 during warm-up, so that the first update is not lost.
    """
    if step < phase.num_warmup_steps:
        return phase.learning_rate * (step + 1) / phase.num_warmup_steps
    return phase.learning_rate * (phase.num_steps - step) / max(1, phase.num_steps - phase.num_warmup_steps)


def has_weight_decay(name: str) -> bool:
    """Whether BERT decays the parameter of that name: not biases, not LayerNorm."""
    return not (name.endswith(("bias", "decoder_bias")) or "layer_norm" in name or "norm1" in name or "norm2" in name)


def make_optimizer(model: paddle.nn.Layer, config: OptimizerConfig) -> paddle.optimizer.Optimizer:
    """AdamW over the parameters that are trained; its learning rate is set before every step."""
    trained = [(name, parameter) for name, parameter in model.named_parameters() if not parameter.stop_gradient]
    decayed = {parameter.name for name, parameter in trained if has_weight_decay(name)}
    return paddle.optimizer.AdamW(
        learning_rate=0.0,
        beta1=config.beta1,
        beta2=config.beta2,
        epsilon=config.epsilon,
        parameters=[parameter for _, parameter in trained],
        weight_decay=config.weight_decay,
        apply_decay_param_fun=lambda name: name in decayed,
    )


@paddle.no_grad()
def clip_gradients(parameters: Iterable[paddle.Tensor], *, max_norm: float) -> float:
    """Scale all gradients so that their common L2 norm is at most max_norm; returns the norm before."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    # a dot product: paddle.norm is over ten times slower on an embedding's gradient
    squares = paddle.stack([paddle.dot(gradient.flatten(), gradient.flatten()) for gradient in gradients])
    norm = float(paddle.sqrt(squares.astype("float64").sum()))
    if norm > max_norm and np.isfinite(norm):
        for gradient in gradients:
            gradient.scale_(max_norm / norm)
    return norm


def optimizer_arrays(model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> dict[str, np.ndarray]:
    """The optimizer's state by structured names, "bert.pooler.dense.weight/moment1_0": Paddle's own keys hold counters of the process."""
    structured = {parameter.name: name for name, parameter in model.named_parameters()}
    arrays = {}
    for key, value in optimizer.state_dict().items():
        owner = max((name for name in structured if key.startswith(name + "_")), key=len, default=None)
        if owner is not None:
            arrays[f"{structured[owner]}/{key[len(owner) + 1:]}"] = value.numpy()
    return arrays


def set_optimizer_arrays(model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer, arrays: dict[str, np.ndarray]) -> None:
    """The reverse of `optimizer_arrays`."""
    names = {name: parameter.name for name, parameter in model.named_parameters()}
    state = {}
    for key, array in arrays.items():
        name, slot = key.split("/")
        state[f"{names[name]}_{slot}"] = paddle.to_tensor(array)
    optimizer.set_state_dict(state)
