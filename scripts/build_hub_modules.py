#!/usr/bin/env python
"""Build an installable PaddleHub module (a folder and an archive) from a model folder.

  python scripts/build_hub_modules.py --name chinese-bert-wwm-quickstart --weights runs/quickstart/model --output runs/quickstart/dist
  hub install runs/quickstart/dist/chinese-bert-wwm-quickstart-1.0.0.tar

A name that hub_modules/ does not have makes a module of your own. The model folder is one that scripts/pretrain.py writes: config.json,
model_state.pdparams, vocab.txt, tokenizer_config.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="the module's name, for hub.Module(name=…)")
    parser.add_argument("--weights", required=True, type=Path, metavar="DIR", help="the model folder to put inside")
    parser.add_argument("--output", type=Path, default=Path("dist"), help="where the folder and the archive go (default: %(default)s)")
    parser.add_argument("--version", help="for a module of your own (default: 1.0.0)")
    arguments = parser.parse_args()
    from paddle_wwm.quiet import quiet_environment

    quiet_environment()
    from paddle_wwm.hub.build import build_module

    built = build_module(
        name=arguments.name, weights=arguments.weights, output=arguments.output, modules=ROOT / "hub_modules", version=arguments.version
    )
    print(f"built {built.name} {built.version}")
    print(f"  folder   {built.directory}")
    print(f"  archive  {built.archive} ({built.archive.stat().st_size / 1e6:.1f} MB)")
    print(f"  sha256   {built.sha256}")
    print(f"install it: hub install {built.archive}")


if __name__ == "__main__":
    run_script(main)
