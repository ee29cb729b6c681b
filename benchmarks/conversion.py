#!/usr/bin/env python
"""Measure the conversion of a large model: peak memory, time, and the speed of reading a TensorFlow checkpoint.

  python benchmarks/conversion.py                                   random weights, RoBERTa-wwm-ext-large (9 GB of disk)
  python benchmarks/conversion.py --source models/roberta-wwm-ext   your model, in any format of scripts/convert.py
  python benchmarks/conversion.py --variant rbt3                    another shape
  python benchmarks/conversion.py --quick                           check that it runs

Every conversion runs in a new process, which reads its own peak from /proc/self/status (VmHWM: the peak resident size,
including the interpreter and its libraries). "peak/file" divides it by the size of the converted weights (1.3 GB at
the defaults). The last conversions lead back to Paddle and must give the first file again.

For reading, all contenders run in turn in this process, with the file in the page cache. The peers read the same bytes,
whole or in pieces of the tensors' sizes, into new memory (numpy.fromfile). Ours also reads the index and compares
every checksum.

Claims: the peak is at most 0.4x for safetensors and TensorFlow and 1.5x for .pdparams, in under 30 s. Reading takes at
most 1.5x as long as the bytes alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import common
import numpy as np

from paddle_wwm.cli.process import run_script
from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.names import Naming, parameters
from paddle_wwm.conversion.saving import CHECKPOINT_PREFIX, SAFETENSORS_NAME, Target
from paddle_wwm.files import sha256_of_file, write_json
from paddle_wwm.model.folder import CONFIG_NAME, WEIGHTS_NAME, paddle_config
from paddle_wwm.variants import find_variant
from paddle_wwm.weights.pdparams import write_pdparams
from paddle_wwm.weights.tensorflow import open_tensorflow, shard_path
from paddle_wwm.weights.tensors import ArrayTensor

WEIGHTS_OF = {
    Target.PADDLE: WEIGHTS_NAME,
    Target.HUGGING_FACE: SAFETENSORS_NAME,
    Target.TENSORFLOW: f"{CHECKPOINT_PREFIX}.data-00000-of-00001",
}
MAX_PEAKS = {Target.PADDLE: 1.5, Target.HUGGING_FACE: 0.4, Target.TENSORFLOW: 0.4}
MAX_SECONDS, MAX_READING_RATIO = 30, 1.5
# from, to: every pair of formats; the last one leads back to the first format
WAYS = (
    ("source", "paddle", Target.PADDLE),
    ("paddle", "huggingface", Target.HUGGING_FACE),
    ("huggingface", "tensorflow", Target.TENSORFLOW),
    ("tensorflow", "huggingface-2", Target.HUGGING_FACE),
    ("huggingface", "paddle-2", Target.PADDLE),
    ("paddle", "tensorflow-2", Target.TENSORFLOW),
    ("tensorflow", "paddle-3", Target.PADDLE),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, metavar="PATH", help="a model (default: random weights)")
    parser.add_argument(
        "--variant",
        default="chinese-roberta-wwm-ext-large",
        metavar="NAME",
        help="the shape of the random weights (default: %(default)s)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="folder for temporary files, removed at the end (default: the system's temporary folder)",
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="repetitions of reading (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the random weights (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="use a tiny model, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument(
        "--convert", nargs=3, metavar=("SOURCE", "TARGET", "TO"), help=argparse.SUPPRESS
    )  # for the new processes
    arguments = parser.parse_args()
    if arguments.convert:
        print(json.dumps(convert_here(*arguments.convert)))
        return 0
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_", dir=arguments.folder) as name:
        folder = Path(name)
        source = arguments.source or random_model(folder / "random", arguments)
        print(f"model: {arguments.source or f'random weights, seed {arguments.seed}'}")
        print(
            f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before this run; Python "
            f"{sys.version.split()[0]}"
        )
        figures: dict[str, Any] = {
            "model": str(arguments.source or arguments.variant),
            "conversions": [measure(folder, source, way) for way in WAYS],
        }
        rows = [
            [
                f"{item['from']} -> {item['to']}",
                f"{item['num_bytes'] / 1e6:,.0f} MB",
                f"{item['peak_bytes'] / 1e6:,.0f} MB",
                f"{item['peak_share']:.2f}x",
                f"{item['seconds']:.1f} s",
            ]
            for item in figures["conversions"]
        ]
        common.print_table("conversion, each in a new process", ("", "file", "peak", "peak/file", "time"), rows)
        digests = {sha256_of_file(folder / name / WEIGHTS_NAME) for name in ("paddle", "paddle-2", "paddle-3")}
        print(f"  Paddle -> both others -> Paddle: {'bit-identical' if len(digests) == 1 else 'NOT the same'}")
        figures["bit_identical"] = len(digests) == 1
        figures["reading"] = compare_reading(
            folder / "tensorflow" / CHECKPOINT_PREFIX, num_repetitions=1 if arguments.quick else arguments.repetitions
        )
        is_kept = {
            "peak": all(item["peak_share"] <= MAX_PEAKS[Target(item["target"])] for item in figures["conversions"]),
            "time": all(item["seconds"] < MAX_SECONDS for item in figures["conversions"]),
            "reading": figures["reading"]["ratio"] <= MAX_READING_RATIO,
        }
        print("\nclaims: " + ", ".join(f"{name} {'kept' if kept else 'NOT kept'}" for name, kept in is_kept.items()))
        common.write_figures(arguments.json, {**figures, "claims": is_kept})
    return 0


def random_model(folder: Path, arguments: argparse.Namespace) -> Path:
    """Write a Paddle folder with random weights in the shape of a variant."""
    config = find_variant(arguments.variant).config
    if arguments.quick:
        config = type(config)(
            vocab_size=500, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128
        )
    rng = np.random.default_rng(arguments.seed)
    folder.mkdir()
    tensors = {
        item.name: ArrayTensor(rng.standard_normal(item.shape, dtype=np.float32))
        for item in parameters(Naming.PADDLE, config)
    }
    write_pdparams(folder / WEIGHTS_NAME, tensors)
    write_json(folder / CONFIG_NAME, paddle_config(config))
    return folder


def measure(folder: Path, source: Path, way: tuple[str, str, Target]) -> dict[str, Any]:
    """Convert in a new process."""
    start, end, target = way
    place = source if start == "source" else folder / start
    command = [sys.executable, __file__, "--convert", str(place), str(folder / end), target.value]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}: {done.stderr}")
    num_bytes = (folder / end / WEIGHTS_OF[target]).stat().st_size
    figures = json.loads(done.stdout)
    return {
        "from": start,
        "to": end,
        "target": target.value,
        "num_bytes": num_bytes,
        **figures,
        "peak_share": figures["peak_bytes"] / num_bytes,
    }


def convert_here(source: str, target: str, to: str) -> dict[str, float]:
    """Convert in this process and return its time and peak memory."""
    started = time.monotonic()
    convert(source, target=target, to=Target(to))
    seconds = time.monotonic() - started
    [peak] = [
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    ]
    return {"seconds": seconds, "peak_bytes": int(peak) * 1024}


def compare_reading(prefix: Path, *, num_repetitions: int) -> dict[str, Any]:
    """Compare reading a checkpoint, checksums included, with reading its bytes.

    All contenders run in turn; the figures are CPU time.
    """

    def ours() -> list[np.ndarray]:
        return [tensor.read() for tensor in open_tensorflow(prefix).values()]

    path = shard_path(prefix, 0, 1)
    places = [(tensor.part.offset, tensor.num_bytes) for tensor in open_tensorflow(prefix).values()]

    def bytes_by_tensor() -> list[np.ndarray]:
        return [np.fromfile(path, np.uint8, num_bytes, offset=offset) for offset, num_bytes in places]

    def bytes_at_once() -> list[np.ndarray]:
        return [np.fromfile(path, np.uint8)]

    contenders: dict[str, Callable[[], list[np.ndarray]]] = {
        "every tensor, with checksums (ours)": ours,
        "the same bytes, in the tensors' sizes": bytes_by_tensor,
        "the same bytes, at once": bytes_at_once,
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(num_repetitions + 1):
        for name, run in contenders.items():
            started = time.process_time()
            kept = run()  # keep all tensors in memory, as loading a model does
            times[name].append(time.process_time() - started)
            del kept
    measured = {name: figures[1:] for name, figures in times.items()}  # the first round fills the system's cache
    first = next(iter(measured.values()))
    ratios = {
        name: statistics.median(mine / max(theirs, 1e-9) for mine, theirs in zip(first, figures))
        for name, figures in measured.items()
    }
    rows = [[name, f"{statistics.median(figures):.3f} s", f"{ratios[name]:.2f}x"] for name, figures in measured.items()]
    common.print_table("reading a TensorFlow checkpoint, CPU time", ("", "median", "ours/this"), rows)
    return {"seconds": measured, "ratios": ratios, "ratio": max(ratios.values())}


if __name__ == "__main__":
    run_script(main)
