#!/usr/bin/env python
"""Compare corpus preparation with LAC's words, from raw text to shards, with a plain loop: MB/s, and peak memory.

  python benchmarks/prepare.py --corpus corpus/ --vocab vocab.txt                all of the below on your corpus
  python benchmarks/prepare.py --corpus corpus/ --vocab vocab.txt --memory 100   also peak memory on 100 times the text
  python benchmarks/prepare.py                                                   the sample corpus and its vocabulary
  python benchmarks/prepare.py --quick                                           check that it runs

Measured as wall time of whole processes, including start-up, repeated in turn:
  ours, 1 and 2     scripts/prepare_corpus.py with one and with two workers, all defaults
  plain             a simple loop: the lac package line by line, PaddleNLP's BertTokenizer on every word, ids and word
                    starts to a file; on the first --plain-mb of the text, without its start-up
  PaddleNLP         its ernie-1.0 create_pretraining_data.py with LAC's words, if --paddlenlp-script gives its path in a
                    checkout of PaddleNLP

The plain loop runs in the same environment as ours (see paddle_wwm/cpu.py). "bytes per token" is the size of the whole
shard set divided by its tokens. Memory is the peak of the process that does the work (one worker), on text in which all
documents differ.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Sequence

import common

from paddle_wwm.cli.process import run_script
from paddle_wwm.corpus.documents import read_documents
from paddle_wwm.cpu import use_fast_matmul
from paddle_wwm.shards.reader import ShardSet
from paddle_wwm.tokenization.vocab_building import build_vocab

SCRIPT = common.ROOT / "scripts" / "prepare_corpus.py"
MEMORY_BASE_CHARS = 600_000  # more than one work unit


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus", nargs="+", default=[str(common.SAMPLE_CORPUS)], metavar="SOURCE", help="files, globs or folders"
    )
    parser.add_argument("--vocab", type=Path, help="vocab.txt (default: one built from the sample corpus)")
    parser.add_argument(
        "--max-mb",
        type=float,
        default=30.0,
        metavar="MB",
        help="use at most this much of the text (default: %(default)s)",
    )
    parser.add_argument(
        "--plain-mb", type=float, default=0.3, metavar="MB", help="text for the plain loop (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="repetitions per measurement (default: %(default)s)")
    parser.add_argument(
        "--memory",
        type=int,
        default=0,
        metavar="TIMES",
        help="also prepare this many times as much text (100 takes minutes)",
    )
    parser.add_argument(
        "--paddlenlp-script", type=Path, metavar="FILE", help="create_pretraining_data.py of a PaddleNLP checkout"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use tiny settings, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--plain", nargs=3, metavar=("TEXT", "VOCAB", "OUTPUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.max_mb, arguments.plain_mb, arguments.repeats = 0.02, 0.005, 1
    return arguments


def main() -> None:
    arguments = parse_arguments()
    use_fast_matmul()  # for ours and, through the environment, for the peers
    if arguments.plain:
        print(json.dumps(plain_loop(*map(Path, arguments.plain))))
        return
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as name:
        folder = Path(name)
        vocab = arguments.vocab or build_sample_vocab(folder)
        text, plain_text = folder / "text.txt", folder / "plain.txt"
        num_chars = write_text(text, arguments.corpus, max_bytes=int(arguments.max_mb * 1e6))
        figures = common.print_machine(
            f"{', '.join(Path(source).name for source in arguments.corpus)} ({num_chars:,} characters)"
        )
        write_text(plain_text, [str(text)], max_bytes=int(arguments.plain_mb * 1e6))
        figures |= measure_speed(arguments, folder=folder, vocab=vocab, text=text, plain_text=plain_text)
        figures["characters"] = num_chars
        if arguments.memory:
            figures["memory"] = measure_memory(arguments, folder=folder, vocab=vocab, text=text)
        report(figures, megabytes=text.stat().st_size / 1e6)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def build_sample_vocab(folder: Path) -> Path:
    """Build a vocabulary from the sample corpus."""
    sentences = (sentence for document in read_documents(common.SAMPLE_CORPUS) for sentence in document.sentences)
    build_vocab(sentences, vocab_size=common.SAMPLE_VOCAB_SIZE).save(folder / "vocab.txt")
    return folder / "vocab.txt"


def write_text(path: Path, sources: Sequence[str], *, max_bytes: int, times: int = 1) -> int:
    """Write the first documents of the sources, up to a size, to a text file.

    With `times`, write that many copies, with a mark in each sentence so that all of them differ.
    """
    num_chars = size = 0
    with open(path, "w", encoding="utf-8") as stream:
        for copy in range(times):
            size = 0
            for document in read_documents(sources):
                mark = f"{copy}，" if times > 1 else ""
                lines = "".join(f"{mark}{sentence}\n" for sentence in document.sentences)
                stream.write(lines + "\n")
                num_chars += len(lines)
                size += len(lines.encode("utf-8"))
                if size >= max_bytes:
                    break
    return num_chars


def measure_speed(
    arguments: argparse.Namespace, *, folder: Path, vocab: Path, text: Path, plain_text: Path
) -> dict[str, Any]:
    """Measure all contenders in turn; return their seconds and the bytes per token."""
    seconds: dict[str, list[float]] = {"ours, 1 worker": [], "ours, 2 workers": [], "plain loop": []}
    prepare(text, vocab, folder / "warm-up", num_workers=1, max_bytes=200_000)  # fills the cache of compiled code
    for _ in range(arguments.repeats):
        for num_workers, name in ((1, "ours, 1 worker"), (2, "ours, 2 workers")):
            seconds[name].append(prepare(text, vocab, folder / "ours", num_workers=num_workers)["seconds"])
        command = [sys.executable, __file__, "--plain", str(plain_text), str(vocab), str(folder / "plain.npy")]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds["plain loop"].append(json.loads(output.splitlines()[-1])["seconds"])
    megabytes = {"plain loop": plain_text.stat().st_size / 1e6}
    if arguments.paddlenlp_script:
        seconds["PaddleNLP ernie-1.0"] = [run_paddlenlp(arguments.paddlenlp_script, plain_text, folder)]
        megabytes["PaddleNLP ernie-1.0"] = megabytes["plain loop"]
    whole = text.stat().st_size / 1e6
    rates = {name: [megabytes.get(name, whole) / second for second in measured] for name, measured in seconds.items()}
    shards = ShardSet(folder / "ours")
    size = sum(path.stat().st_size for path in (folder / "ours").glob("*.wwm"))
    return {
        "megabytes_per_s": rates,
        "bytes_per_token": size / shards.manifest.num_tokens,
        "tokens": shards.manifest.num_tokens,
    }


def prepare(
    text: Path, vocab: Path, output: Path, *, num_workers: int, max_bytes: int | None = None
) -> dict[str, float]:
    """Run scripts/prepare_corpus.py; return its time and largest process peak memory."""
    shutil.rmtree(output, ignore_errors=True)
    if max_bytes is not None:
        short = text.with_name("short.txt")
        write_text(short, [str(text)], max_bytes=max_bytes)
        text = short
    options = ["--vocab", str(vocab), "--output", str(output), "--workers", str(num_workers)]
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(text), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return {"seconds": time.monotonic() - started, "peak_bytes": usage.ru_maxrss * 1024}


def plain_loop(text: Path, vocab: Path, output: Path) -> dict[str, float]:
    """Run the plain loop; its caller starts a new process for it."""
    import numpy as np

    from paddle_wwm.corpus.lac import import_lac_package

    lac = import_lac_package().LAC(mode="seg")
    from paddlenlp.transformers import BertTokenizer

    tokenizer = BertTokenizer(str(vocab))
    lac.run("预热。")
    ids: list[int] = []
    word_starts: list[int] = []
    started = time.monotonic()
    with open(text, encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                for word in lac.run(line.strip()):
                    pieces = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word))
                    ids.extend(pieces)
                    word_starts.extend([1, *[0] * (len(pieces) - 1)] if pieces else [])
    np.save(output, np.stack([np.array(ids, np.int32), np.array(word_starts, np.int32)]))
    return {"seconds": time.monotonic() - started}


def run_paddlenlp(script: Path, text: Path, folder: Path) -> float:
    """Return the time of PaddleNLP's pipeline on the text, including start-up."""
    records = folder / "paddlenlp.jsonl"
    with open(records, "w", encoding="utf-8") as stream:
        for document in read_documents(text):
            stream.write(json.dumps({"text": "\n".join(document.sentences)}, ensure_ascii=False) + "\n")
    options = [
        "--model_name",
        "ernie-1.0-base-zh",
        "--tokenizer_name",
        "ErnieTokenizer",
        "--input_path",
        str(records),
        "--split_sentences",
    ]
    options += [
        "--data_format",
        "JSON",
        "--chinese",
        "--cn_whole_word_segment",
        "--cn_seg_func",
        "lac",
        "--workers",
        "1",
    ]
    started = time.monotonic()
    subprocess.run(
        [sys.executable, str(script), *options, "--output_prefix", str(folder / "paddlenlp")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def measure_memory(arguments: argparse.Namespace, *, folder: Path, vocab: Path, text: Path) -> dict[str, float]:
    """Return the peak bytes of one worker on the base text and on a multiple of it."""
    peaks = {}
    for times in (1, arguments.memory):
        large = folder / "large.txt"
        write_text(large, [str(text)], max_bytes=3 * MEMORY_BASE_CHARS, times=times)
        peaks[str(times)] = prepare(large, vocab, folder / "large", num_workers=1)["peak_bytes"]
    return peaks


def report(figures: dict[str, Any], *, megabytes: float) -> None:
    """Print the tables."""
    rates = {name: statistics.median(measured) for name, measured in figures["megabytes_per_s"].items()}
    print(f"raw text to shards, {megabytes:,.2f} MB, {figures['characters']:,} characters")
    print(f"{'':22}{'MB/s':>8}{'range':>18}{'ratio':>8}")
    for name, rate in rates.items():
        measured = figures["megabytes_per_s"][name]
        one = rates["ours, 1 worker"]
        ratio = rate / one if name.startswith("ours") else one / rate
        print(f"{name:22}{rate:8.3f}{f'{min(measured):.3f} to {max(measured):.3f}':>18}{ratio:8.2f}")
    print("ratio: two workers to one; ours with one worker to each peer")
    print(f"on disk: {figures['bytes_per_token']:.3f} bytes per token ({figures['tokens']:,} tokens)")
    if "memory" in figures:
        (_, small_peak), (large, large_peak) = figures["memory"].items()
        print(
            f"peak memory: {small_peak / 1e6:,.0f} MB; on {large} times the text {large_peak / 1e6:,.0f} MB, "
            f"ratio {large_peak / small_peak:.2f}"
        )


if __name__ == "__main__":
    run_script(main)
