"""Checkpoints of a pretraining run: model folders that PaddleNLP can open, plus the state for resuming."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import paddle

from ..files import atomic_directory
from ..model.folder import MODEL_FILES
from ..model.heads import BertForPretraining
from ..model.weights import save_model
from ..runs.checkpoints import CheckpointStore, read_arrays, save_arrays
from ..runs.optim import set_optimizer_arrays
from ..tokenization.vocab import Vocab

STATE_NAME = "training_state.json"
OPTIMIZER_NAME = "optimizer.safetensors"
MASTER_SLOT = "/master_weight"


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """The state of a run.

    Together with the data and the config, it determines all remaining steps.

    Attributes:
        global_step: the number of finished steps.
        phase: the number of the phase of that step.
        shard_fingerprint: the fingerprint of the data.
        config_fingerprint: the fingerprint of the settings that change results.
        precision: the state of the loss scale.
        held_out_loss: the held-out loss after that step; None if it was not evaluated.
        selection: the fields of `Selection`; empty in checkpoints of earlier versions.
    """

    global_step: int
    phase: int
    shard_fingerprint: str
    config_fingerprint: str
    precision: dict[str, float]
    held_out_loss: float | None
    selection: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprints(self) -> tuple[str, str]:
        """The fingerprints of the settings and of the data."""
        return self.config_fingerprint, self.shard_fingerprint


def checkpoints_in(directory: Path) -> CheckpointStore[TrainState]:
    """Return the checkpoints of a run."""
    return CheckpointStore(folder=directory, state_type=TrainState, state_name=STATE_NAME)


def checkpoint_path(directory: Path, step: int) -> Path:
    """Return the folder of the checkpoint after `step` steps."""
    return directory / f"step-{step:08d}"


def save_checkpoint(
    directory: Path,
    *,
    model: BertForPretraining,
    optimizer_arrays: Mapping[str, np.ndarray],
    vocab: Vocab,
    do_lower_case: bool,
    state: TrainState,
    untrained: tuple[str, ...],
    keep: int,
) -> Path:
    """Write a checkpoint, and delete old ones.

    The newest `keep` checkpoints and the best one of the current phase stay.

    Raises:
        CheckpointError: the checkpoint cannot be written. Earlier checkpoints are unchanged.
    """
    store, path = checkpoints_in(directory), checkpoint_path(directory, state.global_step)
    masters = {
        name.removesuffix(MASTER_SLOT): array for name, array in optimizer_arrays.items() if name.endswith(MASTER_SLOT)
    }
    with store.writing(path.name, state=state) as folder:
        save_model(folder, model=model, vocab=vocab, do_lower_case=do_lower_case, untrained=untrained, masters=masters)
        save_arrays(folder / OPTIMIZER_NAME, optimizer_arrays)
    best = best_checkpoint(directory, phase=state.phase)
    store.keep_only([*store.paths()[-keep:], *([best[0]] if best else [])])
    return path


def best_checkpoint(directory: Path, *, phase: int) -> tuple[Path, float] | None:
    """Return the checkpoint of a phase with the lowest held-out loss, and that loss.

    Only checkpoints of evaluated steps are compared, and only those with the data and the recipe of the newest one.
    Returns None if no checkpoint was evaluated.
    """
    checkpoints = list(checkpoints_in(directory).states())
    found = [
        (float(checkpoint.state.held_out_loss), checkpoint.path)
        for checkpoint in checkpoints
        if checkpoint.state.phase == phase
        and checkpoint.state.held_out_loss is not None
        and checkpoint.state.fingerprints == checkpoints[-1].state.fingerprints
    ]
    return (min(found)[1], min(found)[0]) if found else None


def export_model(checkpoint: Path, output: Path) -> Path:
    """Copy the model files of a checkpoint, without the training state, to `output`."""
    with atomic_directory(output, replace=True) as folder:
        for name in MODEL_FILES:
            shutil.copyfile(checkpoint / name, folder / name)
    return output


def load_optimizer(path: Path, *, model: BertForPretraining, optimizer: paddle.optimizer.Optimizer) -> None:
    """Load the optimizer state of a checkpoint."""
    set_optimizer_arrays(model, optimizer, read_arrays(path / OPTIMIZER_NAME))
