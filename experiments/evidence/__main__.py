"""Pretrain pairs of models that differ in the masking alone, fine-tune all of them, and write the page about it.

  python -m experiments.evidence --corpus "corpus/*.txt" --vocab vocab.txt --chnsenticorp data/chnsenticorp \\
      --cmrc data/cmrc2018 --output runs/evidence

  … --dry-run                       list what is done and what is left to do
  … --until pretrain                stop after a stage; to continue, run the same command without it
  … --nproc 1                       no fleet: both arms of a pair are pretrained side by side (--jobs 2)
  … --steps 200 --seeds 1 2 --finetune-seeds 1 --cmrc-epochs 1       a small experiment
  … --write-docs docs/evidence.md   also write the page and its pictures there
  … --output runs/longer --plan plan.md phases.0.num_steps=6000      a follow-up; its plan is kept before any run
  … --output runs/evidence --follow-up runs/longer --write-docs docs/evidence.md      report it on the page, too

Stages: corpus (text of the evaluation sets is left out), shards, pretrain, masked (accuracy of every model under both
maskings), finetune, report. What is done is skipped, what was interrupted continues.
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
        "--corpus", nargs="+", type=Path, default=[], metavar="FILE", help="text files to pretrain on, globs or folders"
    )
    add("--vocab", type=Path, required=True, help="vocab.txt")
    add("--output", type=Path, required=True, metavar="DIR", help="where everything goes, and is found again")
    add(
        "--recipe",
        type=Path,
        default=DEFAULT_RECIPE,
        help="of pretraining: a file, or evidence or evidence-short (default: evidence)",
    )
    add("--steps", type=int, metavar="N", help="steps of pretraining, a tenth of them warm-up (default: the recipe's)")
    add(
        "--seeds",
        type=int,
        nargs="+",
        default=[1, 2, 3],
        metavar="N",
        help="pretraining seeds, a pair of models each (default: 1 2 3)",
    )
    add(
        "--finetune-seeds",
        type=int,
        default=3,
        metavar="N",
        help="fine-tunings of every pretrained model on every task (default: %(default)s)",
    )
    add(
        "--floor-seeds",
        type=int,
        default=1,
        metavar="N",
        help="fine-tunings of each pair's first weights, not pretrained (default: %(default)s)",
    )
    add("--nproc", type=int, default=2, metavar="N", help="fleet workers of a pretraining run (default: %(default)s)")
    add(
        "--jobs",
        type=int,
        default=2,
        metavar="N",
        help="processes at a time: fine-tunings, and workers of pretraining runs (default: %(default)s)",
    )
    add(
        "--evaluation-examples",
        type=int,
        default=1024,
        metavar="N",
        help="held-out examples for masked accuracy (default: %(default)s)",
    )
    add("--until", choices=STAGES, default=STAGES[-1], help="the last stage to do")
    add("--dry-run", action="store_true", help="say what is done and what is left, and exit")
    add("--write-docs", type=Path, metavar="FILE.md", help="also write the page here, its pictures beside it")
    add(
        "--plan",
        type=Path,
        metavar="FILE.md",
        help="what this run is for: kept in --output before anything is run, and quoted on the page",
    )
    add(
        "--follow-up",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="the outputs of follow-ups, to be reported on this page",
    )
    add("overrides", nargs="*", metavar="key=value", help="keys of the recipe to change in both arms")
    for name, title, length, batch, epochs, rate in (
        ("chnsenticorp", "ChnSentiCorp", 128, 32, 2, 1e-4),
        ("cmrc", "CMRC 2018 (trial and dev)", 384, 16, 2, 2e-4),
    ):
        group = parser.add_argument_group(title)
        group.add_argument(
            f"--{name}", type=Path, metavar="DIR", help="the folder of its files; without it the task is left out"
        )
        group.add_argument(
            f"--{name}-length", type=int, default=length, metavar="N", help="tokens (default: %(default)s)"
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
            help="train on N of the examples, the same for all models (default: all)",
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
