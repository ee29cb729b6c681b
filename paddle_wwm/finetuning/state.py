"""The checkpoint of a seed that is not done: all that it takes to go on as if nothing had been. Written whole or not
at all; one at a time.

    seed-1/checkpoint/step-00000150-1/  state.json  weights.safetensors  optimizer.safetensors  best.safetensors

The number behind the step is that of evaluations. `best` is the network of the best one so far; where it is a file
that was written already, it is linked, not copied.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import CheckpointError
from ..files import atomic_directory, read_json, remove_leftovers, sha256_of_file, write_json

logger = logging.getLogger(__name__)

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


@dataclass(frozen=True, kw_only=True)
class FoundCheckpoint:
    """A checkpoint that is whole."""

    path: Path
    state: SeedState


def save_checkpoint(
    seed_folder: Path,
    *,
    state: SeedState,
    weights: Mapping[str, np.ndarray],
    optimizer: Mapping[str, np.ndarray],
    before: Path | None,
) -> Path:
    """Write the checkpoint of `state`, then delete the one `before` it; returns its path."""
    folder = seed_folder / FOLDER_NAME
    path = folder / f"step-{state.step:08d}-{len(state.dev_scores)}"
    if path == before:
        return path
    remove_leftovers(folder / "step-*")  # of a run that was killed while it saved
    try:
        shutil.rmtree(path, ignore_errors=True)  # torn, or it would have been gone on from
        with atomic_directory(path) as new:
            save_arrays(new / WEIGHTS_NAME, weights)
            save_arrays(new / OPTIMIZER_NAME, optimizer)
            if state.best_step == state.step:
                os.link(new / WEIGHTS_NAME, new / BEST_NAME)
            elif state.best_step:
                assert before is not None  # the evaluation of that step has written it
                os.link(before / BEST_NAME, new / BEST_NAME)
            names = [item.name for item in new.iterdir()]
            record = {
                "state": dataclasses.asdict(state),
                "sha256": {name: sha256_of_file(new / name) for name in sorted(names)},
            }
            write_json(new / STATE_NAME, record)
    except OSError as error:
        raise CheckpointError(
            f"{path}: the checkpoint cannot be written ({error}). Make room, then run the same command again."
        ) from None
    for old in folder.glob("step-*"):
        if old != path:
            shutil.rmtree(old)
    return path


def find_checkpoint(seed_folder: Path) -> FoundCheckpoint | None:
    """The newest whole checkpoint of a seed; torn ones are passed over with a warning."""
    for path in sorted((seed_folder / FOLDER_NAME).glob("step-*"), reverse=True):
        try:
            record = read_json(path / STATE_NAME)
            for name, digest in record["sha256"].items():
                if not (path / name).is_file() or sha256_of_file(path / name) != digest:
                    raise CheckpointError(f"{path / name}: missing or torn (its checksum differs).")
            return FoundCheckpoint(path=path, state=SeedState(**record["state"]))
        except (CheckpointError, KeyError, TypeError, AttributeError) as error:
            logger.warning("checkpoint skipped: %s", error)
    return None


def delete_checkpoints(seed_folder: Path) -> None:
    """Of a seed that is done."""
    shutil.rmtree(seed_folder / FOLDER_NAME, ignore_errors=True)


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A safetensors file."""
    try:
        save_file(dict(arrays), path)
    except SafetensorError as error:  # the library's name for what the system refused
        raise OSError(str(error)) from None


def read_arrays(path: Path) -> dict[str, Any]:
    """Raises CheckpointError."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {error}.") from None
