"""Fine-tuning of all models on all tasks: runs of the command `finetune` that differ only in the model."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from paddle_wwm.errors import ConfigError
from paddle_wwm.finetuning.results import SeedResult, read_results, read_run
from paddle_wwm.reports.runs import gather
from paddle_wwm.runs.folder import RUN_NAME
from paddle_wwm.runs.processes import Command, package_command

from . import cmrc
from .experiment import Arm, EvidenceConfig, FineTuning, model_name
from .processes import run_all

Scores = dict[int, list[float]]  # scores of an arm: pretraining seed -> one score per fine-tuning seed


def finetune(config: EvidenceConfig) -> None:
    """Fine-tune unfinished models, `num_jobs` at a time; interrupted runs continue."""
    for task in config.tasks:
        if task.task == "cmrc2018":
            counts = cmrc.write_parts(task.data, output=config.cmrc_path)
            print(
                f"  CMRC 2018: {', '.join(f'{part} {count:,}' for part, count in counts.items())} questions", flush=True
            )
    commands = [
        finetuning_command(config, task, arm, seed)
        for arm, seed in config.models()  # by pair: an experiment that is stopped early has complete pairs
        for task in config.tasks
        if not is_finetuned(config, task, arm, seed)
    ]
    total = len(config.tasks) * len(list(config.models()))
    print(f"  {total - len(commands)} of {total} runs are done", flush=True)
    run_all(commands, num_jobs=config.num_jobs, what="fine-tuning")


def seed_results(config: EvidenceConfig, task: FineTuning, arm: Arm, seed: int) -> tuple[SeedResult, ...]:
    """Return the results of the finished seeds of a run, up to the requested number."""
    path = config.finetuning_path(task.task, arm, seed)
    return (
        tuple(result for result in read_results(path) if result.seed <= config.num_seeds_of(arm))
        if path.exists()
        else ()
    )


def is_finetuned(config: EvidenceConfig, task: FineTuning, arm: Arm, seed: int) -> bool:
    """Return True if all seeds of a run are done.

    Raises:
        ConfigError: The run has another recipe.
    """
    path = config.finetuning_path(task.task, arm, seed)
    if not (path / RUN_NAME).exists():
        return False
    record = read_run(path)
    expected: dict[str, float] = {
        "max_seq_length": task.max_seq_length,
        "batch_size": task.batch_size,
        "num_epochs": task.num_epochs,
        "limit_train": task.limit_train or 0,
    }
    found = {name: record.recipe.get(name) for name in expected} | {"learning_rate": record.learning_rate}
    expected |= {"learning_rate": task.learning_rate}
    if found != expected:
        raise ConfigError(
            f"{path / RUN_NAME}: the run was fine-tuned with {found}, not with {expected}; use the same values, or "
            "another --output."
        )
    return len(seed_results(config, task, arm, seed)) == config.num_seeds_of(arm)


def finetuning_command(config: EvidenceConfig, task: FineTuning, arm: Arm, seed: int) -> Command:
    """Return the command that fine-tunes one model on one task."""
    data = config.cmrc_path if task.task == "cmrc2018" else task.data
    arguments = (
        *("--task", task.task, "--data", str(data), "--model", str(config.model_path(arm, seed))),
        *("--model-name", model_name(arm, seed)),
        *("--output", str(config.finetuning_path(task.task, arm, seed)), "--seeds", str(config.num_seeds_of(arm))),
        *(
            "--max-seq-length",
            str(task.max_seq_length),
            "--batch-size",
            str(task.batch_size),
            "--epochs",
            str(task.num_epochs),
        ),
        *("--learning-rate", f"{task.learning_rate:g}", "--nproc", "1", "--keep-models", "none"),
        *(("--limit-train", str(task.limit_train)) if task.limit_train is not None else ()),
    )
    log = config.output / "logs" / f"finetune-{task.task}-{model_name(arm, seed)}.log"
    name = f"{task.task}, {model_name(arm, seed)}"
    return Command(name=name, line=package_command("finetune", *arguments), log=log)


def check_comparable(config: EvidenceConfig) -> None:
    """Check that all runs of a task are comparable.

    Raises:
        DataError: Two runs differ; the message names the setting.
    """
    gather(finished_paths(config))


def finished_paths(config: EvidenceConfig) -> Sequence[Path]:
    """Return the folders of fine-tuning runs that have started."""
    paths = [config.finetuning_path(task.task, arm, seed) for task in config.tasks for arm, seed in config.models()]
    return [path for path in paths if (path / RUN_NAME).exists()]


def scores_of(config: EvidenceConfig, task: FineTuning, arm: Arm, *, split: str, metric: str) -> Scores:
    """Return the scores of an arm, for pretraining seeds with finished fine-tuning."""
    found: Scores = {}
    for seed in config.seeds:
        results = seed_results(config, task, arm, seed)
        if len(results) == config.num_seeds_of(arm) and all(split in result.scores for result in results):
            found[seed] = [result.scores[split][metric] for result in results]
    return found
