"""Data-parallel training with fleet: gloo on the CPU, nccl on GPUs. Only this file imports paddle.distributed.

A process is a worker if a launcher has set PADDLE_TRAINER_ID (`python -m paddle.distributed.launch`, or our
`launch.py`). A single process trains without fleet, because `fleet.distributed_model` of Paddle 3.3.1 fails for a
world of size 1.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import warnings
from dataclasses import dataclass
from typing import Any, Callable, ContextManager, Iterable, Iterator, Sequence

import numpy as np
import paddle

from ..compute.dropout import dropout_state, set_dropout_state
from .lifetime import end_with_parent

LAUNCHER_VARIABLE = "PADDLE_WWM_LAUNCHER"  # holds the process id of our launcher


@dataclass(frozen=True, kw_only=True)
class World:
    """The rank of this process and the number of workers."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """True for the one worker that writes files and prints."""
        return self.rank == 0


def is_worker() -> bool:
    """Return True if a launcher started this process."""
    return "PADDLE_TRAINER_ID" in os.environ


def is_set_up() -> bool:
    """Return True in a worker of our launcher.

    Our launcher sets up the run before it starts workers; Paddle's does not.
    """
    return LAUNCHER_VARIABLE in os.environ


def init() -> World:
    """Join the other workers; return at once if there is only one."""
    if not is_worker() or int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) == 1:
        return World()
    # the workers must end when their launcher is killed
    end_with_parent(
        signal.SIGTERM, parent=int(os.environ[LAUNCHER_VARIABLE]) if LAUNCHER_VARIABLE in os.environ else None
    )
    with _quiet_start():
        from paddle.distributed import fleet

        fleet.init(is_collective=True, strategy=fleet.DistributedStrategy(), log_level="WARNING")
    return World(rank=fleet.worker_index(), size=fleet.worker_num())


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Silence the start of fleet.

    fleet logs its topology as INFO, prints the flags that it has set to stderr, and warns about groups that a
    data-parallel run does not use.
    """
    from paddle.distributed import parallel
    from paddle.distributed.fleet.utils.log_util import logger

    logger.setLevel("WARNING")
    print_flags = parallel._print_modified_flags
    parallel._print_modified_flags = lambda flags: None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"Current global rank \d+ is not in group", category=UserWarning)
            yield
    finally:
        parallel._print_modified_flags = print_flags


def distribute_model(model: paddle.nn.Layer, world: World) -> paddle.nn.Layer:
    """Return the model with gradients averaged over the workers in `backward`.

    Every worker gets the parameters of worker 0.
    """
    if world.size == 1:
        return model
    from paddle.distributed import fleet

    return fleet.distributed_model(model)


def without_gradient_sync(model: paddle.nn.Layer, world: World) -> ContextManager:
    """Return a context in which `backward` accumulates without communication.

    The workers communicate only at the last micro-batch of a step.
    """
    return contextlib.nullcontext() if world.size == 1 else model.no_sync()


def average_gradients(parameters: Sequence[paddle.Tensor], world: World) -> None:
    """Average the gradients over the workers, after the backward pass.

    Outside `without_gradient_sync`, `backward` does this itself. Recomputed layers need it as a separate call: they run
    a backward pass inside the backward pass, and synchronisation inside `backward` fails there.
    """
    if world.size > 1:
        from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

        fused_allreduce_gradients(list(parameters), None)


def sum_over_workers(values: Sequence[float] | np.ndarray, world: World) -> np.ndarray:
    """Return the sums over all workers; every worker gets the same.

    Shape:
        values: (n,). Returns (n,) float64.
    """
    if world.size == 1:
        return np.asarray(values, np.float64)
    import paddle.distributed

    tensor = paddle.to_tensor(np.asarray(values, np.float64))
    paddle.distributed.all_reduce(tensor)
    return tensor.numpy()


def broadcast(tensor: paddle.Tensor, *, source: int, world: World) -> None:
    """Overwrite the tensor in place with that of worker `source`.

    Shape:
        tensor: any shape and dtype, the same on every worker.
    """
    if world.size > 1:
        import paddle.distributed

        paddle.distributed.broadcast(tensor, src=source)


def recompute_layers(layers: Iterable[paddle.nn.Layer]) -> None:
    """Make these layers compute their activations again in the backward pass.

    The layers then need less memory, because they do not keep their activations. Dropout is the same both times.
    """
    for layer in layers:
        layer.forward = functools.partial(_recomputed, layer.forward)  # type: ignore[method-assign]
        layer.recomputed_by = _recomputed  # for code that computes a layer without calling its forward


def _recomputed(forward: Callable, *inputs: Any) -> Any:
    from paddle.distributed.fleet.utils import recompute

    before = dropout_state()
    runs = 0

    def run(*inputs: Any) -> Any:
        # The first run draws dropout masks as usual. The second one repeats them and restores the generator.
        nonlocal runs
        runs += 1
        found = dropout_state()
        set_dropout_state(before)
        try:
            return forward(*inputs)
        finally:
            if runs > 1:
                set_dropout_state(found)

    return recompute(run, *inputs)


def barrier(world: World) -> None:
    """Wait until every worker is here."""
    if world.size > 1:
        sum_over_workers([0.0], world)
