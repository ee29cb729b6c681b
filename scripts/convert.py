#!/usr/bin/env python
"""Convert a BERT between TensorFlow, Hugging Face (PyTorch) and Paddle. Neither TensorFlow nor PyTorch nor Paddle is needed for it.

  python scripts/convert.py chinese_wwm_ext_L-12_H-768_A-12.zip models/bert-wwm-ext --to paddle      Google's or the authors' archive
  python scripts/convert.py downloads/chinese-roberta-wwm-ext models/roberta-wwm-ext --to paddle     a Hugging Face folder
  python scripts/convert.py runs/mine/model models/mine-hf --to huggingface                          for transformers
  python scripts/convert.py models/roberta-wwm-ext models/rbt3-start --to paddle --keep-layers 0-2   the start of RBT3

What SOURCE is, is recognised: a TensorFlow checkpoint, a folder with model.safetensors, pytorch_model.bin or model_state.pdparams (whole or in
parts), such a file itself, or a .zip or .tar with one inside. TARGET is a new folder; conversion.json in it records what was done. Data types are
kept bit for bit unless --dtype says otherwise. Heads that the source lacks are made anew for Paddle, which is said and recorded.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import run_script  # noqa: E402


def main() -> None:
    from paddle_wwm.conversion.convert import convert
    from paddle_wwm.conversion.parts import parse_layers
    from paddle_wwm.conversion.report import describe
    from paddle_wwm.conversion.saving import Target

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="what to convert")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the new folder")
    parser.add_argument(
        "--to", required=True, choices=[target.value for target in Target], help="where it is to be opened"
    )
    parser.add_argument(
        "--keep-layers", metavar="0,1,2", help="keep these layers only; embeddings, pooler and heads stay"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        help="store the weights in this type (default: as they are)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="config.json or bert_config.json, where the source has none beside it",
    )
    parser.add_argument("--vocab", type=Path, metavar="FILE", help="vocab.txt, where the source has none beside it")
    parser.add_argument(
        "--drop-unexpected", action="store_true", help="leave out tensors that are no BERT's, such as a fine-tuned head"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace TARGET, if this script wrote it")
    parser.add_argument("--dry-run", action="store_true", help="check the source and say what would be done")
    arguments = parser.parse_args()
    result = convert(
        arguments.source,
        target=arguments.target,
        to=Target(arguments.to),
        config=arguments.config,
        vocab=arguments.vocab,
        keep_layers=parse_layers(arguments.keep_layers) if arguments.keep_layers else None,
        dtype=arguments.dtype,
        drop_unexpected=arguments.drop_unexpected,
        overwrite=arguments.overwrite,
        dry_run=arguments.dry_run,
        show_progress=True,
    )
    print(describe(result))


if __name__ == "__main__":
    run_script(main)
