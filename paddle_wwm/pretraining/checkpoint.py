"""Checkpoints: folders that PaddleNLP opens, plus what resuming needs. Written whole or not at all; a torn one is
passed over.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np
import paddle
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import CheckpointError
from ..files import atomic_directory, read_json, remove_leftovers, sha256_of_file, write_json
from ..model.folder import MODEL_FILES
from ..model.heads import BertForPretraining
from ..model.weights import save_model
from ..runs.optim import set_optimizer_arrays
from ..tokenization.vocab import Vocab

logger = logging.getLogger(__name__)

STATE_NAME = "training_state.json"
OPTIMIZER_NAME = "optimizer.safetensors"
MASTER_SLOT = "/master_weight"


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """Where a run stands: with the data and the config it determines everything that is still to come."""

    global_step: int
    num_examples_seen: int  # of the present phase
    seed: int
    phase: int
    shard_fingerprint: str
    config_fingerprint: str
    world_size: int


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was found whole. precision: of the loss scale. held_out_loss: None where the step was not
    evaluated.
    """

    path: Path
    state: TrainState
    precision: dict[str, float]
    held_out_loss: float | None


def checkpoint_path(directory: Path, step: int) -> Path:
    """Folder of the checkpoint after `step` steps."""
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
    precision: Mapping[str, float] | None = None,
    held_out_loss: float | None = None,
) -> Path:
    """Write a checkpoint and delete the oldest beyond `keep`, but never the best one of the present phase.

    Raises CheckpointError when it cannot be written: the ones before stay as they are.
    """
    path = checkpoint_path(directory, state.global_step)
    remove_leftovers(directory / "step-*")  # of a run that was killed while it saved
    masters = {
        name.removesuffix(MASTER_SLOT): array for name, array in optimizer_arrays.items() if name.endswith(MASTER_SLOT)
    }
    try:
        if path.exists():
            shutil.rmtree(path)
        with atomic_directory(path) as folder:
            save_model(
                folder, model=model, vocab=vocab, do_lower_case=do_lower_case, untrained=untrained, masters=masters
            )
            _save_arrays(dict(optimizer_arrays), folder / OPTIMIZER_NAME)
            checksums = {name: sha256_of_file(folder / name) for name in (*MODEL_FILES, OPTIMIZER_NAME)}
            record = {
                "state": dataclasses.asdict(state),
                "precision": dict(precision or {}),
                "held_out_loss": held_out_loss,
                "sha256": checksums,
            }
            write_json(folder / STATE_NAME, record)
    except OSError as error:
        whole = sorted(directory.glob("step-*"))
        raise CheckpointError(
            f"{path}: the checkpoint cannot be written ({error}); "
            f"{f'the newest one that was is {whole[-1].name}' if whole else 'there is none before it'}. "
            "Make room, then go on with the same command and --resume auto."
        ) from None
    best = best_checkpoint(directory, phase=state.phase)
    for old in sorted(directory.glob("step-*"))[:-keep]:
        if best is None or old != best[0]:
            shutil.rmtree(old)
    return path


def _save_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    try:
        save_file(arrays, path)
    except SafetensorError as error:  # the library's name for what the system refused
        raise OSError(str(error)) from None


def best_checkpoint(directory: Path, *, phase: int) -> tuple[Path, float] | None:
    """The checkpoint of a phase with the lowest held-out loss, and that loss; only checkpoints of evaluated steps take
    part.
    """
    found = []
    for path in sorted(directory.glob("step-*")):
        try:
            record = read_json(path / STATE_NAME)
            if record["state"]["phase"] == phase and record.get("held_out_loss") is not None:
                found.append((float(record["held_out_loss"]), path))
        except (CheckpointError, KeyError, TypeError, ValueError):
            continue  # torn; whoever resumes is told
    return (min(found)[1], min(found)[0]) if found else None


def export_model(checkpoint: Path, output: Path) -> Path:
    """Copy the model files of a checkpoint, without the training state, to the folder `output`."""
    if output.exists():
        shutil.rmtree(output)
    with atomic_directory(output) as folder:
        for name in MODEL_FILES:
            shutil.copyfile(checkpoint / name, folder / name)
    return output


def read_checkpoint(path: Path) -> Checkpoint:
    """Check a checkpoint's files against their checksums. Raises CheckpointError when it is torn or no checkpoint of
    this program.
    """
    record = read_json(path / STATE_NAME)
    try:
        state = TrainState(**record["state"])
        checksums, precision, held_out_loss = dict(record["sha256"]), dict(record["precision"]), record["held_out_loss"]
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path / STATE_NAME}: not a training state of this program.") from None
    for name in (*MODEL_FILES, OPTIMIZER_NAME):
        if not (path / name).is_file() or sha256_of_file(path / name) != checksums.get(name):
            raise CheckpointError(f"{path / name}: missing or torn (its checksum differs).")
    return Checkpoint(path=path, state=state, precision=precision, held_out_loss=held_out_loss)


def newest_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest whole checkpoint; torn ones are passed over with a warning."""
    for path in sorted(directory.glob("step-*"), reverse=True):
        try:
            return read_checkpoint(path)
        except CheckpointError as error:
            logger.warning("checkpoint skipped: %s", error)
    return None


def load_optimizer(path: Path, *, model: BertForPretraining, optimizer: paddle.optimizer.Optimizer) -> None:
    """Set the optimizer to the state in a checkpoint."""
    try:
        set_optimizer_arrays(model, optimizer, load_file(path / OPTIMIZER_NAME))
    except SafetensorError as error:
        raise CheckpointError(f"{path / OPTIMIZER_NAME}: {error}.") from None
