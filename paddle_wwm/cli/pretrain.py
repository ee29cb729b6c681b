"""Pretrain a BERT with whole word masking on raw text or prepared shards, with fleet workers.

Text files are UTF-8, with one sentence or paragraph per line and a blank line between documents.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

SUMMARY = "pretrain a BERT on raw text or shards, from random weights or from a model"
INTERMIXED = True  # key=value may stand anywhere
EXAMPLES = """\
examples:
  # The quick start: bundled corpus, two workers, a few minutes
  paddle-wwm pretrain
  # Your own text, with a packaged recipe
  paddle-wwm pretrain --corpus data/*.txt --vocab vocab.txt --config small --output runs/mine
  # The same, with two keys of the recipe changed
  paddle-wwm pretrain --corpus data/*.txt --config small --output runs/mine phases.0.num_steps=2000 seed=7
  # Continue after an interruption
  paddle-wwm pretrain --corpus data/*.txt --vocab vocab.txt --config small --output runs/mine --resume auto
  # Continue pretraining a model on text of your domain
  paddle-wwm pretrain --config domain --init chinese-roberta-wwm-ext --corpus domain.txt --output runs/domain
  # The same, with 25% general text against forgetting, and at most 10 epochs
  paddle-wwm pretrain --config domain --init runs/mine --corpus domain.txt --general-corpus wiki.txt --epochs 10 \\
      --output runs/domain
  # A shallow model from the first layers of a deep one
  paddle-wwm pretrain --init models/roberta-wwm-ext --init-layers 3 --corpus shards/ext --config rbt3 --output runs/rbt3
  # List the packaged recipes
  paddle-wwm pretrain --list-recipes

With Paddle's own launcher:
  python -m paddle.distributed.launch --nproc_per_node 2 paddle-wwm pretrain --config small …

Exit status: 0: success. 2: an error that you can fix; one line describes it. 130: stopped by Ctrl-C, 143: stopped by
SIGTERM; both save a checkpoint first."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    add = parser.add_argument
    add(
        "--corpus",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="text files, or folders of prepared shards (default: the sample corpus)",
    )
    add(
        "--vocab",
        type=Path,
        metavar="FILE",
        help="vocab.txt (default: the one of --init, or a new one built from the corpus)",
    )
    add(
        "--general-corpus",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="general text, in the same forms: it makes up data.general_share of the examples, so that the model of "
        "--init forgets less",
    )
    add(
        "--init",
        metavar="NAME_OR_DIR",
        help="start from the weights and sizes of this model instead of random weights: a model folder, a run, a hub "
        "module with weights, or a name for `paddle-wwm download`",
    )
    add(
        "--add-words",
        type=Path,
        metavar="FILE",
        help="first add the words of this file to the vocabulary of --init (see extend-vocab); the grown model is kept "
        "in OUTPUT-init",
    )
    add(
        "--init-layers",
        type=int,
        metavar="N",
        help="use only the first N layers of --init, as RBT3 uses three layers of RoBERTa-wwm-ext",
    )
    add(
        "--config",
        type=Path,
        metavar="RECIPE",
        help="the name of a packaged recipe (see --list-recipes), or a YAML file (default: quickstart)",
    )
    add(
        "--epochs",
        type=float,
        metavar="N",
        help="use each example of --corpus N times, in place of the recipe's steps; the share of warmup stays the same",
    )
    add("--list-recipes", action="store_true", help="list the packaged recipes and exit")
    add(
        "--output",
        type=Path,
        default=Path("runs/quickstart"),
        metavar="DIR",
        help="the folder of the run (default: %(default)s)",
    )
    add(
        "--prepared",
        type=Path,
        metavar="DIR",
        help="the folder where prepared corpora are stored and reused (default: prepared/ next to --output)",
    )
    add("--nproc", type=int, metavar="N", help="fleet workers on this machine (default: one per GPU; 2 on the CPU)")
    add(
        "--vocab-size",
        type=int,
        metavar="N",
        help="maximum size of a new vocabulary (default: 21128, as in the series)",
    )
    add(
        "--resume",
        choices=["auto"],
        help="auto: continue from the newest complete checkpoint of the run in --output, if there is one",
    )
    add("--accept-changes", action="store_true", help="resume even if data, recipe or --init have changed")
    add("--overwrite", action="store_true", help="discard the run in --output and start again")
    add(
        "--dry-run",
        action="store_true",
        help="check everything, print the resolved recipe, the model size, tokens and steps, draw the plan, and exit",
    )
    add(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="keys of the recipe to change, for example phases.0.num_steps=100",
    )


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together, and move overrides out of --corpus."""
    if arguments.resume and arguments.overwrite:
        parser.error("--resume and --overwrite exclude each other")
    if arguments.init_layers is not None and (arguments.init is None or arguments.init_layers < 1):
        parser.error("--init-layers must be at least 1, and needs --init")
    if arguments.add_words is not None and arguments.init is None:
        parser.error("--add-words needs --init")
    if arguments.nproc is not None and arguments.nproc < 1:
        parser.error("--nproc must be at least 1")
    # "--corpus a.txt b.txt seed=7": the last one is an override, not a file
    if arguments.corpus:
        arguments.overrides += [str(item) for item in arguments.corpus if "=" in item.name and not item.exists()]
        arguments.corpus = [item for item in arguments.corpus if "=" not in item.name or item.exists()]
    arguments.overrides += [str(item) for item in arguments.general_corpus if "=" in item.name and not item.exists()]
    arguments.general_corpus = [item for item in arguments.general_corpus if "=" not in item.name or item.exists()]
    if arguments.epochs is not None and any(
        item.startswith(("phases.0.num_steps=", "phases.0.num_epochs=")) for item in arguments.overrides
    ):
        parser.error("--epochs cannot be combined with phases.0.num_steps or phases.0.num_epochs")


def run(arguments: argparse.Namespace) -> None:
    """Pretrain, or list the recipes."""
    from ..corpus.documents import SAMPLE_CORPUS
    from ..cpu import use_fast_matmul
    from ..model_config import SERIES_VOCAB_SIZE
    from ..quiet import quiet_environment
    from ..recipe_file import PACKAGED, list_recipes, load_config

    if arguments.list_recipes:
        print(list_recipes())
        return
    quiet_environment()
    use_fast_matmul()
    from ..pretraining.job import run_job
    from ..pretraining.job_options import Job
    from ..pretraining.steps import with_epochs
    from ..progress import show_bar
    from ..runs.devices import visible_gpus

    config = load_config(arguments.config or PACKAGED / "quickstart.yaml", overrides=arguments.overrides)
    init = arguments.init
    if arguments.add_words is not None:
        from .extend_vocab import grow_for

        init = grow_for(arguments.output, init=init, words=arguments.add_words, dry_run=arguments.dry_run)
    job = Job(
        config=config if arguments.epochs is None else with_epochs(config, num_epochs=arguments.epochs),
        corpus=tuple(arguments.corpus or [SAMPLE_CORPUS]),
        vocab=arguments.vocab,
        general=tuple(arguments.general_corpus),
        init_name=init,
        init_layers=arguments.init_layers,
        built_vocab_size=SERIES_VOCAB_SIZE if arguments.vocab_size is None else arguments.vocab_size,
        output=arguments.output,
        prepared=arguments.prepared or arguments.output.parent / "prepared",
        resume=arguments.resume == "auto",
        overwrite=arguments.overwrite,
        dry_run=arguments.dry_run,
        accept_changes=arguments.accept_changes,
        num_workers=arguments.nproc or len(visible_gpus()) or 2,
        command=shlex.join(["paddle-wwm", "pretrain", *arguments.command_line]),
    )
    run_job(job, progress=show_bar, on_terminal=True)
