"""Fine-tuning in several worker processes: the command that starts them, and what they have done so far."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Callable

from ..progress import Progress
from ..runs.devices import visible_gpus
from ..runs.launch import launch_workers, package_command
from ..tasks.dataset_table import DATASETS
from .results import LOG_NAME, seed_folder

if TYPE_CHECKING:
    from .job import FineTuneJob

SET_UP_VARIABLE = "PADDLE_WWM_FINETUNE_IS_SET_UP"  # tells workers that their launcher has checked and written the run

logger = logging.getLogger(__name__)


def worker_command(job: FineTuneJob) -> list[str]:
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


def launch(job: FineTuneJob, *, progress: Callable[[Progress], None] | None, on_terminal: bool) -> None:
    """Run the seeds of a set-up run in `job.num_workers` processes. Raises what `launch_workers` raises."""
    logger.info("starting %d workers …", job.num_workers)
    launch_workers(
        worker_command(job),
        count=job.num_workers,
        log_directory=job.output / "logs",
        gpus=visible_gpus()[: job.num_workers],
        variables={SET_UP_VARIABLE: "1"},
        show_first=on_terminal,
        on_poll=_Follower(job, progress) if progress and not on_terminal else None,
    )


class _Follower:
    """Reports the steps of the seed that is being trained, as the workers log them."""

    def __init__(self, job: FineTuneJob, progress: Callable[[Progress], None]) -> None:
        self.job, self.progress, self.sizes = job, progress, dict.fromkeys(job.seeds, 0)

    def __call__(self) -> None:
        for seed in self.job.seeds:
            path = seed_folder(self.job.output, seed) / LOG_NAME
            size = path.stat().st_size if path.exists() else 0
            if size != self.sizes[seed]:
                self.sizes[seed] = size
                done = path.read_bytes().count(b'"kind": "train"')
                self.progress(Progress(stage=f"seed {seed}", done=done, total=None, unit=" steps"))
