"""Optimizer-state sharding: every worker keeps moments of its share of the parameters, updates those, and gives them
to the others.

ZeRO's first stage (Rajbhandari et al. 2020). Paddle's own, `group_sharded_parallel`, refuses the CPU, and its
optimizer wrapper clips by itself; this is the same on the CPU and on GPUs, with any of the optimizers, and bit-equal
to training without it: an update concerns one parameter at a time, whoever makes it.
"""

from __future__ import annotations

import numpy as np
import paddle

from .fleet import World, broadcast
from .optim import optimizer_arrays

POWERS = ("beta1_pow_acc", "beta2_pow_acc")  # the same for all parameters, and held by every worker


class ParameterOwners:
    """Which worker updates which parameters of a model; in a world of one, or switched off, this one all of them."""

    def __init__(self, model: paddle.nn.Layer, *, world: World, enabled: bool) -> None:
        self._model, self._world = model, world
        self._enabled = enabled and world.size > 1
        trained = {name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient}
        self.owners = dict.fromkeys(trained, world.rank)
        if self._enabled:
            load = [0] * world.size
            for name in sorted(
                trained, key=lambda name: (-trained[name].size, name)
            ):  # the largest first: shares become about equal
                self.owners[name] = load.index(min(load))
                load[self.owners[name]] += trained[name].size

    def is_mine(self, name: str) -> bool:
        """Whether this worker updates that parameter."""
        return self.owners[name] == self._world.rank

    @paddle.no_grad()
    def spread(self) -> None:
        """After an update: every worker gets every parameter from its owner."""
        if self._enabled:
            for name, parameter in self._model.named_parameters():
                if name in self.owners:
                    broadcast(parameter, source=self.owners[name], world=self._world)

    def gather(self, optimizer: paddle.optimizer.Optimizer) -> dict[str, np.ndarray]:
        """The optimizer's whole state; every worker must call it, the main one gets all of it."""
        arrays = optimizer_arrays(self._model, optimizer)
        if not self._enabled:
            return arrays
        own = {key.partition("/")[0] for key in arrays}
        slots = sorted({key.partition("/")[2] for key in arrays})
        for name, parameter in self._model.named_parameters():
            if name not in self.owners:
                continue
            for slot in slots:
                key = f"{name}/{slot}"
                if slot in POWERS:
                    arrays.setdefault(key, arrays[f"{min(own)}/{slot}"])
                    continue
                tensor = paddle.to_tensor(arrays[key]) if key in arrays else paddle.zeros(parameter.shape, "float32")
                broadcast(tensor, source=self.owners[name], world=self._world)
                if self._world.is_main and key not in arrays:
                    arrays[key] = tensor.numpy()
        return arrays
