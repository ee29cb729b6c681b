#!/usr/bin/env python
"""The memory of a hub module that predicts for long, over texts of ever new lengths: does it stay where it is?

  python benchmarks/hub_memory.py                         RBT3's shape, twenty rounds of 60 texts, their lengths drawn
  anew
  python benchmarks/hub_memory.py --rounds 40             longer
  python benchmarks/hub_memory.py --quick                 does it run?

Each side in a process of its own: ours (a hub module, task seq-cls, `predict`, the exported program with oneDNN) and
the official modules' way (PaddleNLP in dygraph, batches of 32 in arrival order). Batches of like length are of another
shape in every round. Resident memory is read after each round.

Read the growth in the second half: in the first one the program is exported, with a copy of the weights. "Unbounded"
is ours with oneDNN's caches, of prepared weights and of compiled operations, as Paddle has them by default, which is
why ours are bounded.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import hub_peers
import numpy as np
from common import print_table, write_figures

from paddle_wwm.cli.process import run_script

CONTENDERS = ("ours", "ours, unbounded", "official")
MAX_SEQ_LEN = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--number", type=int, default=60, metavar="N", help="texts a round (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of lengths and texts (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="a tiny model and few texts, to see that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--side", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.number = min(arguments.rounds, 3), min(arguments.number, 20)
    if arguments.side:
        measure(arguments)
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    rows, figures = [], {}
    with hub_peers.random_model(hub_peers.vocab_of(None), quick=arguments.quick) as folder:
        for side in CONTENDERS:
            options = [
                "--side",
                side,
                "--model",
                folder,
                "--rounds",
                arguments.rounds,
                "--number",
                arguments.number,
                "--seed",
                arguments.seed,
            ]
            figures[side] = hub_peers.in_new_process([__file__, *options])
            megabytes = figures[side]["mb"]
            first, half, last = megabytes[0], megabytes[len(megabytes) // 2], megabytes[-1]
            rows.append([side, f"{first:.0f}", f"{half:.0f}", f"{last:.0f}", f"{last - half:+.0f}"])
    title = f"resident memory in MB, {arguments.rounds} rounds of {arguments.number} texts of 1 to {MAX_SEQ_LEN} tokens"
    print_table(title, ("", "round 1", "half-way", "last", "growth"), rows)
    write_figures(arguments.json, figures)


def measure(arguments: argparse.Namespace) -> None:
    """One side: resident memory after every round."""
    from paddle_wwm.hub import BertHubModule, inference

    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(arguments.seed)
    if arguments.side == "official":
        model, tokenizer = hub_peers.paddlenlp_model("BertForSequenceClassification", arguments.model)

        def call(texts):
            return hub_peers.official_probabilities(model, tokenizer, texts, max_seq_len=MAX_SEQ_LEN)
    else:
        if arguments.side == "ours, unbounded":
            inference.ONEDNN_SHAPES, inference.ONEDNN_OPERATIONS = 0, 1024  # as Paddle and oneDNN have them
        module = BertHubModule(task="seq-cls", weights=str(arguments.model))

        def call(texts):
            return module.predict(
                texts, max_seq_len=MAX_SEQ_LEN, batch_size=int(rng.integers(1, 7))
            )  # small: many shapes

    megabytes = []
    for _ in range(arguments.rounds):
        lengths = rng.integers(1, MAX_SEQ_LEN, arguments.number)
        call(["".join(map(chr, rng.integers(0x4E00, 0x9FA6, length))) for length in lengths])
        status = Path("/proc/self/status").read_text().splitlines()
        megabytes.append(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")))
    print(json.dumps({"mb": megabytes}))
    sys.stdout.flush()


if __name__ == "__main__":
    run_script(main)
