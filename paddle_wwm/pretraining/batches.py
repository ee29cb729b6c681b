"""How a global batch is cut: micro-batches a step for any number of workers, so that a recipe means the same on 1 or
64 devices.
"""

from __future__ import annotations

from ..config import PretrainRecipe
from ..errors import ConfigError


def accumulation_steps(*, global_batch_size: int, micro_batch_size: int, num_workers: int) -> int:
    """Micro-batches that every worker computes in a step, so that a recipe's batch means the same on any number of
    devices.

    Raises ConfigError when the global batch does not divide.
    """
    unit = micro_batch_size * num_workers
    if global_batch_size % unit:
        fitting = [size for size in range(1, global_batch_size + 1) if global_batch_size % (size * num_workers) == 0]
        near = (
            f"runtime.micro_batch_size={max((size for size in fitting if size <= micro_batch_size), default=fitting[0])}"  # noqa: E501
            if fitting
            else ""
        )
        raise ConfigError(
            f"`global_batch_size` must be a multiple of micro_batch_size x workers = {micro_batch_size} x "
            f"{num_workers} = {unit}, "
            f"but is {global_batch_size}; set {near or 'another number of workers with --nproc'}."
        )
    return global_batch_size // unit


def check_batches(config: PretrainRecipe, *, num_workers: int) -> None:
    """Every global batch must divide into whole micro-batches on every worker. Raises ConfigError naming the phase."""
    for number, phase in enumerate(config.phases):
        try:
            accumulation_steps(
                global_batch_size=phase.global_batch_size,
                micro_batch_size=config.runtime.micro_batch_size,
                num_workers=num_workers,
            )
        except ConfigError as error:
            raise ConfigError(f"`phases.{number}`: {error}") from None
