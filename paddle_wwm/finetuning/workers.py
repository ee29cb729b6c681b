"""The command that starts the workers of a fine-tuning run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runs.processes import package_command
from ..tasks.dataset_table import DATASETS

if TYPE_CHECKING:
    from .set_up import FineTuneJob


def worker_command(job: FineTuneJob) -> tuple[str, ...]:
    """Return the command that trains a set-up run as one of its workers."""
    assert list(job.seeds) == list(range(job.seeds[0], job.seeds[-1] + 1))
    flags: dict[str, object] = {
        "model": job.model,
        "model-name": job.model_name,
        "output": job.output,
        "seeds": len(job.seeds),
        "first-seed": job.seeds[0],
        "nproc": job.num_workers,
        "keep-models": "best" if job.keep_models else "none",
        "save-every-minutes": job.save_every_minutes,
        **{name.replace("_", "-").replace("num-epochs", "epochs"): value for name, value in job.changes.items()},
    }
    dataset = job.dataset
    in_table = DATASETS.get(dataset.name) == dataset
    if in_table:
        flags |= {"task": dataset.name, "data": job.data}
    else:
        flags |= {
            "task-name": dataset.name,
            "kind": dataset.task.value,
            "format": dataset.reader,
            "metric": dataset.metric,
        }
        flags |= {split: paths[0] for split, paths in dataset.files.items()}
        flags |= {"labels": ",".join(dataset.labels) or None}
    pairs = [str(word) for name, value in flags.items() if value is not None for word in (f"--{name}", value)]
    columns = [word for field, column in dataset.columns.items() for word in ("--column", f"{field}={column}")]
    return package_command("finetune", *pairs, *([] if in_table else columns))
