#!/usr/bin/env python
"""Compare the memory of the loader on a shard set with that on a set 100 times as large.

  python benchmarks/loader_memory.py --shards shards/mine
  python benchmarks/loader_memory.py --factor 20             a smaller large set: less disk, less time
  python benchmarks/loader_memory.py --quick                 check that it runs

The small set has the first --tokens tokens of the shards. If the shards have fewer, their documents are repeated with
the tokens in another order. The large set holds --factor times as many documents: the same ones, each copy with its
tokens in a new random order. ShardWriter writes both to a temporary folder, with manifest and index; at the defaults
that takes about 0.1 GB and a minute or two. Then a new process for each set iterates --steps steps of the compiled
loader, which may draw any example, and reads its own /proc/self/smaps_rollup:
  anonymous   memory that the process allocated and that the system cannot reclaim. A larger corpus must not need more.
  RSS         anonymous memory and the touched pages of files: libraries, and the memory-mapped index of examples. The
              system can reclaim those pages at any time, but RSS and `top` count them, and the kernel maps 16 pages
              around each touched one. So the RSS of a process that reads all of a large corpus grows with any code.

Claim: the ratio of the peaks is at most 1.2. The table shows it for both kinds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

from paddle_wwm.cli.process import run_script
from paddle_wwm.config import DataConfig
from paddle_wwm.shards.manifest import content_fingerprint, write_manifest
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.shards.shard_format import VOCAB_NAME
from paddle_wwm.shards.writer import ShardWriter
from paddle_wwm.tokenization.tokenized import TokenizedDocument

MAX_RATIO = 1.2
MICRO_BATCH_SIZE = 32
STEPS_A_SAMPLE = 5


def main() -> int:
    parser = common.parser_of(__doc__)
    parser.add_argument(
        "--tokens", type=int, default=500_000, metavar="N", help="size of the small set (default: %(default)s)"
    )
    parser.add_argument(
        "--factor",
        type=int,
        default=100,
        metavar="N",
        help="size of the large set in small sets (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=300, metavar="N", help="steps per process (default: %(default)s)")
    parser.add_argument(
        "--global-batch-size", type=int, default=256, metavar="N", help="examples per step (default: %(default)s)"
    )
    parser.add_argument("--length", type=int, default=128, metavar="T", help="max_seq_length (default: %(default)s)")
    parser.add_argument(
        "--measure", nargs=2, type=Path, metavar=("DIR", "INDEX"), help=argparse.SUPPRESS
    )  # for the new processes
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.tokens, arguments.factor, arguments.steps, arguments.global_batch_size = 10_000, 3, 10, 32
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure, arguments)))
        return 0
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit(
            "error: /proc/self/smaps_rollup does not exist on this system; this benchmark needs it. Run it on "
            "Linux 4.14 or later."
        )
    with common.open_data(arguments.shards) as data:
        figures = common.print_conditions(data)
        rng = np.random.default_rng(arguments.seed)
        rows, peaks = [], []
        for name, factor in (("small set", 1), (f"{arguments.factor}x larger", arguments.factor)):
            started = time.monotonic()
            shards = write_copies(
                data, data.folder / f"copies-{factor}", num_tokens=arguments.tokens, factor=factor, rng=rng
            )
            copies = dataclasses.replace(data, shards=shards, folder=shards.directory)
            index, _ = common.write_index(
                copies, config=DataConfig(), max_seq_length=arguments.length, seed=arguments.seed
            )
            print(
                (
                    f"{name}: {shards.manifest.num_tokens:,} tokens, written and indexed in "
                    f"{time.monotonic() - started:.0f} s"
                ),
                flush=True,
            )
            peak = measure_in_new_process(shards.directory, index, arguments)
            size = sum(path.stat().st_size for path in shards.directory.iterdir())
            peaks.append(peak)
            figures[name] = {"num_tokens": shards.manifest.num_tokens, "num_bytes": size, **peak}
            sizes = [size, *(peak[key] for key in ("start", "anonymous", "rss", "file"))]
            rows.append([name, f"{shards.manifest.num_tokens:,}", *map(megabytes, sizes)])
        ratios = {key: peaks[1][key] / peaks[0][key] for key in ("anonymous", "rss")}
        rows.append(["ratio", "", "", "", *(f"{ratio:.2f} {verdict(ratio)}" for ratio in ratios.values()), ""])
        headings = ("", "tokens", "on disk", "RSS before", "anonymous", "RSS", "of it files")
        title = (
            f"peak memory over {arguments.steps} steps of {arguments.global_batch_size} examples; the ratio must be "
            f"at most {MAX_RATIO}"
        )
        common.print_table(title, headings, rows)
        print(
            "\nRSS includes the touched pages of mapped files (libraries, the index), which the system can reclaim "
            "at any time; anonymous memory does not."
        )
        common.write_figures(arguments.json, {**figures, "ratios": ratios})
    return 0


def write_copies(
    data: common.Data, folder: Path, *, num_tokens: int, factor: int, rng: np.random.Generator
) -> ShardSet:
    """Write a shard set of the first documents up to `num_tokens`, `factor` times.

    The tokens of every document are in a new order; the lengths of its words and sentences do not change.
    """
    documents, found, counts = [], 0, {"documents": 0, "sentences": 0, "words": 0, "tokens": 0}
    while found < num_tokens:
        documents.append(data.shards.document(len(documents) % data.shards.num_documents)[1])
        found += len(documents[-1].input_ids)
    folder.mkdir()
    writer = ShardWriter(folder, vocab_size=len(data.vocab))
    for _ in range(factor):
        for document in documents:
            writer.add(
                TokenizedDocument(
                    input_ids=rng.permutation(document.input_ids),
                    word_starts=document.word_starts,
                    sentence_offsets=document.sentence_offsets,
                )
            )
            counts["documents"] += 1
            counts["sentences"] += len(document.sentence_offsets) - 1
            counts["words"] += int(document.word_starts.sum())
            counts["tokens"] += len(document.input_ids)
    writer.flush()
    data.vocab.save(folder / VOCAB_NAME)
    manifest = dataclasses.replace(
        data.shards.manifest,
        **{f"num_{name}": count for name, count in counts.items()},
        num_unknown_tokens=0,
        shards=tuple(writer.shards),
        fingerprint=content_fingerprint(vocab_sha256=data.vocab.sha256, shards=writer.shards),
    )
    write_manifest(folder, manifest)
    return ShardSet(folder)


def measure_in_new_process(shards: Path, index: Path, arguments: argparse.Namespace) -> dict[str, int]:
    """Return the peaks, in bytes, of a new process that iterates the loader."""
    options = {"steps": arguments.steps, "global-batch-size": arguments.global_batch_size, "seed": arguments.seed}
    command = [sys.executable, __file__, "--measure", str(shards), str(index)]
    command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(shards: Path, index: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the loader and return the memory peaks of this process, in bytes."""
    start = memory()
    opened = ShardSet(shards)
    data = common.Data(shards=opened, vocab=opened.vocab(), folder=shards, name="")
    loader = common.pretrain_data(data, index_path=index, seed=arguments.seed)
    peak = dict(start)
    for step in range(arguments.steps):
        first = step * arguments.global_batch_size
        loader.micro_batches(
            first_example=first,
            global_batch_size=arguments.global_batch_size,
            micro_batch_size=MICRO_BATCH_SIZE,
            rank=0,
            num_ranks=1,
        )
        if step % STEPS_A_SAMPLE == 0 or step == arguments.steps - 1:
            peak = {key: max(value, peak[key]) for key, value in memory().items()}
    return {"start": start["rss"], **peak}


def memory() -> dict[str, int]:
    """Return RSS, its anonymous part and the rest, in bytes."""
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    values = {line[0]: int(line[1]) * 1024 for line in lines}
    return {"rss": values["Rss:"], "anonymous": values["Anonymous:"], "file": values["Rss:"] - values["Anonymous:"]}


def megabytes(size: int) -> str:
    """Return a number of bytes as text in decimal megabytes."""
    return f"{size / 1e6:,.1f} MB"


def verdict(ratio: float) -> str:
    """Return "ok" if the claim holds, else "above"."""
    return "ok" if ratio <= MAX_RATIO else "above"


if __name__ == "__main__":
    run_script(main)
