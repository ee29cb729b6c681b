"""Optimizer state sharding: each worker holds the moments of some parameters, updates these, and sends them to the
others.

This is stage 1 of ZeRO (Rajbhandari et al. 2020). Paddle's `group_sharded_parallel` does not work on the CPU, and its
optimizer wrapper does its own clipping. The code here works on the CPU and on GPUs with every optimizer. The result is
bit-equal to training without sharding, because an update uses only one parameter at a time.
"""

from __future__ import annotations

import numpy as np
import paddle

from .fleet import World, broadcast
from .optim import optimizer_arrays

POWERS = ("beta1_pow_acc", "beta2_pow_acc")  # the same for all parameters; every worker has them


class ParameterOwners:
    """The assignment of parameters to the workers that update them.

    With a single worker, or if `enabled` is False, this worker updates all of them.

    Attributes:
        owners: the rank of the owner of each trained parameter, by name.
    """

    def __init__(self, model: paddle.nn.Layer, *, world: World, enabled: bool) -> None:
        self._model, self._world = model, world
        self._enabled = enabled and world.size > 1
        trained = {name: parameter for name, parameter in model.named_parameters() if not parameter.stop_gradient}
        self.owners = dict.fromkeys(trained, world.rank)
        if self._enabled:
            load = [0] * world.size
            # the largest first, so that all workers get about the same number of values
            for name in sorted(trained, key=lambda name: (-trained[name].size, name)):
                self.owners[name] = load.index(min(load))
                load[self.owners[name]] += trained[name].size

    def is_mine(self, name: str) -> bool:
        """Return True if this worker updates that parameter."""
        return self.owners[name] == self._world.rank

    @paddle.no_grad()
    def spread(self) -> None:
        """Send every parameter from its owner to all workers, after an update."""
        if self._enabled:
            for name, parameter in self._model.named_parameters():
                if name in self.owners:
                    broadcast(parameter, source=self.owners[name], world=self._world)

    def gather(self, optimizer: paddle.optimizer.Optimizer) -> dict[str, np.ndarray]:
        """Return the complete optimizer state in the main worker.

        Every worker must call it. The other workers get only a part of the state.

        Returns:
            The arrays by structured names, as `optimizer_arrays` returns them.
        """
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
