"""The checkpoint of an unfinished seed. A resumed seed gives the same result as one that was not interrupted.

    seed-1/checkpoint/step-00000150-1/  state.json  weights.safetensors  optimizer.safetensors  best.safetensors

There is only one checkpoint at a time. The number after the step counts evaluations. best.safetensors holds the network
with the best score so far; it is a hard link if that network is already in another file.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from ..runs.checkpoints import CheckpointStore, save_arrays

FOLDER_NAME, STATE_NAME = "checkpoint", "state.json"
WEIGHTS_NAME, OPTIMIZER_NAME, BEST_NAME = "weights.safetensors", "optimizer.safetensors", "best.safetensors"


@dataclass(kw_only=True)
class SeedState:
    """The state of a seed.

    Attributes:
        step: the number of finished steps.
        best_step: the step of best.safetensors; 0 if the file does not exist.
        best_score: its score on dev.
        num_worse: the number of evaluations since then.
        seconds: the time of training and evaluation.
        training_seconds: the time of training steps alone.
        num_rows: the number of rows in these training steps.
        dev_scores: the scores of every evaluation.
        stopped_early: True if the seed has stopped because of `patience`.
    """

    step: int = 0
    best_step: int = 0
    best_score: float | None = None
    num_worse: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    num_rows: int = 0
    dev_scores: list[dict[str, float]] = dataclasses.field(default_factory=list)
    stopped_early: bool = False


def checkpoints_of(seed_folder: Path) -> CheckpointStore[SeedState]:
    """Return the checkpoints of a seed."""
    return CheckpointStore(folder=seed_folder / FOLDER_NAME, state_type=SeedState, state_name=STATE_NAME)


def save_checkpoint(
    seed_folder: Path,
    *,
    state: SeedState,
    weights: Mapping[str, np.ndarray],
    optimizer: Mapping[str, np.ndarray],
    before: Path | None,
) -> Path:
    """Write a checkpoint, delete the previous one, and return its path.

    Args:
        seed_folder: the folder of the seed.
        state: the state of the seed.
        weights: the parameters of the network by name.
        optimizer: the state of the optimizer by name.
        before: the previous checkpoint; None if this is the first one.
    """
    store = checkpoints_of(seed_folder)
    path = store.folder / f"step-{state.step:08d}-{len(state.dev_scores)}"
    if path == before:
        return path
    with store.writing(path.name, state=state) as folder:
        save_arrays(folder / WEIGHTS_NAME, weights)
        save_arrays(folder / OPTIMIZER_NAME, optimizer)
        if state.best_step == state.step:
            os.link(folder / WEIGHTS_NAME, folder / BEST_NAME)
        elif state.best_step:
            assert before is not None  # a checkpoint is written at every evaluation
            os.link(before / BEST_NAME, folder / BEST_NAME)
    store.keep_only([path])
    return path
