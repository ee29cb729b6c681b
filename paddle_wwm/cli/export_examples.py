"""Write masked examples as Parquet: static masks for other trainers.

The columns have the names of Google's create_pretraining_data.py. Every example is written --dupe-factor times, each
time with a different mask. All documents of the shards are used. The same shards and options give the same file. A
recipe sets pairing, masking and seed; flags override the recipe. `paddle-wwm show-masking` prints examples.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .flags import add_masking_flags

SUMMARY = "write masked examples of shards as Parquet, for other trainers"
EXAMPLES = """\
examples:
  paddle-wwm export-examples shards/mine --output examples-128.parquet --max-seq-length 128
  paddle-wwm export-examples shards/mine --output examples-512.parquet --max-seq-length 512 --config small"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    add = parser.add_argument
    add("shards", type=Path, metavar="SHARDS", help="a folder from `paddle-wwm prepare-corpus`")
    add("--output", required=True, type=Path, metavar="FILE", help="the .parquet file to write")
    add(
        "--max-seq-length",
        required=True,
        type=int,
        metavar="N",
        help="tokens per row, including special tokens and padding",
    )
    add(
        "--config",
        "--recipe",
        dest="recipe",
        type=Path,
        metavar="RECIPE",
        help="the name of a packaged recipe, or a YAML file (default: whole words, next-sentence pairs)",
    )
    add("--dupe-factor", type=int, metavar="N", help="copies of every example (default: the recipe's, or 5)")
    add(
        "--max-predictions-per-seq",
        type=int,
        metavar="N",
        help="maximum predictions per row (default: the recipe's, or 80; at most 15%% of the length)",
    )
    add("--seed", type=int, metavar="N", help="seed of examples and masks (default: the recipe's, or 42)")
    add_masking_flags(parser, with_recipe=True)
    add(
        "--held-out-share",
        type=float,
        metavar="X",
        help="leave out this share of the documents, the same ones as pretraining (default: 0)",
    )
    add("--overwrite", action="store_true", help="replace --output if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Write the file and print a summary."""
    from ..pretraining_data.parquet_export import export_examples, resolve_options
    from ..progress import show_bar
    from ..shards.reader import ShardSet

    options = resolve_options(
        max_seq_length=arguments.max_seq_length,
        recipe=arguments.recipe,
        dupe_factor=arguments.dupe_factor,
        max_predictions_per_seq=arguments.max_predictions_per_seq,
        seed=arguments.seed,
        pairing=arguments.pairing,
        strategy=arguments.strategy,
        actions=arguments.actions,
        held_out_share=arguments.held_out_share,
    )
    shards = ShardSet(arguments.shards)
    done = export_examples(
        shards,
        vocab=shards.vocab(),
        output=arguments.output,
        options=options,
        overwrite=arguments.overwrite,
        progress=show_bar,
    )
    print(f"written: {done.path} ({done.num_bytes / 1e6:.1f} MB)")
    print(
        f"  {done.num_examples:,} examples from {done.num_documents:,} documents x "
        f"{options.masking.dupe_factor} copies = {done.num_rows:,} rows"
    )
    print(
        f"  {options.max_seq_length} tokens, at most {options.max_predictions_per_seq} predictions per row; "
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
