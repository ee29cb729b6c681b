"""The folder of a run, of whatever kind: who works in it, what it is bound to, and what may be deleted in it.

run.json   what the run is bound to; written last of the set-up: a folder without it holds no run
.lock      held by the process that works in the folder
logs/      what workers without the terminal print
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from ..errors import CheckpointError, ConfigError
from ..files import locked, read_json, write_json

RUN_NAME, LOCK_NAME, LOGS_NAME = "run.json", ".lock", "logs"
BYTES_PER_PARAMETER = 12  # of a checkpoint: the weights and two moments, in 32 bits


def read_record(output: Path) -> dict[str, Any] | None:
    """Return what the run in a folder is bound to; None where there is no run."""
    return read_json(output / RUN_NAME) if (output / RUN_NAME).exists() else None


def write_record(output: Path, record: Mapping[str, Any]) -> None:
    """Bind the folder to a run, as the last step of the set-up."""
    write_json(output / RUN_NAME, record)


def check_output(output: Path) -> None:
    """Raise ConfigError for a folder that holds something that is no run."""
    if (output / RUN_NAME).exists() or not output.exists():
        return
    if any(path.name != LOCK_NAME for path in output.iterdir()):
        raise ConfigError(f"{output}: is not empty and holds no run; name another --output (it is not overwritten).")


@contextlib.contextmanager
def locked_output(output: Path) -> Iterator[None]:
    """Work in a run's folder as the only process. Raises ConfigError where another one does."""

    def refuse() -> None:
        raise ConfigError(f"{output}: another process is working there; wait for it, or name another --output.")

    check_output(output)
    is_new = not output.exists()
    output.mkdir(parents=True, exist_ok=True)
    with locked(output / LOCK_NAME, on_busy=refuse):
        try:
            yield
        finally:
            if is_new and [path.name for path in output.iterdir()] == [
                LOCK_NAME
            ]:  # refused before anything was written
                shutil.rmtree(output)


def refuse_differences(output: Path, found: Sequence[str], *, remedy: str) -> None:
    """Raise CheckpointError with all in which a job differs from the run that the folder is bound to, if it does."""
    if found:
        raise CheckpointError(f"{output}: holds a run that cannot be resumed: {'; '.join(found)}. {remedy}")


def discard_run(output: Path, *, contents: Sequence[str]) -> None:
    """Delete what a run has written. `contents` are patterns of the names; other files in the folder stay."""
    found = {path for pattern in (*contents, LOGS_NAME) for path in output.glob(pattern)}
    for path in sorted(found):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (output / RUN_NAME).unlink(missing_ok=True)  # last: --overwrite then works after a kill, too
