#!/usr/bin/env python
"""Compare the tokens/s of two fleet processes with one, for scripts/pretrain.py on the same shards.

  python benchmarks/fleet_scaling.py --shards shards/mine
  python benchmarks/fleet_scaling.py --quick               check that it runs

Every process has one thread. Each step of a process has 4 micro-batches (--micro-batches) of 8 x 128 tokens, through 3
layers x 768. The gradients are exchanged in every step, over gloo. Runs of one and of two processes take turns; the
figure of a run is the median of its steps, without the first ones.

The figures are wall time, because CPU time cannot compare processes that share memory and wait for each other. So the
machine needs two idle cores; the script prints its load before the run.

Claim: two processes reach at least 1.8 times the tokens/s of one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import common

from paddle_wwm.cli.process import run_script

LENGTH, MICRO_BATCH_SIZE, NUM_FIRST_STEPS = 128, 8, 2
RECIPE = """\
model: {{hidden_size: {hidden}, num_hidden_layers: {layers}, num_attention_heads: {heads}, intermediate_size: {inner}}}
data: {{held_out_share: 0.05}}
phases: [{{max_seq_length: {length}, global_batch_size: {batch}, num_steps: {steps}, learning_rate: 1.0e-4}}]
runtime: {{micro_batch_size: {micro}, log_every_steps: 1, max_evaluation_examples: 8, save_every_steps: 100000}}
"""


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument(
        "--micro-batches",
        type=int,
        default=4,
        metavar="N",
        help="micro-batches per step and process (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="steps per run (default: %(default)s)")
    parser.add_argument(
        "--repetitions", type=int, default=3, metavar="N", help="runs of each kind (default: %(default)s)"
    )
    arguments = parser.parse_args()
    sizes = {"hidden": 768, "layers": 3, "heads": 12, "inner": 3072, "length": LENGTH, "micro": MICRO_BATCH_SIZE}
    if arguments.quick:
        sizes |= {"hidden": 64, "layers": 1, "heads": 1, "inner": 128, "length": 32, "micro": 2}
        arguments.micro_batches, arguments.steps, arguments.repetitions = 2, 4, 1
    rates: dict[int, list[float]] = {1: [], 2: []}
    with common.open_data(arguments.shards) as data:
        figures = common.print_conditions(data)
        for _ in range(arguments.repetitions):
            for num_processes, found in rates.items():
                found.append(rate_of_run(data.shards.directory, num_processes, sizes=sizes, arguments=arguments))
    rows = []
    for num_processes, found in rates.items():
        ratio = statistics.median(mine / one for mine, one in zip(found, rates[1]))
        runs = " ".join(map(common.quantity, found))
        rows.append([f"{num_processes} process(es)", common.quantity(statistics.median(found)), runs, f"{ratio:.2f}x"])
        figures[str(num_processes)] = {"tokens_per_s": found, "ratio": ratio}
    batches = f"{arguments.micro_batches} micro-batches of {sizes['micro']} x {sizes['length']}"
    title = f"fleet, {batches} per step and process"
    common.print_table(title, ("", "tokens/s", "runs", "ratio"), rows)
    common.write_figures(arguments.json, figures)
    return 0


def rate_of_run(shards: Path, num_processes: int, *, sizes: dict[str, int], arguments: argparse.Namespace) -> float:
    """Train in a new folder and return the median tokens/s of the steps."""
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as name:
        folder = Path(name)
        batch = sizes["micro"] * arguments.micro_batches * num_processes
        recipe = folder / "recipe.yaml"
        recipe.write_text(
            RECIPE.format(**sizes, batch=batch, steps=arguments.steps + NUM_FIRST_STEPS), encoding="utf-8"
        )
        command = [sys.executable, common.ROOT / "scripts" / "pretrain.py", "--corpus", shards, "--config", recipe]
        command += ["--output", folder / "run", "--nproc", num_processes, f"seed={arguments.seed}"]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=os.environ, check=False)
        if result.returncode:
            raise RuntimeError(
                f"{' '.join(map(str, command))} ended with status {result.returncode}:\n{result.stderr[-2000:]}"
            )
        records = [
            json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        ]
    return statistics.median(
        record["tokens_per_s"] for record in records if record["kind"] == "train" and record["step"] > NUM_FIRST_STEPS
    )


if __name__ == "__main__":
    run_script(main)
