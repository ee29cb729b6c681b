"""Build an installable PaddleHub module (a folder and an archive) from a model folder.

A name that is not in the table of models (`paddle-wwm models`) makes your own module. A model folder holds config.json,
model_state.pdparams, vocab.txt and tokenizer_config.json; `paddle-wwm pretrain`, `finetune`, `convert` and `download`
write one. A folder of transformers or PaddleNLP is converted first. A fine-tuned model keeps its task and its labels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .flags import add_head_flags, label_names_of

SUMMARY = "build an installable module from a model folder"
MODULES = Path(__file__).resolve().parents[2] / "hub_modules"  # only in a checkout, not in an installation
EXAMPLES = """\
examples:
  paddle-wwm hub build --name chinese-bert-wwm-quickstart --weights runs/quickstart/model --output runs/quickstart/dist
  paddle-wwm hub install runs/quickstart/dist/chinese-bert-wwm-quickstart-3.2.0.tar
  # A model of the series, after `paddle-wwm download`
  paddle-wwm hub build --name chinese-roberta-wwm-ext --weights ~/.cache/paddle_wwm/models/chinese-roberta-wwm-ext
  # The same without weights inside: the module searches for them when it is loaded
  paddle-wwm hub build --name chinese-roberta-wwm-ext --without-weights
  # A model that was fine-tuned in transformers, with its head and its labels
  paddle-wwm hub build --name my-sentiment --weights DIR_OF_TRANSFORMERS
  # A model that you have fine-tuned, for example with hub.Trainer, with your own name and version
  paddle-wwm hub build --name my-sentiment --version 1.2.0 --from-checkpoint checkpoints/best_model --task seq-cls \\
      --label-map bad,good --weights DIR_OF_THE_MODEL_IT_STARTED_FROM --license CC-BY-4.0"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="the module's name, for hub.Module(name=…): a new name, or any name of a model in the table",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="the model folder to put inside; also one of transformers or PaddleNLP, fine-tuned, a run or a module",
    )
    parser.add_argument(
        "--without-weights",
        action="store_true",
        help="put no weights inside; the module searches for them when it is loaded",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("dist"),
        metavar="DIR",
        help="the folder for the module and its archive (default: %(default)s)",
    )
    parser.add_argument(
        "--version",
        metavar="X.Y.Z",
        help="version of your own module (default: 1.0.0); models of the table have the package's version plus 3.0.0",
    )
    parser.add_argument(
        "--allow-other-sizes",
        action="store_true",
        help="accept a model of other sizes under the name of a published model; the card says so",
    )
    parser.add_argument(
        "--from-checkpoint",
        type=Path,
        metavar="RUN",
        help="a fine-tuned checkpoint: written by hub.Trainer, or a model folder",
    )
    add_head_flags(parser, of="the model", tasks=None)
    parser.add_argument(
        "--license",
        metavar="SPDX_OR_FILE",
        help='licence of your weights: an SPDX expression such as CC-BY-4.0, or a file with its text (default: "not '
        'stated")',
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace a module of the same version that has other content"
    )
    parser.add_argument(
        "--write-sources",
        action="store_true",
        help="for maintainers: write hub_modules/ again from the table of models",
    )


def run(arguments: argparse.Namespace) -> None:
    """Build the module and print where it is."""
    from ..quiet import quiet_environment

    quiet_environment()
    from ..hub.build import build_module
    from ..hub.sources import write_sources

    if arguments.write_sources:
        if not MODULES.is_dir():
            raise ConfigError(f"--write-sources must run in a checkout, but {MODULES} does not exist.")
        print(f"wrote {len(write_sources(MODULES))} modules into {MODULES}")
        return
    if arguments.name is None:
        raise ConfigError("--name is missing; --help shows examples.")
    if arguments.without_weights == (arguments.weights is not None or arguments.from_checkpoint is not None):
        raise ConfigError("give --weights DIR, --from-checkpoint RUN, or --without-weights.")
    built = build_module(
        name=arguments.name,
        weights=arguments.weights,
        output=arguments.output,
        modules=MODULES if MODULES.is_dir() else None,
        version=arguments.version,
        allow_other_sizes=arguments.allow_other_sizes,
        checkpoint=arguments.from_checkpoint,
        task=arguments.task,
        label_map=None if arguments.label_map is None else label_names_of(arguments.label_map),
        license=arguments.license,
        replace=arguments.replace,
    )
    print(f"built {built.name} {built.version}")
    print(f"  folder   {built.directory}")
    print(f"  archive  {built.archive} ({built.archive.stat().st_size / 1e6:.1f} MB)")
    print(f"  sha256   {built.sha256}")
    for note in built.notes:
        print(f"  note     {note}")
    print(f"install it: paddle-wwm hub install {built.archive}   (or: hub install {built.archive})")
