"""The checkpoint of a seed that is not done: all that it takes to continue as if nothing had been. One at a time.

    seed-1/checkpoint/step-00000150-1/  state.json  weights.safetensors  optimizer.safetensors  best.safetensors

The number after the step counts evaluations. `best` is the network of the best one so far; where that is a file that
was written already, it is linked, not copied.
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
    """Where a seed stands. step: steps done. best_step: that of `best.safetensors`, 0 where there is none; best_score:
    of dev. num_worse: evaluations since then. seconds: of all work, training_seconds: of steps alone, for num_rows
    rows.
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
    """Write the checkpoint of `state`, then delete the one `before` it; returns its path."""
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
            assert before is not None  # the evaluation of that step has written it
            os.link(before / BEST_NAME, folder / BEST_NAME)
    store.keep_only([path])
    return path
