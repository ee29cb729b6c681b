"""What a run reads: the corpora, the two sides of every phase, and which batches a step or an evaluation takes from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np

from ..config import RunConfig
from ..errors import ConfigError
from ..pretraining_data.mixture import Mixture
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab
from ..types import PretrainBatch
from .fleet import World
from .loader import Tensors, step_batches


@dataclass(frozen=True, kw_only=True)
class PhaseData:
    """The two sides of the data of a phase."""

    train: Mixture
    held_out: Mixture


@dataclass(frozen=True, kw_only=True)
class RunData:
    """All that a run reads."""

    corpora: tuple[ShardSet, ...]
    train_documents: tuple[np.ndarray, ...]  # of every corpus
    vocab: Vocab
    phases: tuple[PhaseData, ...]
    shard_fingerprint: str
    config_fingerprint: str
    init: Path | None  # a model folder to start from


def check_batches(config: RunConfig, *, num_workers: int) -> None:
    """Every global batch must divide into whole micro-batches on every worker. Raises ConfigError."""
    unit = config.runtime.micro_batch_size * num_workers
    for number, phase in enumerate(config.phases):
        if phase.global_batch_size % unit:
            raise ConfigError(
                f"`phases.{number}.global_batch_size` must be a multiple of micro_batch_size x workers = "
                f"{config.runtime.micro_batch_size} x {num_workers} = {unit}, but is {phase.global_batch_size}; "
                "set runtime.micro_batch_size=… or --nproc."
            )


def phase_of(config: RunConfig, step: int) -> tuple[int, int]:
    """The phase that step `step` belongs to, and its number within it; the end belongs to the last phase."""
    for number, phase in enumerate(config.phases):
        if step < phase.num_steps or number == len(config.phases) - 1:
            return number, step
        step -= phase.num_steps
    raise AssertionError("a config has at least one phase")


def batches_of_phase(config: RunConfig, number: int, *, data: RunData, first_step: int, world: World) -> Iterator[list[Tensors]]:
    """This worker's micro-batches of the steps of a phase, from its step `first_step` on."""
    phase = config.phases[number]
    return step_batches(
        data.phases[number].train,
        first_step=first_step,
        stop=phase.num_steps,
        global_batch_size=phase.global_batch_size,
        micro_batch_size=config.runtime.micro_batch_size,
        world=world,
        num_processes=config.runtime.num_loader_processes,
    )


def held_out_batches(config: RunConfig, data: PhaseData, world: World) -> Iterator[PretrainBatch]:
    """This worker's share of the held-out examples, always the same ones under the same masks."""
    count = min(config.runtime.max_evaluation_examples, data.held_out.num_examples)
    return iter(
        data.held_out.micro_batches(
            first_example=0, global_batch_size=count, micro_batch_size=config.runtime.micro_batch_size, rank=world.rank, num_ranks=world.size
        )
    )
