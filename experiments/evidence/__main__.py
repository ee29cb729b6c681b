"""Pretrain pairs of models that differ only in the masking, fine-tune all of them, and write the results page.

  python -m experiments.evidence --corpus "corpus/*.txt" --vocab vocab.txt --chnsenticorp data/chnsenticorp \\
      --cmrc data/cmrc2018 --output runs/evidence

  … --dry-run                       list what is done and what remains
  … --until pretrain                stop after a stage; to continue, rerun the command without --until
  … --nproc 1                       no fleet: both arms of a pair are pretrained in parallel (--jobs 2)
  … --steps 200 --seeds 1 2 --finetune-seeds 1 --cmrc-epochs 1       a small experiment
  … --write-docs docs/evidence.md   also write the page and its pictures to this path
  … --output runs/longer --plan plan.md phases.0.num_steps=6000      a follow-up; its plan is saved before any run
  … --output runs/evidence --follow-up runs/longer --write-docs docs/evidence.md      also report the follow-up

Stages: corpus (without the text of the evaluation sets), shards, pretrain, masked (accuracy of every model under both
maskings), finetune, report. Finished work is skipped, interrupted work continues.
Exit status: 0 done, 2 an error that you can fix, 130 Ctrl-C and 143 SIGTERM.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paddle_wwm.cli.process import run_script
from paddle_wwm.cpu import use_fast_matmul
from paddle_wwm.errors import ConfigError
from paddle_wwm.quiet import quiet_environment

from .experiment import DEFAULT_RECIPE, EvidenceConfig, FineTuning, find_recipe, overrides_of_steps

STAGES = ("corpus", "shards", "pretrain", "masked", "finetune", "report")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.evidence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--corpus", nargs="+", type=Path, default=[], metavar="FILE", help="text files, globs or folders to pretrain on"
    )
    add("--vocab", type=Path, required=True, help="vocab.txt")
    add("--output", type=Path, required=True, metavar="DIR", help="folder of all results; to continue, give it again")
    add(
        "--recipe",
        type=Path,
        default=DEFAULT_RECIPE,
        help="pretraining recipe: a file, or evidence or evidence-short (default: evidence)",
    )
    add("--steps", type=int, metavar="N", help="pretraining steps, a tenth of them warmup (default: from the recipe)")
    add(
        "--seeds",
        type=int,
        nargs="+",
        default=[1, 2, 3],
        metavar="N",
        help="pretraining seeds, one pair of models per seed (default: 1 2 3)",
    )
    add(
        "--finetune-seeds",
        type=int,
        default=3,
        metavar="N",
        help="fine-tuning runs per pretrained model and task (default: %(default)s)",
    )
    add(
        "--floor-seeds",
        type=int,
        default=1,
        metavar="N",
        help="fine-tuning runs per task of the initial weights of each pair, not pretrained (default: %(default)s)",
    )
    add("--nproc", type=int, default=2, metavar="N", help="fleet workers per pretraining run (default: %(default)s)")
    add(
        "--jobs",
        type=int,
        default=2,
        metavar="N",
        help="parallel processes: fine-tuning runs, and workers of pretraining runs (default: %(default)s)",
    )
    add(
        "--evaluation-examples",
        type=int,
        default=1024,
        metavar="N",
        help="held-out examples for masked accuracy (default: %(default)s)",
    )
    add("--until", choices=STAGES, default=STAGES[-1], help="the last stage to run")
    add("--dry-run", action="store_true", help="print what is done and what remains, and exit")
    add("--write-docs", type=Path, metavar="FILE.md", help="also write the page here, and its pictures next to it")
    add(
        "--plan",
        type=Path,
        metavar="FILE.md",
        help="the plan of this experiment: saved in --output before any run, and quoted on the page",
    )
    add(
        "--follow-up",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="the output folders of follow-ups to report on this page",
    )
    add("overrides", nargs="*", metavar="key=value", help="keys of the recipe to change in both arms")
    for name, title, length, batch, epochs, rate in (
        ("chnsenticorp", "ChnSentiCorp", 128, 32, 2, 1e-4),
        ("cmrc", "CMRC 2018 (trial and dev)", 384, 16, 2, 2e-4),
    ):
        group = parser.add_argument_group(title)
        group.add_argument(
            f"--{name}", type=Path, metavar="DIR", help="folder of its files; without it, the task is skipped"
        )
        group.add_argument(
            f"--{name}-length", type=int, default=length, metavar="N", help="tokens per example (default: %(default)s)"
        )
        group.add_argument(
            f"--{name}-batch", type=int, default=batch, metavar="N", help="batch size (default: %(default)s)"
        )
        group.add_argument(
            f"--{name}-epochs", type=int, default=epochs, metavar="N", help="epochs (default: %(default)s)"
        )
        group.add_argument(
            f"--{name}-rate",
            type=float,
            default=rate,
            metavar="X",
            help="learning rate, for mini models (default: %(default)s)",
        )
        group.add_argument(
            f"--{name}-limit",
            type=int,
            metavar="N",
            help="train on N examples, the same for all models (default: all)",
        )
    arguments = parser.parse_intermixed_args()
    arguments.overrides += [str(item) for item in arguments.corpus if "=" in item.name and not item.exists()]
    arguments.corpus = [item for item in arguments.corpus if "=" not in item.name or item.exists()]
    return arguments


def main() -> None:
    arguments = parse_arguments()
    quiet_environment()
    use_fast_matmul()
    from paddle_wwm.recipe_file import load_config

    from .stages import Stages

    recipe = find_recipe(arguments.recipe)
    overrides = tuple(arguments.overrides)
    if arguments.steps is not None:
        overrides = (*overrides_of_steps(load_config(recipe), steps=arguments.steps), *overrides)
    tasks = [
        FineTuning(
            task=task,
            data=getattr(arguments, name),
            max_seq_length=getattr(arguments, f"{name}_length"),
            batch_size=getattr(arguments, f"{name}_batch"),
            num_epochs=getattr(arguments, f"{name}_epochs"),
            learning_rate=getattr(arguments, f"{name}_rate"),
            limit_train=getattr(arguments, f"{name}_limit"),
        )
        for name, task in (("chnsenticorp", "chnsenticorp"), ("cmrc", "cmrc2018"))
        if getattr(arguments, name) is not None
    ]
    try:
        config = EvidenceConfig(
            output=arguments.output,
            corpus=tuple(arguments.corpus),
            vocab=arguments.vocab,
            recipe=recipe,
            overrides=overrides,
            seeds=tuple(arguments.seeds),
            num_finetuning_seeds=arguments.finetune_seeds,
            num_floor_seeds=arguments.floor_seeds,
            tasks=tuple(tasks),
            num_workers=arguments.nproc,
            num_jobs=arguments.jobs,
            evaluation_examples=arguments.evaluation_examples,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    stages = Stages(
        config=config, plan=arguments.plan, follow_ups=tuple(arguments.follow_up), docs=arguments.write_docs
    )
    if arguments.dry_run:
        print(stages.describe())
        return
    stages.run(STAGES[: STAGES.index(arguments.until) + 1])


if __name__ == "__main__":
    run_script(main)
