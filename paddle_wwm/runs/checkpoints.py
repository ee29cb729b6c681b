"""The checkpoints of a run: folders that are written completely or not at all, and read only if they are complete.

    checkpoints/step-00000300/   state.json: the state, and the sha256 of every other file
                                 model_state.pdparams  optimizer.safetensors  …: the files that this kind of run needs

The next save deletes half-written folders that a killed run left behind. Damaged checkpoints are skipped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Collection, Generic, Iterator, Mapping, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..errors import CheckpointError
from ..files import atomic_directory, read_json, remove_leftovers, sha256_of_file, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

TO_CONTINUE = "To continue, rerun the same command (pretraining: add --resume auto)."
State = TypeVar("State", bound="DataclassInstance")


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Generic[State]):
    """A checkpoint whose files were found complete.

    Attributes:
        path: its folder.
        state: the state of the run at that step.
    """

    path: Path
    state: State


@dataclass(frozen=True, kw_only=True)
class CheckpointStore(Generic[State]):
    """The checkpoints in a folder.

    Attributes:
        folder: the folder that holds them.
        state_type: the dataclass for the state of a run.
        state_name: the name of the JSON file that holds the state in each checkpoint.
    """

    folder: Path
    state_type: type[State]
    state_name: str

    def paths(self) -> list[Path]:
        """Return the folders of all checkpoints, complete or damaged, oldest first."""
        return sorted(self.folder.glob("step-*"))

    @contextlib.contextmanager
    def writing(self, name: str, *, state: State) -> Iterator[Path]:
        """Yield a folder for the files of a checkpoint.

        The folder becomes the checkpoint `name` when the block ends.

        Raises:
            CheckpointError: the checkpoint cannot be written. Earlier checkpoints are unchanged.
        """
        path = self.folder / name
        remove_leftovers(self.folder / "step-*")  # a run that was killed while it saved leaves half-written folders
        try:
            with atomic_directory(path, replace=True) as folder:
                yield folder
                sums = {file.name: sha256_of_file(file) for file in sorted(folder.iterdir())}
                write_json(folder / self.state_name, {"state": dataclasses.asdict(state), "sha256": sums})
        except OSError as error:
            whole = self.paths()
            before = f"the newest one is {whole[-1].name}" if whole else "no earlier one exists"
            raise CheckpointError(
                f"{path}: the checkpoint cannot be written ({error}); {before}. Free some disk space. {TO_CONTINUE}"
            ) from None

    def keep_only(self, kept: Collection[Path]) -> None:
        """Delete all checkpoints except these."""
        for path in self.paths():
            if path not in kept:
                shutil.rmtree(path)

    def delete(self) -> None:
        """Delete all checkpoints and their folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def newest(self) -> Checkpoint[State] | None:
        """Return the newest complete checkpoint, or None.

        A warning is logged for every damaged checkpoint that is newer.
        """
        for path in reversed(self.paths()):
            try:
                return self.read(path)
            except CheckpointError as error:
                logger.warning("checkpoint skipped: %s", error)
        return None

    def read(self, path: Path) -> Checkpoint[State]:
        """Read the state of a checkpoint and check its files.

        Raises:
            CheckpointError: the checkpoint is damaged, or belongs to another kind of run.
        """
        state, sums = self._read_state(path)
        for name, expected in sums.items():
            if not (path / name).is_file() or sha256_of_file(path / name) != expected:
                raise CheckpointError(f"{path / name}: the file is missing or damaged (its checksum differs).")
        return Checkpoint(path=path, state=state)

    def states(self) -> Iterator[Checkpoint[State]]:
        """Yield the checkpoints whose state can be read, oldest first.

        Their other files are not checked.
        """
        for path in self.paths():
            with contextlib.suppress(CheckpointError):
                yield Checkpoint(path=path, state=self._read_state(path)[0])

    def _read_state(self, path: Path) -> tuple[State, Mapping[str, str]]:
        record = read_json(path / self.state_name)
        try:
            # version 0.1 wrote more fields into `state`, and some fields next to it
            values: dict[str, Any] = {**record, **record["state"]}
            state = {
                field.name: values[field.name]
                for field in dataclasses.fields(self.state_type)
                # a field with a default was added later, and is missing in older checkpoints
                if field.name in values or field.default is field.default_factory is dataclasses.MISSING
            }
            return self.state_type(**state), dict(record["sha256"])
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"{path / self.state_name}: not a training state of this program.") from None


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a safetensors file.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        save_file(dict(arrays), path)
    except SafetensorError as error:  # safetensors wraps the error of the operating system
        raise OSError(str(error)) from None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {error}.") from None
