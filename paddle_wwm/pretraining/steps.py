"""The steps of a run whose recipe gives epochs and shares."""

from __future__ import annotations

import dataclasses
import math
from typing import Sequence

from ..config import PhaseConfig, PretrainRecipe
from ..errors import ConfigError

EVALUATIONS_PER_RUN = 20


def num_steps_of(phase: PhaseConfig, *, num_examples: float, general_share: float) -> int:
    """Return the number of steps of a phase.

    An epoch uses each of `num_examples` once, the examples that are not general text.
    """
    if phase.num_steps:
        return phase.num_steps
    return max(1, math.ceil(phase.num_epochs * num_examples / (1 - general_share) / phase.global_batch_size))


def with_steps(config: PretrainRecipe, *, num_examples: Sequence[float]) -> PretrainRecipe:
    """Return the recipe with steps in place of epochs and shares.

    Args:
        config: a recipe whose `data.general_share` is 0 if there is no general text.
        num_examples: the training examples of every phase, without those of general text.

    Raises:
        ConfigError: `num_warmup_steps` exceeds the steps.
    """
    phases: list[PhaseConfig] = []
    for phase, count in zip(config.phases, num_examples):
        num_steps = num_steps_of(phase, num_examples=count, general_share=config.data.general_share)
        warmup = phase.num_warmup_steps or round(phase.warmup_ratio * num_steps)
        if warmup > num_steps:
            raise ConfigError(
                f"`num_warmup_steps` must be at most the {num_steps} steps of {phase.num_epochs:g} epochs, but is "
                f"{warmup}. Give phases.{len(phases)}.warmup_ratio=0.1 instead."
            )
        phases.append(
            dataclasses.replace(phase, num_steps=num_steps, num_epochs=0.0, num_warmup_steps=warmup, warmup_ratio=0.0)
        )
    total = sum(phase.num_steps for phase in phases)
    every = config.runtime.evaluate_every_steps or max(1, total // EVALUATIONS_PER_RUN)
    return dataclasses.replace(
        config, phases=tuple(phases), runtime=dataclasses.replace(config.runtime, evaluate_every_steps=every)
    )


def with_epochs(config: PretrainRecipe, *, num_epochs: float) -> PretrainRecipe:
    """Return a recipe of one phase that trains for epochs.

    The share of warmup stays the same.

    Raises:
        ConfigError: the recipe has several phases, or `num_epochs` is not above 0.
    """
    if num_epochs <= 0:
        raise ConfigError(f"`num_epochs` must be above 0, but is {num_epochs:g}.")
    if len(config.phases) > 1:
        raise ConfigError(
            f"the number of epochs needs a recipe with one phase, but this one has {len(config.phases)}. Set "
            f"phases.0.num_epochs and the others instead."
        )
    [phase] = config.phases
    ratio = phase.num_warmup_steps / phase.num_steps if phase.num_steps else phase.warmup_ratio
    changed = dataclasses.replace(phase, num_steps=0, num_epochs=num_epochs, num_warmup_steps=0, warmup_ratio=ratio)
    return dataclasses.replace(config, phases=(changed,))
