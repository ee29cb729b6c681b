"""The folder of a fine-tuning run: what it is bound to, what it may not be mixed with, and what is left to do in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Sequence

from ..errors import CheckpointError, ConfigError
from ..files import atomic_write
from .results import RESULT_NAME, RUN_NAME, RunRecord, read_results, read_run, seed_folder, write_record
from .summary import SUMMARY_NAME, summary_of

LOCK_NAME = ".lock"


def check_output(output: Path, record: RunRecord, *, overwrite: bool) -> bool:
    """Whether the output folder holds this very run. Raises ConfigError for one that holds something else."""
    if not (output / RUN_NAME).exists():
        others = [path.name for path in output.iterdir() if path.name != LOCK_NAME] if output.exists() else []
        if others:
            raise ConfigError(
                f"{output}: is not empty and holds no run; name another --output (what is there is not overwritten)."
            )
        return False
    if overwrite:
        return False
    found = differences(read_run(output), record)
    if found:
        raise CheckpointError(
            f"{output}: holds a run with other numbers: {'; '.join(found)}. Name another --output, or discard "
            f"that run with --overwrite."
        )
    return True


def differences(before: RunRecord, now: RunRecord) -> list[str]:
    """All in which two runs differ that changes scores, in words; paths and names do not."""
    found = [
        f"{name} was {getattr(before, name)!r} and is {getattr(now, name)!r}"
        for name in ("task", "metric", "learning_rate")
        if getattr(before, name) != getattr(now, name)
    ]
    found += [
        f"the model's {name} differs"
        for name in ("sha256", "vocab_sha256")
        if before.model.get(name) != now.model[name]
    ]
    for name in sorted(before.data.keys() | now.data.keys()):
        if before.data.get(name, {}).get("sha256") != now.data.get(name, {}).get("sha256"):
            found.append(f"the data of {name} differ")
    for name in sorted(before.recipe.keys() | now.recipe.keys()):
        if before.recipe.get(name) != now.recipe.get(name):
            found.append(f"`{name}` was {before.recipe.get(name)!r} and is {now.recipe.get(name)!r}")
    return found


def set_up(output: Path, record: RunRecord, *, overwrite: bool) -> None:
    """Bind the folder to the run, which it may hold already."""
    if check_output(output, record, overwrite=overwrite):
        return
    if overwrite and (output / RUN_NAME).exists():
        for path in output.iterdir():
            if path.is_dir() and path.name.startswith("seed-"):
                shutil.rmtree(path)
            elif path.name in (RUN_NAME, SUMMARY_NAME):
                path.unlink()
    write_record(output / RUN_NAME, record)


def write_summary(output: Path) -> str:
    """The row of the run, also as a file; returns what to print."""
    text = summary_of(read_run(output), read_results(output), output=output)
    with atomic_write(output / SUMMARY_NAME, "w") as stream:
        stream.write(text + "\n")
    return text


def unfinished(output: Path, seeds: Sequence[int]) -> list[int]:
    """The seeds without a result."""
    return [seed for seed in seeds if not (seed_folder(output, seed) / RESULT_NAME).exists()]
