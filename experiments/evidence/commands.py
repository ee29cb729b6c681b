"""The commands on the page, which repeat an experiment and its follow-ups."""

from __future__ import annotations

from typing import Sequence

from .experiment import PLAN_NAME, RECIPES, EvidenceConfig, FineTuning

OUTPUT = "runs/evidence"
_FLAGS = {"chnsenticorp": "chnsenticorp", "cmrc2018": "cmrc"}
_NEXT_LINE = " \\\n  "


def commands(config: EvidenceConfig, follow_ups: Sequence[EvidenceConfig] = ()) -> str:
    """Return the commands of the experiment, of each follow-up, and of the whole page."""
    parts, outputs = [_command(config, output=OUTPUT)], [OUTPUT]
    for number, other in enumerate(follow_ups, start=1):
        output = f"{OUTPUT}-follow-up-{number}"
        if other.borrows_models:  # `keep_plan` expects these links
            names = ("pretrain", "models", "masked", "shards", "corpus.txt", "corpus.json")
            parts.append(f"mkdir {output} && ln -s $PWD/{outputs[-1]}/{{{','.join(names)}}} {output}/")
        parts.append(_command(other, output=output, more=f"--plan {PLAN_NAME}"))
        outputs.append(output)
    if follow_ups:
        parts.append(f"# the first command again, with\n#   --follow-up {' '.join(outputs[1:])}")
    return "\n".join(parts)


def _command(config: EvidenceConfig, *, output: str, more: str = "") -> str:
    recipe = config.recipe.stem if config.recipe.parent == RECIPES else config.recipe.name
    first = (
        f'python -m experiments.evidence --corpus "corpus/*.txt" --vocab vocab.txt --recipe {recipe} --output {output}'
    )
    seeds = (
        f"--seeds {' '.join(map(str, config.seeds))} --finetune-seeds {config.num_finetuning_seeds} --floor-seeds "
        f"{config.num_floor_seeds}"
    )
    numbers = f"{seeds} --evaluation-examples {config.evaluation_examples} --nproc {config.num_workers}"
    tasks = [_task_flags(_FLAGS[task.task], task) for task in config.tasks]
    return _NEXT_LINE.join([f"{first} {more}".rstrip(), *tasks, numbers, *config.overrides])


def _task_flags(flag: str, task: FineTuning) -> str:
    numbers = (
        f"--{flag}-length {task.max_seq_length} --{flag}-batch {task.batch_size} --{flag}-epochs {task.num_epochs}"
    )
    limit = "" if task.limit_train is None else f" --{flag}-limit {task.limit_train}"
    return f"--{flag} DIR {numbers} --{flag}-rate {task.learning_rate:g}{limit}"
