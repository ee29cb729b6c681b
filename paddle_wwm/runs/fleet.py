"""Data-parallel training under fleet: the only file that imports paddle.distributed. gloo on the CPU, nccl on GPUs.

A process is a worker when a launcher has set PADDLE_TRAINER_ID (`python -m paddle.distributed.launch`, or `launch.py`
here). One process
alone trains without fleet: `fleet.distributed_model` of Paddle 3.3.1 fails for a world of one.
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

LAUNCHER_VARIABLE = "PADDLE_WWM_LAUNCHER"  # the process id of our own launcher


@dataclass(frozen=True, kw_only=True)
class World:
    """Which of how many workers this process is."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """The one worker that writes files and talks."""
        return self.rank == 0


def is_worker() -> bool:
    """Whether a launcher started this process."""
    return "PADDLE_TRAINER_ID" in os.environ


def is_set_up() -> bool:
    """Return True in a worker of our own launcher, which has set the run up before it starts workers."""
    return LAUNCHER_VARIABLE in os.environ


def init() -> World:
    """Join the other workers; returns at once in a world of one."""
    if not is_worker() or int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) == 1:
        return World()
    # a killed launcher must not leave its workers behind
    end_with_parent(
        signal.SIGTERM, parent=int(os.environ[LAUNCHER_VARIABLE]) if LAUNCHER_VARIABLE in os.environ else None
    )
    with _quiet_start():
        from paddle.distributed import fleet

        fleet.init(is_collective=True, strategy=fleet.DistributedStrategy(), log_level="WARNING")
    return World(rank=fleet.worker_index(), size=fleet.worker_num())


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """fleet tells its topology as INFO, the flags it has set itself on stderr, and warns of groups that a
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
    """The model with gradients averaged over the workers in `backward`; every worker gets the first one's
    parameters.
    """
    if world.size == 1:
        return model
    from paddle.distributed import fleet

    return fleet.distributed_model(model)


def without_gradient_sync(model: paddle.nn.Layer, world: World) -> ContextManager:
    """Inside, `backward` only accumulates: the workers communicate at the last micro-batch of a step."""
    return contextlib.nullcontext() if world.size == 1 else model.no_sync()


def average_gradients(parameters: Sequence[paddle.Tensor], world: World) -> None:
    """What `backward` does by itself outside `without_gradient_sync`, as a step of its own: recomputing layers need
    it, since they run a backward pass inside the backward pass, which the synchronisation within it does not bear.
    """
    if world.size > 1:
        from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients

        fused_allreduce_gradients(list(parameters), None)


def sum_over_workers(values: Sequence[float] | np.ndarray, world: World) -> np.ndarray:
    """The sums over all workers, the same on each. float64."""
    if world.size == 1:
        return np.asarray(values, np.float64)
    import paddle.distributed

    tensor = paddle.to_tensor(np.asarray(values, np.float64))
    paddle.distributed.all_reduce(tensor)
    return tensor.numpy()


def broadcast(tensor: paddle.Tensor, *, source: int, world: World) -> None:
    """Give every worker the tensor of worker `source`, in place."""
    if world.size > 1:
        import paddle.distributed

        paddle.distributed.broadcast(tensor, src=source)


def recompute_layers(layers: Iterable[paddle.nn.Layer]) -> None:
    """From here on the activations inside these layers are not kept for the backward pass but computed again in it,
    under the same dropout.
    """
    for layer in layers:
        layer.forward = functools.partial(_recomputed, layer.forward)  # type: ignore[method-assign]
        layer.recomputed_by = _recomputed  # for what computes a layer without its forward


def _recomputed(forward: Callable, *inputs: Any) -> Any:
    from paddle.distributed.fleet.utils import recompute

    before = dropout_state()
    runs = 0

    def run(*inputs: Any) -> Any:
        # the first run draws masks as any layer does; the second one repeats them, and leaves the generator as it
        # found it
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
