#!/usr/bin/env python
"""Pretrain a whole-word-masked BERT: raw text (or prepared shards) to a checkpoint, under fleet.

  python scripts/pretrain.py                                    the quick start: bundled corpus, two workers, a few minutes
  python scripts/pretrain.py --corpus data/*.txt --vocab vocab.txt --config scripts/recipes/small.yaml --output runs/mine
  python scripts/pretrain.py … --output runs/mine --resume auto go on after an interruption
  python scripts/pretrain.py --init runs/mine/model --corpus domain.txt --config scripts/recipes/small.yaml --output runs/domain
                                                                go on training a model on text of your domain
  python scripts/pretrain.py --init models/chinese-roberta-wwm-ext --init-layers 3 --corpus shards/ext --config scripts/recipes/rbt3.yaml …
                                                                a shallow model from the first layers of a deep one
  python scripts/pretrain.py … phases.0.num_steps=2000 seed=7   change a key of the recipe
  python -m paddle.distributed.launch --nproc_per_node 2 scripts/pretrain.py …      the same under Paddle's own launcher

Text files are UTF-8, one sentence or paragraph a line, a blank line between documents.
Exit status: 0 done, 2 a mistake that you can mend (one line says which), 130 Ctrl-C and 143 SIGTERM (both after saving a checkpoint).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import run_script  # noqa: E402

QUICK_START_CORPUS = ROOT / "paddle_wwm" / "sample_data" / "sample_corpus.txt"
QUICK_START_RECIPE = ROOT / "scripts" / "recipes" / "quickstart.yaml"
DEFAULT_VOCAB_SIZE = 21128


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--corpus",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="text files, or folders of prepared shards (default: the sample corpus)",
    )
    add("--vocab", type=Path, help="vocab.txt (default: that of --init, or else one built from the corpus)")
    add(
        "--init",
        type=Path,
        metavar="DIR",
        help="go on training this model folder, of its sizes, instead of random weights",
    )
    add(
        "--init-layers",
        type=int,
        metavar="N",
        help="take the first N layers of --init only, as RBT3 takes three of RoBERTa-wwm-ext's",
    )
    add(
        "--config",
        type=Path,
        default=QUICK_START_RECIPE,
        metavar="RECIPE",
        help="a recipe, see scripts/recipes (default: the quick start's)",
    )
    add(
        "--output",
        type=Path,
        default=Path("runs/quickstart"),
        metavar="DIR",
        help="the run's folder (default: %(default)s)",
    )
    add(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="where prepared corpora are kept and found again (default: prepared/ beside --output)",
    )
    add("--nproc", type=int, metavar="N", help="fleet workers on this machine (default: one a GPU; 2 on the CPU)")
    add(
        "--vocab-size",
        type=int,
        default=DEFAULT_VOCAB_SIZE,
        metavar="N",
        help="largest size of a vocabulary that is built (default: %(default)s)",
    )
    add(
        "--resume",
        choices=["auto"],
        help="auto: go on from the newest whole checkpoint of the run in --output, if there is one",
    )
    add("--accept-changes", action="store_true", help="resume although data, recipe or --init have changed")
    add("--overwrite", action="store_true", help="discard the run that --output holds")
    add(
        "--dry-run",
        action="store_true",
        help="check everything, print the resolved recipe, its size, tokens and steps, and exit",
    )
    add(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="keys of the recipe to change, for example phases.0.num_steps=100",
    )
    arguments = parser.parse_intermixed_args()
    if arguments.resume and arguments.overwrite:
        parser.error("--resume and --overwrite exclude each other")
    if arguments.init_layers is not None and (arguments.init is None or arguments.init_layers < 1):
        parser.error("--init-layers must be at least 1, and needs --init")
    if arguments.nproc is not None and arguments.nproc < 1:
        parser.error("--nproc must be at least 1")
    # "--corpus a.txt b.txt seed=7": an override after the files is no file
    if arguments.corpus:
        arguments.overrides += [str(item) for item in arguments.corpus if "=" in item.name and not item.exists()]
        arguments.corpus = [item for item in arguments.corpus if "=" not in item.name or item.exists()]
    return arguments


def main() -> None:
    arguments = parse_arguments()
    from paddle_wwm.cpu import use_fast_matmul
    from paddle_wwm.quiet import quiet_environment
    from paddle_wwm.recipe_file import load_config

    quiet_environment()
    use_fast_matmul()
    from paddle_wwm.progress import show_bar
    from paddle_wwm.training.devices import visible_gpus
    from paddle_wwm.training.job import run_job
    from paddle_wwm.training.set_up import Job

    job = Job(
        config=load_config(arguments.config, overrides=arguments.overrides),
        corpus=tuple(arguments.corpus or [QUICK_START_CORPUS]),
        vocab=arguments.vocab,
        init=arguments.init,
        init_layers=arguments.init_layers,
        built_vocab_size=arguments.vocab_size,
        output=arguments.output,
        prepared=arguments.prepared or arguments.output.parent / "prepared",
        resume=arguments.resume == "auto",
        overwrite=arguments.overwrite,
        dry_run=arguments.dry_run,
        accept_changes=arguments.accept_changes,
        num_workers=arguments.nproc or len(visible_gpus()) or 2,
    )
    run_job(job, progress=show_bar, on_terminal=True)


if __name__ == "__main__":
    run_script(main)
