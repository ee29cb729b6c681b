#!/usr/bin/env python
"""Build an installable PaddleHub module (a folder and an archive) from a model folder.

  python scripts/build_hub_modules.py --name chinese-bert-wwm-quickstart --weights runs/quickstart/model --output runs/quickstart/dist
  hub install runs/quickstart/dist/chinese-bert-wwm-quickstart-1.0.0.tar

A model of the series, fetched before (scripts/download.py), and the same without weights inside, which it then looks for when it is loaded:

  python scripts/build_hub_modules.py --name chinese-roberta-wwm-ext --weights ~/.cache/paddle_wwm/models/chinese-roberta-wwm-ext
  python scripts/build_hub_modules.py --name chinese-roberta-wwm-ext --without-weights

A model that you have fine-tuned, with hub.Trainer for example, under a name and version of your own:

  python scripts/build_hub_modules.py --name my-sentiment --version 1.2.0 --from-checkpoint checkpoints/best_model --task seq-cls \\
      --label-map labels.json --weights DIR_OF_THE_MODEL_IT_STARTED_FROM

A name that hub_modules/ does not have makes a module of your own. A model folder is one that scripts/pretrain.py, convert.py or download.py
writes: config.json, model_state.pdparams, vocab.txt, tokenizer_config.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import ConfigError, run_script  # noqa: E402

MODULES = ROOT / "hub_modules"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--name", help="the module's name, for hub.Module(name=…); any name of a model of the series will do"
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="the model folder to put inside")
    parser.add_argument(
        "--without-weights", action="store_true", help="put none inside: they are looked for when the module is loaded"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("dist"), help="where the folder and the archive go (default: %(default)s)"
    )
    parser.add_argument("--version", help="for a module of your own (default: 1.0.0)")
    parser.add_argument(
        "--allow-other-sizes",
        action="store_true",
        help="let a model of other sizes have a variant's name; its card says so",
    )
    parser.add_argument(
        "--from-checkpoint",
        type=Path,
        metavar="RUN",
        help="a fine-tuned checkpoint: of hub.Trainer's, or a model folder",
    )
    parser.add_argument("--task", help="what the checkpoint was fine-tuned for, where it does not say so itself")
    parser.add_argument(
        "--label-map",
        type=Path,
        metavar="FILE",
        help='its labels: JSON {"0": "no", …} or a list, or a text file, one label a line',
    )
    parser.add_argument(
        "--write-sources", action="store_true", help="for maintainers: write hub_modules/ anew from the table of models"
    )
    arguments = parser.parse_args()
    from paddle_wwm.quiet import quiet_environment

    quiet_environment()
    from paddle_wwm.hub.build import build_module
    from paddle_wwm.hub.finetuned import read_label_file
    from paddle_wwm.hub.sources import write_variant_sources

    if arguments.write_sources:
        print(f"wrote {len(write_variant_sources(MODULES))} modules into {MODULES}")
        return
    if arguments.name is None:
        raise ConfigError("--name is needed; --help shows examples.")
    if arguments.without_weights == (arguments.weights is not None or arguments.from_checkpoint is not None):
        raise ConfigError("give --weights DIR, --from-checkpoint RUN, or --without-weights.")
    built = build_module(
        name=arguments.name,
        weights=arguments.weights,
        output=arguments.output,
        modules=MODULES,
        version=arguments.version,
        allow_other_sizes=arguments.allow_other_sizes,
        checkpoint=arguments.from_checkpoint,
        task=arguments.task,
        label_map=None if arguments.label_map is None else read_label_file(arguments.label_map),
    )
    print(f"built {built.name} {built.version}")
    print(f"  folder   {built.directory}")
    print(f"  archive  {built.archive} ({built.archive.stat().st_size / 1e6:.1f} MB)")
    print(f"  sha256   {built.sha256}")
    for note in built.notes:
        print(f"  note     {note}")
    print(f"install it: python -m paddle_wwm.hub install {built.archive}   (or: hub install {built.archive})")


if __name__ == "__main__":
    run_script(main)
