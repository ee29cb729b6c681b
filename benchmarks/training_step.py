#!/usr/bin/env python
"""Compare speed and memory of a training step with PaddleNLP, torch and the GEMM peak of this machine.

  python benchmarks/training_step.py --shards shards/mine
  python benchmarks/training_step.py --torch-python ~/torch-env/bin/python   torch + transformers in another environment
  python benchmarks/training_step.py --mkl-as-installed                      without the setting for AMD processors
  python benchmarks/training_step.py --quick                                 check that it runs

A step is forward, backward and AdamW with one thread, dropout 0.1 and no clipping; in float32, and in bfloat16 where
the processor has such products (ours with amp.level=O1, torch with autocast). All contenders cycle through the same
masked batches (--shards) and compute the masked LM head at the predicted positions only. PaddleNLP's
BertForPretraining always computes the next-sentence loss, so it is compared with ours with that loss. BertForMaskedLM
of transformers is compared with ours without it.

Every contender is a separate process. They make one step each in turn. Times are CPU time of the process; a ratio is
the median of the ratios of all repetitions. Memory is the peak resident size of the process.

On AMD processors Paddle's MKL takes a slow path unless MKL_DEBUG_CPU_TYPE=5 is set (paddle_wwm/cpu.py). PaddleNLP also
gets that setting here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import common
import numpy as np
import step_contenders

from paddle_wwm.cli.process import run_script
from paddle_wwm.compute.onednn import missing_bfloat16
from paddle_wwm.config import DataConfig, SentencePairing
from paddle_wwm.cpu import use_fast_matmul
from paddle_wwm.model.flops import training_flops
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.pretraining.loader import arrays_of

SHAPES = ((8, 128), (2, 512))
NUM_MADE, NUM_BATCHES, NUM_WARM_UPS, NUM_DOCUMENTS = 64, 4, 2, 500
DOCUMENTS_JOINED = 8  # of the sample corpus, so that examples of 512 tokens are full
OURS, OURS_IN_BF16 = "ours, both losses", "ours in bf16, both losses"
PADDLENLP = "PaddleNLP BertForPretraining"
TORCH, TORCH_IN_BF16 = "transformers BertForMaskedLM (torch)", "transformers BertForMaskedLM (torch, bf16)"
# (ours, peer): the ratios that are printed
COMPARED = (
    (OURS, PADDLENLP),
    ("ours, MLM only", TORCH),
    (OURS_IN_BF16, OURS),
    (OURS_IN_BF16, PADDLENLP),
    ("ours in bf16, MLM only", TORCH_IN_BF16),
)


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument(
        "--torch-python",
        type=Path,
        metavar="PATH",
        help="an interpreter that has torch and transformers (default: this one)",
    )
    parser.add_argument(
        "--repetitions", type=int, default=12, metavar="N", help="steps of each contender (default: %(default)s)"
    )
    parser.add_argument(
        "--layers", type=int, default=3, metavar="N", help="layers of the models (default: %(default)s)"
    )
    parser.add_argument(
        "--hidden-size", type=int, default=768, metavar="N", help="a multiple of 64 (default: %(default)s)"
    )
    parser.add_argument(
        "--vocab-size",
        type=int,
        default=21128,
        metavar="N",
        help="vocabulary size of the models (default: %(default)s)",
    )
    parser.add_argument("--mkl-as-installed", action="store_true", help="do not set MKL_DEBUG_CPU_TYPE")
    arguments = parser.parse_args()
    shapes = SHAPES
    if arguments.quick:
        shapes, arguments.repetitions, arguments.layers, arguments.hidden_size = ((2, 32),), 1, 1, 64
    if not arguments.mkl_as_installed:
        use_fast_matmul()
    torch_python, missing = find_torch(arguments.torch_python)
    missing_bf16 = missing_bfloat16()
    with common.open_data(arguments.shards, documents_joined=DOCUMENTS_JOINED) as data:
        figures = common.print_conditions(data)
        sizes = sizes_of(arguments, num_entries=len(data.vocab))
        for num_rows, length in shapes:
            batches = batches_of(data, num_rows=num_rows, length=length, seed=arguments.seed)
            path = data.folder / "batches.npz"
            np.savez(
                path,
                **{f"{number}/{name}": array for number, batch in enumerate(batches) for name, array in batch.items()},
            )
            results, peaks = measure(path, sizes, torch_python=torch_python, repetitions=arguments.repetitions)
            title = f"training step, {arguments.layers} layers x {arguments.hidden_size}, {num_rows} x {length} tokens"
            figures[f"{num_rows}x{length}"] = show(title, results, peaks, batches=batches, sizes=sizes)
    setting = os.environ.get("MKL_DEBUG_CPU_TYPE")
    print(f"\nMKL_DEBUG_CPU_TYPE={setting} on all sides" if setting else "\nMKL as installed on all sides")
    for text in (missing, missing_bf16 and f"bf16: not measured: {missing_bf16}"):
        if text:
            print(text)
    common.write_figures(arguments.json, {**figures, "mkl_debug_cpu_type": setting, "missing": missing})
    return 0


def find_torch(given: Path | None) -> tuple[Path | None, str | None]:
    """Return the interpreter for torch, or None and a message about what is missing."""
    python = given or Path(sys.executable)
    found = subprocess.run([python, "-c", "import torch, transformers"], capture_output=True, check=False)
    if found.returncode == 0:
        return python, None
    return (
        None,
        (
            f"torch: not measured: {python} has no torch and transformers; use --torch-python PATH with the "
            f"interpreter of an environment that has them"
        ),
    )


def sizes_of(arguments: argparse.Namespace, *, num_entries: int) -> dict[str, Any]:
    """Return the model sizes under the names of config.json, which all three use."""
    return {
        "vocab_size": max(arguments.vocab_size, num_entries),
        "hidden_size": arguments.hidden_size,
        "num_hidden_layers": arguments.layers,
        "num_attention_heads": arguments.hidden_size // 64,
        "intermediate_size": 4 * arguments.hidden_size,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }


def batches_of(data: common.Data, *, num_rows: int, length: int, seed: int) -> list[dict[str, np.ndarray | int]]:
    """Return masked batches of sentence pairs, built by the loader of the trainer.

    Only those with the most tokens are kept, because the examples at the ends of documents are short.
    """
    pairs = DataConfig(pairing=SentencePairing.NEXT_SENTENCE, short_seq_prob=0.0)
    index, _ = common.write_index(data, config=pairs, max_seq_length=length, seed=seed, num_documents=NUM_DOCUMENTS)
    made = common.pretrain_data(data, index_path=index, seed=seed).micro_batches(
        first_example=0, global_batch_size=NUM_MADE * num_rows, micro_batch_size=num_rows, rank=0, num_ranks=1
    )
    return [arrays_of(batch) for batch in sorted(made, key=lambda batch: batch.num_tokens)[-NUM_BATCHES:]]


class Contender:
    """A running contender."""

    def __init__(self, name: str, *, python: Path | str, batches: Path, sizes: dict[str, Any]) -> None:
        command = [python, "-W", "ignore", step_contenders.__file__, name, batches, json.dumps(sizes)]
        self.name = name
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended:\n{self._process.communicate()[1][-2000:]}")
        return json.loads(line)

    def ask(self, question: str) -> Any:
        """Send a request, "step" or "peak", and return the answer."""
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(
    batches: Path, sizes: dict[str, Any], *, torch_python: Path | None, repetitions: int
) -> tuple[dict[str, list[dict[str, float]]], dict[str, list[float]]]:
    """Return the steps of every contender, and the GEMM peaks of ours."""
    contenders: list[Contender] = []
    results: dict[str, list[dict[str, float]]] = {}
    peaks: dict[str, list[float]] = {OURS: [], OURS_IN_BF16: []}
    try:
        for name in step_contenders.CONTENDERS:
            python = torch_python if name in (TORCH, TORCH_IN_BF16) else sys.executable
            if python is not None and not ("bf16" in name and missing_bfloat16()):
                contenders.append(Contender(name, python=python, batches=batches, sizes=sizes))
                results[name] = []
        for repetition in range(-NUM_WARM_UPS, repetitions):
            for contender in contenders:
                step = contender.ask("step")
                if repetition >= 0:
                    results[contender.name].append(step)
            for contender in contenders:
                if contender.name in peaks:
                    peaks[contender.name].append(contender.ask("peak"))
    finally:
        for contender in contenders:
            contender.close()
    return results, peaks


def show(title: str, results, peaks, *, batches, sizes) -> dict[str, Any]:
    """Print a table and return its figures for --json."""
    tokens = statistics.mean(int(batch["num_tokens"]) for batch in batches)
    flops = statistics.mean(
        training_flops(
            ModelConfig(**sizes),
            num_rows=len(batch["input_ids"]),
            length=batch["input_ids"].shape[1],
            num_predictions=int(batch["num_predictions"]),
            with_next_sentence=True,
        )
        for batch in batches
    )
    figures, rows = {}, []
    for name, steps in results.items():
        seconds = statistics.median(step["seconds"] for step in steps)
        memory = max(step["memory"] for step in steps)
        figures[name] = {"milliseconds": 1000 * seconds, "tokens_per_s": tokens / seconds, "memory": memory}
        figures[name]["loss"] = steps[-1]["loss"]
        rows.append([name, f"{1000 * seconds:,.0f}", common.quantity(tokens / seconds), f"{memory / 1e6:,.0f}"])
    common.print_table(f"{title}, {tokens:,.0f} of them real", ("", "ms", "tokens/s", "peak MB"), rows)
    figures["ratios"] = ratios_of(results)
    rows = [[f"{name} : {peer}", f"{speed:.2f}x", f"{memory:.2f}x"] for name, peer, speed, memory in figures["ratios"]]
    common.print_table("ratios", ("", "faster by", "memory"), rows)
    figures |= {"flops_a_step": flops}
    for name, kind in ((OURS, "float32"), (OURS_IN_BF16, "bfloat16")):
        if peaks[name]:
            peak, reached = max(peaks[name]), flops / (figures[name]["milliseconds"] / 1000)
            figures |= {f"gemm_peak_{kind}": peak, f"share_of_gemm_peak_{kind}": reached / peak}
            print(
                f"  {name}: {flops / 1e9:,.0f} GFLOP of products per step, {reached / 1e9:,.0f} GFLOP/s, "
                f"{reached / peak:.0%} of the GEMM peak of {peak / 1e9:,.0f} in {kind}"
            )
    return figures


def ratios_of(results: dict[str, list[dict[str, float]]]) -> list[tuple[str, str, float, float]]:
    """Return pairs of contenders, how much faster the first is, and its memory."""
    found = []
    for name, peer in COMPARED:
        if name in results and peer in results:
            pairs = list(zip(results[name], results[peer]))
            speed = statistics.median(theirs["seconds"] / mine["seconds"] for mine, theirs in pairs)
            memory = max(mine["memory"] for mine, _ in pairs) / max(theirs["memory"] for _, theirs in pairs)
            found.append((name, peer, speed, memory))
    return found


if __name__ == "__main__":
    run_script(main)
