#!/usr/bin/env python
"""Check that the memory of a hub module stays constant over many predictions with varying text lengths.

  python benchmarks/hub_memory.py                         RBT3's shape, 20 rounds of 60 texts of random lengths
  python benchmarks/hub_memory.py --rounds 40             longer
  python benchmarks/hub_memory.py --quick                 check that it runs

Each contender runs in its own process: ours (a hub module, task seq-cls, `predict`, the exported program with oneDNN)
and the method of the official modules (PaddleNLP in dygraph, batches of 32 in arrival order). Every round has new text
lengths, so its batches have new shapes. Resident memory is read after each round.

The figure to read is the growth in the second half: in the first half the program is exported, with a copy of the
weights. "Unbounded" is ours with Paddle's default sizes of the oneDNN caches (prepared weights and compiled
operations). It shows why we limit them.
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
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="number of rounds (default: %(default)s)")
    parser.add_argument("--number", type=int, default=60, metavar="N", help="texts per round (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the lengths and texts (default: %(default)s)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="use a tiny model and few texts, to check that it runs; the figures mean nothing",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
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
    """Print the resident memory of one contender after every round."""
    from paddle_wwm.hub import BertHubModule, inference

    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(arguments.seed)
    if arguments.side == "official":
        model, tokenizer = hub_peers.paddlenlp_model("BertForSequenceClassification", arguments.model)

        def call(texts):
            return hub_peers.official_probabilities(model, tokenizer, texts, max_seq_len=MAX_SEQ_LEN)
    else:
        if arguments.side == "ours, unbounded":
            inference.ONEDNN_SHAPES, inference.ONEDNN_OPERATIONS = 0, 1024  # the defaults of Paddle and oneDNN
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
