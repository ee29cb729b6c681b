#!/usr/bin/env python
"""Measure the tokens/s of the whole loader on one core, from shards on disk to padded, masked batches.

  python benchmarks/loader.py --shards shards/mine
  python benchmarks/loader.py --lengths 128 --pairings next-sentence
  python benchmarks/loader.py --quick                       check that it runs

The timed call is PretrainData.micro_batches, in this process: it orders the examples, reads their tokens from the
shards, builds, masks and collates them. The tokens are those of the examples, without padding. For every length and
pairing:
  compiled   the loader of the training loop
  numpy      the same batches, byte for byte, by the numpy path (PretrainData with compiled=False)
  PaddleNLP, Hugging Face
             the same examples, read and built by us, masked and collated by their DataCollatorForWholeWordMask (numpy
             arrays). Shown if installed, see benchmarks/masking.py. Building the lists that it takes is included in
             the time, as in training.

The figure to read is the ratio (compiled : that row), the median over interleaved repetitions of CPU time. A corpus
that fits in the page cache, like the sample corpus, does not measure the disk. The examples are drawn as in training,
including short ones (short_seq_prob).
"""

from __future__ import annotations

import dataclasses
from itertools import count
from pathlib import Path
from typing import Callable

import common
import numpy as np
import peers

from paddle_wwm.cli.process import run_script
from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.pretraining_data.collate import PretrainData
from paddle_wwm.pretraining_data.sampler import order_of
from paddle_wwm.shards.shard_format import VOCAB_NAME
from paddle_wwm.tokenization.vocab import IGNORED_LABEL


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument(
        "--lengths", type=int, nargs="+", default=[128, 512], metavar="T", help="max_seq_length (default: 128 512)"
    )
    names = [pairing.value for pairing in SentencePairing]
    parser.add_argument(
        "--pairings", nargs="+", default=names, choices=names, help="how examples are built (default: both)"
    )
    parser.add_argument(
        "--global-batch-size", type=int, default=256, metavar="N", help="examples per step (default: %(default)s)"
    )
    parser.add_argument(
        "--micro-batch-size", type=int, default=32, metavar="N", help="examples per micro-batch (default: %(default)s)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--ours-only",
        action="store_true",
        help="do not measure the collators of other projects (importing paddlenlp takes seconds)",
    )
    arguments = parser.parse_args()
    repetitions, min_s, num_documents = arguments.repetitions, 0.3, None
    cut = {"global_batch_size": arguments.global_batch_size, "micro_batch_size": arguments.micro_batch_size}
    if arguments.quick:
        repetitions, min_s, num_documents = 2, 0.0, 30
        cut = {"global_batch_size": 16, "micro_batch_size": 8}
    with common.open_data(arguments.shards) as data:
        figures = {**common.print_conditions(data), **cut}
        collators, missing = ({}, []) if arguments.ours_only else peers.collators(data.shards.directory / VOCAB_NAME)
        for pairing in map(SentencePairing, arguments.pairings):
            for seq_len in arguments.lengths:
                path, _ = common.write_index(
                    data,
                    config=DataConfig(pairing=pairing),
                    max_seq_length=seq_len,
                    seed=arguments.seed,
                    num_documents=num_documents,
                )
                contenders = contenders_of(path, data=data, seed=arguments.seed, cut=cut, collators=collators)
                timings = common.interleaved(contenders, num_repetitions=repetitions, min_s=min_s)
                sizes = f"steps of {cut['global_batch_size']} in micro-batches of {cut['micro_batch_size']}"
                title = f"loader, {pairing.value}, up to {seq_len} tokens, {sizes}"
                figures[f"{pairing.value}-{seq_len}"] = common.print_timings(title, timings)
    if missing:
        print("", *missing, sep="\n")
    figures["missing"] = missing
    common.write_figures(arguments.json, figures)
    return 0


def contenders_of(
    index_path: Path, *, data: common.Data, seed: int, cut: dict[str, int], collators: dict[str, peers.Collator]
) -> dict[str, Callable[[], common.Work]]:
    """Return the timed functions, ours first; each call makes the next step."""
    compiled = common.pretrain_data(data, index_path=index_path, seed=seed)

    def run_ours(loader: PretrainData) -> Callable[[], common.Work]:
        steps = count()

        def run() -> common.Work:
            batches = loader.micro_batches(
                first_example=next(steps) * cut["global_batch_size"], rank=0, num_ranks=1, **cut
            )
            return common.Work(
                num_tokens=sum(int(batch.attention_mask.sum()) for batch in batches),
                num_selected=sum(int((batch.masked_lm_labels != IGNORED_LABEL).sum()) for batch in batches),
            )

        return run

    def run_collator(collator: peers.Collator) -> Callable[[], common.Work]:
        steps = count()

        def run() -> common.Work:
            # one micro-batch per call: the rate does not depend on their number
            first = next(steps) * cut["micro_batch_size"]
            numbers = np.arange(first, first + cut["micro_batch_size"])
            _, indices = order_of(numbers, num_examples=compiled.num_examples, seed=seed)
            features = [peers.feature_of(compiled.example(index), data.vocab) for index in indices.tolist()]
            return common.Work(
                num_tokens=sum(len(item["input_ids"]) for item in features),
                num_selected=peers.num_selected(collator(features)),
            )

        return run

    return {
        "compiled (ours)": run_ours(compiled),
        "numpy (ours)": run_ours(dataclasses.replace(compiled, compiled=False)),
        **{f"our reading + {name}": run_collator(collator) for name, collator in collators.items()},
    }


if __name__ == "__main__":
    run_script(main)
