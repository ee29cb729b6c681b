"""The checkpoints of a run: folders that are written whole or not at all, and read only when they are whole.

    checkpoints/step-00000300/   state.json, the file with the state and the sha256 of every other file
                                 model_state.pdparams  optimizer.safetensors  …, whatever the kind of run needs

A half-written folder that a killed run left is deleted by the next save; a torn checkpoint is skipped.
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
    """A checkpoint that was found whole."""

    path: Path
    state: State


@dataclass(frozen=True, kw_only=True)
class CheckpointStore(Generic[State]):
    """The checkpoints in a folder.

    Attributes:
        folder: where they are.
        state_type: the dataclass that says where a run stands.
        state_name: the JSON file of each checkpoint that holds it.
    """

    folder: Path
    state_type: type[State]
    state_name: str

    def paths(self) -> list[Path]:
        """Return the folders of the checkpoints, whole or torn, the oldest first."""
        return sorted(self.folder.glob("step-*"))

    @contextlib.contextmanager
    def writing(self, name: str, *, state: State) -> Iterator[Path]:
        """Yield a folder to write a checkpoint's files to; it becomes the checkpoint `name` when the block ends.

        Raises:
            CheckpointError: it cannot be written; the checkpoints before it are unchanged.
        """
        path = self.folder / name
        remove_leftovers(self.folder / "step-*")  # of a run that was killed while it saved
        try:
            with atomic_directory(path, replace=True) as folder:
                yield folder
                sums = {file.name: sha256_of_file(file) for file in sorted(folder.iterdir())}
                write_json(folder / self.state_name, {"state": dataclasses.asdict(state), "sha256": sums})
        except OSError as error:
            whole = self.paths()
            before = f"the newest one is {whole[-1].name}" if whole else "there is none before it"
            raise CheckpointError(
                f"{path}: the checkpoint cannot be written ({error}); {before}. Free some space. {TO_CONTINUE}"
            ) from None

    def keep_only(self, kept: Collection[Path]) -> None:
        """Delete all checkpoints but these."""
        for path in self.paths():
            if path not in kept:
                shutil.rmtree(path)

    def delete(self) -> None:
        """Delete all checkpoints and their folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def newest(self) -> Checkpoint[State] | None:
        """Return the newest whole checkpoint; log a warning for every torn one that is newer."""
        for path in reversed(self.paths()):
            try:
                return self.read(path)
            except CheckpointError as error:
                logger.warning("checkpoint skipped: %s", error)
        return None

    def read(self, path: Path) -> Checkpoint[State]:
        """Read a checkpoint's state and check its files. Raises CheckpointError when it is torn or of another kind."""
        state, sums = self._read_state(path)
        for name, expected in sums.items():
            if not (path / name).is_file() or sha256_of_file(path / name) != expected:
                raise CheckpointError(f"{path / name}: missing or torn (its checksum differs).")
        return Checkpoint(path=path, state=state)

    def states(self) -> Iterator[Checkpoint[State]]:
        """Yield the checkpoints whose state can be read, the oldest first; their other files are not checked."""
        for path in self.paths():
            with contextlib.suppress(CheckpointError):
                yield Checkpoint(path=path, state=self._read_state(path)[0])

    def _read_state(self, path: Path) -> tuple[State, Mapping[str, str]]:
        record = read_json(path / self.state_name)
        try:
            # runs of version 0.1 have more in `state`, and some of it next to it
            values: dict[str, Any] = {**record, **record["state"]}
            state = {field.name: values[field.name] for field in dataclasses.fields(self.state_type)}
            return self.state_type(**state), dict(record["sha256"])
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"{path / self.state_name}: is not a training state of this program.") from None


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a safetensors file. Raises OSError."""
    try:
        save_file(dict(arrays), path)
    except SafetensorError as error:  # the library's name for what the system refused
        raise OSError(str(error)) from None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file. Raises CheckpointError."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {error}.") from None
