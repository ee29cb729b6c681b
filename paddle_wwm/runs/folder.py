"""The folder of a run of any kind: its lock, its record, and the files that may be deleted in it.

run.json   the record: the data and settings of the run. The set-up writes it last; a folder without it holds no run
.lock      held by the process that works in the folder
logs/      the output of workers that do not print to the terminal
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from ..errors import CheckpointError, ConfigError
from ..files import locked, read_json, write_json

RUN_NAME, LOCK_NAME, LOGS_NAME = "run.json", ".lock", "logs"
BYTES_PER_PARAMETER = 12  # size of a checkpoint: the weight and two moments, 32 bits each


def read_record(output: Path) -> dict[str, Any] | None:
    """Return the record of the run in a folder, or None if the folder holds no run."""
    return read_json(output / RUN_NAME) if (output / RUN_NAME).exists() else None


def write_record(output: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a run; this must be the last step of the set-up."""
    write_json(output / RUN_NAME, record)


def check_output(output: Path) -> None:
    """Raise ConfigError if the folder holds other files and no run."""
    if (output / RUN_NAME).exists() or not output.exists():
        return
    if any(path.name != LOCK_NAME for path in output.iterdir()):
        raise ConfigError(
            f"{output}: the folder is not empty and holds no run. It is not overwritten; choose another --output."
        )


@contextlib.contextmanager
def locked_output(output: Path) -> Iterator[None]:
    """Hold the lock of a run folder, so that only one process works in it.

    Raises:
        ConfigError: another process is working in the folder, or it holds other files and no run.
    """

    def refuse() -> None:
        raise ConfigError(
            f"{output}: another process is working in this folder. Wait until it ends, or choose another --output."
        )

    check_output(output)
    is_new = not output.exists()
    output.mkdir(parents=True, exist_ok=True)
    with locked(output / LOCK_NAME, on_busy=refuse):
        try:
            yield
        finally:
            # the job was refused before anything was written
            if is_new and [path.name for path in output.iterdir()] == [LOCK_NAME]:
                shutil.rmtree(output)


def refuse_differences(output: Path, found: Sequence[str], *, remedy: str) -> None:
    """Raise CheckpointError if the job differs from the run in the folder.

    Args:
        output: the folder of the run.
        found: the differences; nothing is raised if it is empty.
        remedy: what the user can do, the last sentence of the message.
    """
    if found:
        raise CheckpointError(f"{output}: the run in this folder cannot be resumed: {'; '.join(found)}. {remedy}")


def discard_run(output: Path, *, contents: Sequence[str]) -> None:
    """Delete the files that a run has written; other files stay.

    Args:
        output: the folder of the run.
        contents: patterns for the names of the files and folders to delete.
    """
    found = {path for pattern in (*contents, LOGS_NAME) for path in output.glob(pattern)}
    for path in sorted(found):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (output / RUN_NAME).unlink(missing_ok=True)  # last, so that --overwrite also works after a kill during deletion
