"""Split a global batch into micro-batches for any number of workers.

The global batch of a recipe is the same on 1 device and on 64.
"""

from __future__ import annotations

from ..config import PretrainRecipe
from ..errors import ConfigError


def accumulation_steps(*, global_batch_size: int, micro_batch_size: int, num_workers: int) -> int:
    """Return the number of micro-batches that every worker computes per step.

    Raises:
        ConfigError: the global batch is not a multiple of micro_batch_size x num_workers.
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
            f"but is {global_batch_size}. Set {near or 'another number of workers with --nproc'}."
        )
    return global_batch_size // unit


def check_batches(config: PretrainRecipe, *, num_workers: int) -> None:
    """Check that every global batch can be split into micro-batches.

    Raises:
        ConfigError: a phase has a global batch that cannot; the message names the phase.
    """
    for number, phase in enumerate(config.phases):
        try:
            accumulation_steps(
                global_batch_size=phase.global_batch_size,
                micro_batch_size=config.runtime.micro_batch_size,
                num_workers=num_workers,
            )
        except ConfigError as error:
            raise ConfigError(f"`phases.{number}`: {error}") from None
