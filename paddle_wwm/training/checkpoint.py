"""Checkpoints: folders that PaddleNLP opens, plus what resuming needs. Written whole or not at all; a torn one is passed over."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import paddle
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import CheckpointError
from ..files import atomic_directory, remove_leftovers, sha256_of_file, write_json
from ..model.heads import BertForPretraining
from ..model.weights import MODEL_FILES, load_weights, read_json, save_model
from ..tokenization.vocab import Vocab
from ..types import TrainState
from .optim import optimizer_arrays, set_optimizer_arrays

STATE_NAME = "training_state.json"
OPTIMIZER_NAME = "optimizer.safetensors"


def checkpoint_path(directory: Path, step: int) -> Path:
    """Folder of the checkpoint after `step` steps."""
    return directory / f"step-{step:08d}"


def save_checkpoint(
    directory: Path,
    *,
    model: BertForPretraining,
    optimizer: paddle.optimizer.Optimizer,
    vocab: Vocab,
    do_lower_case: bool,
    state: TrainState,
    untrained: tuple[str, ...],
    keep: int,
) -> Path:
    """Write a checkpoint and delete the oldest beyond `keep`."""
    path = checkpoint_path(directory, state.global_step)
    if path.exists():
        shutil.rmtree(path)
    remove_leftovers(directory / "step-*")  # of a run that was killed while it saved
    with atomic_directory(path) as folder:
        save_model(folder, model=model, vocab=vocab, do_lower_case=do_lower_case, untrained=untrained)
        save_file(optimizer_arrays(model, optimizer), folder / OPTIMIZER_NAME)
        checksums = {name: sha256_of_file(folder / name) for name in (*MODEL_FILES, OPTIMIZER_NAME)}
        write_json(folder / STATE_NAME, {"state": dataclasses.asdict(state), "sha256": checksums})
    for old in sorted(directory.glob("step-*"))[:-keep]:
        shutil.rmtree(old)
    return path


def export_model(checkpoint: Path, output: Path) -> Path:
    """Copy the model files of a checkpoint, without the training state, to the folder `output`."""
    if output.exists():
        shutil.rmtree(output)
    with atomic_directory(output) as folder:
        for name in MODEL_FILES:
            shutil.copyfile(checkpoint / name, folder / name)
    return output


def read_state(path: Path) -> TrainState:
    """Check a checkpoint's files against their checksums; returns its state. Raises CheckpointError when it is torn or foreign."""
    record = read_json(path / STATE_NAME)
    try:
        state = TrainState(**record["state"])
        checksums = dict(record["sha256"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path / STATE_NAME}: not a training state of this program.") from None
    for name in (*MODEL_FILES, OPTIMIZER_NAME):
        if not (path / name).is_file() or sha256_of_file(path / name) != checksums.get(name):
            raise CheckpointError(f"{path / name}: missing or torn (its checksum differs).")
    return state


def newest_checkpoint(directory: Path) -> tuple[Path, TrainState] | None:
    """The newest whole checkpoint; torn ones are passed over with a warning."""
    for path in sorted(directory.glob("step-*"), reverse=True):
        try:
            return path, read_state(path)
        except CheckpointError as error:
            print(f"warning: checkpoint passed over: {error}", file=sys.stderr)
    return None


def load_checkpoint(path: Path, *, model: BertForPretraining, optimizer: paddle.optimizer.Optimizer) -> None:
    """Set the model and the optimizer to a checkpoint that `read_state` has found whole."""
    load_weights(model, path)
    try:
        set_optimizer_arrays(model, optimizer, load_file(path / OPTIMIZER_NAME))
    except SafetensorError as error:
        raise CheckpointError(f"{path / OPTIMIZER_NAME}: {error}.") from None
