"""What comes before fine-tuning: the job, what is read for it, and the run's folder, which is bound to it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..download.finding import ModelSource
from ..runs.folder import (
    BYTES_PER_PARAMETER,
    RUN_NAME,
    check_output,
    check_space,
    discard_run,
    refuse_differences,
    write_record,
)
from ..tasks.dataset import Dataset, Split
from ..tasks.task import Features, Task
from .recipe import FineTuneRecipe
from .results import CONTENTS, RunRecord, read_run, unfinished


@dataclass(frozen=True, kw_only=True)
class FineTuneJob:
    """What the command line asks for. model: a folder or a name; model_name: for tables. changes: numbers of the
    recipe, None for the task's own.

    save_every_minutes: beside each evaluation; 0: not. keep_models: False leaves scores and predictions only.
    """

    dataset: Dataset
    data: Path
    model: str
    output: Path
    seeds: Sequence[int]
    model_name: str | None = None
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    num_workers: int = 1
    keep_models: bool = True
    save_every_minutes: float = 10.0
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """All that is read before training."""

    dataset: Dataset
    task: Task
    model: ModelSource
    recipe: FineTuneRecipe
    record: RunRecord
    train: Features
    evaluation: Mapping[str, tuple[Split, Features]]
    example: str


def check_folder(job: FineTuneJob, record: RunRecord) -> bool:
    """Return True if the output folder holds this very run. Raises an error for one that holds something else."""
    check_output(job.output)
    if seeds := unfinished(job.output, job.seeds):
        # two checkpoints while the new one is written, the network of the best one, and the models that are kept
        num_networks = 1 + (len(seeds) if job.keep_models else 0)
        bytes_per_parameter = 2 * BYTES_PER_PARAMETER + 4 * num_networks
        needed = record.model["num_parameters"] * bytes_per_parameter
        check_space(job.output, needed=needed, remedy=", or keep no models (--keep-models none)")
    if job.overwrite or not (job.output / RUN_NAME).exists():
        return False
    found = differences(read_run(job.output), record)
    refuse_differences(job.output, found, remedy="Name another --output, or discard that run with --overwrite.")
    return True


def set_up(job: FineTuneJob, record: RunRecord) -> None:
    """Bind the folder to the run, which it may hold already."""
    if check_folder(job, record):
        return
    discard_run(job.output, contents=CONTENTS)
    write_record(job.output, dataclasses.asdict(record))


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
