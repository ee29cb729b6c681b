#!/usr/bin/env python
"""Write masked examples as Parquet, under the feature names of Google's create_pretraining_data.py: static masks for other trainers.

  python scripts/export_examples.py shards/mine --output examples-128.parquet --max-seq-length 128
  python scripts/export_examples.py shards/mine --output examples-512.parquet --max-seq-length 512 --recipe scripts/recipes/small.yaml

Every example is written --dupe-factor times, each time with another mask; all documents of the shards are used. The same shards and options
give the same file. A recipe gives pairing, masking and seed; options stand above it. scripts/show_masking.py shows what rows are like.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.config import SentencePairing  # noqa: E402
from paddle_wwm.errors import run_script  # noqa: E402
from paddle_wwm.types import ActionUnit, MaskingStrategy  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("shards", type=Path, metavar="SHARDS", help="the folder that scripts/prepare_corpus.py has made")
    add("--output", required=True, type=Path, metavar="FILE", help="the .parquet file to write")
    add(
        "--max-seq-length",
        required=True,
        type=int,
        metavar="N",
        help="tokens a row, special tokens and padding included",
    )
    add("--recipe", type=Path, help="a recipe, see scripts/recipes (default: whole words, next-sentence pairs)")
    add("--dupe-factor", type=int, metavar="N", help="copies of every example (default: the recipe's, or 5)")
    add(
        "--max-predictions-per-seq",
        type=int,
        metavar="N",
        help="most predictions a row (default: the recipe's, or 80; 15%% of the length at most)",
    )
    add("--seed", type=int, metavar="N", help="of examples and masks (default: the recipe's, or 42)")
    add(
        "--pairing",
        choices=[item.value for item in SentencePairing],
        help="what a row is made of (default: the recipe's, or next-sentence)",
    )
    add(
        "--strategy",
        choices=[item.value for item in MaskingStrategy],
        help="what is selected (default: the recipe's, or whole-word)",
    )
    add(
        "--actions",
        choices=[item.value for item in ActionUnit],
        help="what draws [MASK], random or kept (default: the recipe's, or piece)",
    )
    add(
        "--held-out-share",
        type=float,
        metavar="X",
        help="leave out this share of the documents, those that pretraining would (default: none)",
    )
    add("--overwrite", action="store_true", help="replace --output where it exists")
    arguments = parser.parse_args()
    from paddle_wwm.pretraining_data.export import export_examples, resolve_options
    from paddle_wwm.shards.reader import ShardSet

    values = {name: value for name, value in vars(arguments).items() if name not in ("shards", "output", "overwrite")}
    options = resolve_options(**values)
    shards = ShardSet(arguments.shards)
    done = export_examples(
        shards, vocab=shards.vocab(), output=arguments.output, options=options, overwrite=arguments.overwrite
    )
    print(f"written: {done.path} ({done.num_bytes / 1e6:.1f} MB)")
    print(
        f"  {done.num_examples:,} examples of {done.num_documents:,} documents x "
        f"{options.masking.dupe_factor} copies = {done.num_rows:,} rows"
    )
    print(
        f"  {options.max_seq_length} tokens, {options.max_predictions_per_seq} predictions a row at most; "
        f"pairing {options.data.pairing.value}"
    )
    print(
        f"  {done.num_predictions:,} of {done.num_tokens:,} tokens are predicted "
        f"({done.num_predictions / done.num_tokens:.2%})"
    )
    print(f"  rows without a prediction: {done.num_rows_without_prediction:,}")
    for rule, count in done.report.items():
        print(f"  {rule.replace('_', ' ')}: {count:,}")
    print(f"  shards {shards.manifest.fingerprint}")


if __name__ == "__main__":
    run_script(main)
