"""AdamW, two variants of LAMB, and gradient clipping.

Paddle's optimizers hold the state and make the updates on GPUs. On the CPU, a compiled update with the same rule
(`fused_update.py`) replaces theirs. In the table, m and v are the moments of the clipped gradient, t is the number of
the update, and L is the learning rate:

              direction d of a parameter p                                          update of p
    adamw        (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)              -L * (d + decay * p)
    lamb-paddle  (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + decay * p  -L * |p| / |d| * d, or
                                                                                    -L * d for p without decay
    lamb-hfl     m / (sqrt(v) + eps) + decay * p                                    -L * |p| / |d| * d

The ratio |p| / |d| is 1 if either norm is 0. decay is 0 for biases and LayerNorms. lamb-hfl is the optimizer that the
published models were trained with (github.com/ymcui/LAMB_Optimizer_TF). lamb-paddle omits the ratio for parameters
without decay.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Sequence

import numpy as np
import paddle

from ..compute.memory import shared_array
from ..config import OptimizerConfig, OptimizerName
from .fused_update import adam_direction, adamw_update, subtract


def has_weight_decay(name: str) -> bool:
    """Return True if BERT uses weight decay for the parameter of that name.

    Biases and the parameters of LayerNorm have none.
    """
    return not (name.endswith(("bias", "decoder_bias")) or "layer_norm" in name or "norm1" in name or "norm2" in name)


def make_optimizer(
    model: paddle.nn.Layer,
    config: OptimizerConfig,
    *,
    keep: Callable[[str], bool] = lambda name: True,
    rate_scale: Callable[[str], float] | None = None,
) -> paddle.optimizer.Optimizer:
    """Make the optimizer of the trained parameters.

    Set its learning rate with `set_lr` before every step; it is 0 at first.

    Args:
        model: the model.
        config: the name of the optimizer and its settings.
        keep: returns False for the names of parameters that this optimizer must not update.
        rate_scale: for AdamW only. Returns the factor for the learning rate of the parameter of that name.
    """
    trained = [
        (name, parameter) for name, parameter in model.named_parameters() if not parameter.stop_gradient and keep(name)
    ]
    decayed = {parameter.name for name, parameter in trained if has_weight_decay(name)}
    parameters = [parameter for _, parameter in trained]
    # multi_precision: 16-bit parameters (AMP O2) get 32-bit master copies
    if config.name is OptimizerName.ADAMW:
        adamw = _AdamW(
            learning_rate=0.0,
            beta1=config.beta1,
            beta2=config.beta2,
            epsilon=config.epsilon,
            parameters=parameters,
            weight_decay=config.weight_decay,
            apply_decay_param_fun=lambda name: name in decayed,
            multi_precision=True,
        )
        if rate_scale is not None:
            scales = {parameter.name: rate_scale(name) for name, parameter in trained}
            # Paddle rejects the argument lr_ratio on the CPU, so the attribute is set instead
            adamw._lr_ratio = lambda parameter: scales[parameter.name]
        return adamw
    lamb = {OptimizerName.LAMB_HFL: _HflLamb, OptimizerName.LAMB_PADDLE: _PaddleLamb}[config.name]
    return lamb(
        learning_rate=0.0,
        beta1=config.beta1,
        beta2=config.beta2,
        epsilon=config.epsilon,
        parameters=parameters,
        lamb_weight_decay=config.weight_decay,
        exclude_from_weight_decay_fn=lambda parameter: parameter.name not in decayed,
        multi_precision=True,
    )


class _Moments:
    """A mixin for Paddle's AdamW and Lamb that reads the accumulators of a parameter."""

    _beta1: Any  # a float here; Paddle's declaration also allows a Tensor
    _beta2: Any
    _epsilon: Any
    _moment1_acc_str: str
    _moment2_acc_str: str
    _beta1_pow_acc_str: str
    _beta2_pow_acc_str: str
    _get_accumulator_master: Callable[[str, paddle.Tensor], paddle.Tensor]

    def _moments(self, parameter: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        first = self._get_accumulator_master(self._moment1_acc_str, parameter)
        return first, self._get_accumulator_master(self._moment2_acc_str, parameter)

    def _correct_bias(self, parameter: paddle.Tensor) -> tuple[float, float]:
        """Return 1 / (1 - beta1^t) and 1 / (1 - beta2^t) of this update; advance t."""
        scales = []
        for name, beta in ((self._beta1_pow_acc_str, self._beta1), (self._beta2_pow_acc_str, self._beta2)):
            # Paddle's accumulator holds beta^t, starting with t = 1
            power = shared_array(self._get_accumulator_master(name, parameter))
            scales.append(1.0 / (1.0 - float(power[0])))
            power *= np.float32(beta)
        return scales[0], scales[1]


def _is_on_cpu(parameter: paddle.Tensor) -> bool:
    return parameter.place.is_cpu_place() and parameter.dtype == paddle.float32


class _AdamW(_Moments, paddle.optimizer.AdamW):
    def _append_optimize_op(self, block: Any, parameter_and_gradient: tuple[paddle.Tensor, paddle.Tensor]) -> Any:
        parameter, gradient = parameter_and_gradient
        if not _is_on_cpu(parameter):
            return super()._append_optimize_op(block, parameter_and_gradient)
        assert self._apply_decay_param_fun is not None
        decay = self._weight_decay if self._apply_decay_param_fun(parameter.name) else 0.0
        rate = self.get_lr() * (self._lr_ratio(parameter) if self._lr_ratio else 1.0)
        first, second = map(shared_array, self._moments(parameter))
        arrays = (shared_array(parameter), shared_array(gradient), first, second)
        adamw_update(*arrays, rate, self._beta1, self._beta2, self._epsilon, decay, *self._correct_bias(parameter))


class _PaddleLamb(_Moments, paddle.optimizer.Lamb):
    def _append_optimize_op(self, block: Any, parameter_and_gradient: tuple[paddle.Tensor, paddle.Tensor]) -> Any:
        parameter, gradient = parameter_and_gradient
        if not _is_on_cpu(parameter):
            return super()._append_optimize_op(block, parameter_and_gradient)
        assert self._exclude_from_weight_decay_fn is not None
        excluded = self._exclude_from_weight_decay_fn(parameter)
        decay = 0.0 if excluded else self._lamb_weight_decay
        self._update(parameter, gradient, decay=decay, scales=self._correct_bias(parameter), adapt=not excluded)

    def _update(
        self,
        parameter: paddle.Tensor,
        gradient: paddle.Tensor,
        *,
        decay: float,
        scales: tuple[float, float],
        adapt: bool,
    ) -> None:
        first, second = map(shared_array, self._moments(parameter))
        arrays = (shared_array(parameter), shared_array(gradient), first, second)
        squares = adam_direction(*arrays, self._beta1, self._beta2, self._epsilon, decay, *scales)
        ratio = (squares[0] / squares[1]) ** 0.5 if adapt and min(squares) > 0.0 else 1.0
        subtract(arrays[0], arrays[1], self.get_lr() * ratio)


class _HflLamb(_PaddleLamb):
    def _append_optimize_op(self, block: Any, parameter_and_gradient: tuple[paddle.Tensor, paddle.Tensor]) -> Any:
        parameter, gradient = parameter_and_gradient
        assert self._exclude_from_weight_decay_fn is not None
        decay = 0.0 if self._exclude_from_weight_decay_fn(parameter) else self._lamb_weight_decay
        if _is_on_cpu(parameter):
            self._update(parameter, gradient, decay=decay, scales=(1.0, 1.0), adapt=True)
        else:
            self._update_by_paddle(parameter, gradient, decay=decay)

    @paddle.no_grad()
    def _update_by_paddle(self, parameter: paddle.Tensor, gradient: paddle.Tensor, *, decay: float) -> None:
        """Make the update with Paddle's operations, for GPUs and as a reference."""
        master = self._master_weights.get(parameter.name, parameter)
        first, second = self._moments(parameter)
        gradient = gradient.astype(master.dtype)
        first.scale_(self._beta1).add_((1 - self._beta1) * gradient)
        second.scale_(self._beta2).add_((1 - self._beta2) * gradient * gradient)
        direction = first / (paddle.sqrt(second) + self._epsilon) + decay * master
        norm, direction_norm = _norm(master), _norm(direction)
        one = paddle.ones_like(norm)
        ratio = paddle.where((norm > 0) & (direction_norm > 0), norm / paddle.maximum(direction_norm, one * 1e-38), one)
        master.subtract_(self.get_lr() * ratio * direction)
        if master is not parameter:
            paddle.assign(master.astype(parameter.dtype), parameter)


def _norm(tensor: paddle.Tensor) -> paddle.Tensor:
    return paddle.sqrt(paddle.dot(tensor.flatten(), tensor.flatten()))


def gradient_norm(gradients: Sequence[paddle.Tensor]) -> float:
    """Return the common L2 norm of all gradients.

    The norm is infinite or NaN if a gradient is not finite.
    """
    if all(map(_is_on_cpu, gradients)):
        # numpy's dot product is 5 times as fast as paddle.dot, which is 10 times as fast as paddle.norm
        arrays = map(shared_array, gradients)
        return float(np.sqrt(sum(float(np.dot(array, array)) for array in arrays)))
    flat = [gradient.flatten().astype("float32") for gradient in gradients]
    return float(paddle.sqrt(paddle.stack([paddle.dot(item, item) for item in flat]).astype("float64").sum()))


@paddle.no_grad()
def clip_gradients(parameters: Iterable[paddle.Tensor], *, max_norm: float, loss_scale: float = 1.0) -> float:
    """Scale all gradients so that their common L2 norm is at most `max_norm`.

    Gradients that are not finite are unchanged.

    Args:
        parameters: the parameters whose gradients are clipped, in place.
        max_norm: the largest norm that is allowed.
        loss_scale: the factor of the loss; the gradients are divided by it.

    Returns:
        The norm before clipping, without the loss scale.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = gradient_norm(gradients) / loss_scale
    if np.isfinite(norm):
        scale = min(1.0, max_norm / max(norm, 1e-38)) / loss_scale
        if scale != 1.0:
            for gradient in gradients:
                gradient.scale_(scale)
    return norm


def _state(model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> dict[str, paddle.Tensor]:
    """Return the tensors of the optimizer state by structured names.

    A name looks like "bert.pooler.dense.weight/moment1". Paddle's names contain counters of the process, so they
    differ between processes.
    """
    state = {}
    for name, parameter in model.named_parameters():
        master = optimizer._master_weights.get(parameter.name)
        if master is not None:
            state[f"{name}/master_weight"] = master
        for slot, of_parameter in optimizer._accumulators.items():
            tensor = of_parameter.get(parameter.name if master is None else master.name)
            if tensor is not None:
                state[f"{name}/{slot}"] = tensor
    return state


def optimizer_arrays(model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer) -> dict[str, np.ndarray]:
    """Return the optimizer state by structured names; empty before the first update."""
    return {name: tensor.numpy() for name, tensor in _state(model, optimizer).items()}


def set_optimizer_arrays(
    model: paddle.nn.Layer, optimizer: paddle.optimizer.Optimizer, arrays: dict[str, np.ndarray]
) -> None:
    """Set the optimizer state from arrays that `optimizer_arrays` returned.

    Arrays of parameters that this optimizer does not update are skipped.
    """
    if arrays:
        # Paddle does this at the first update
        optimizer._create_accumulators(paddle.static.default_main_program().global_block(), optimizer._parameter_list)
    for name, tensor in _state(model, optimizer).items():
        if name in arrays:
            tensor.set_value(arrays[name])
