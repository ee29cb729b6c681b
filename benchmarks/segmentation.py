#!/usr/bin/env python
"""Compare the characters/s of LAC's compiled kernel with Paddle and jieba on one core, and its tags with Paddle's.

  python benchmarks/segmentation.py                                         the sample corpus
  python benchmarks/segmentation.py --corpus corpora/ --max-chars 5000000   your text: files, or folders of *.txt
  python benchmarks/segmentation.py --contenders compiled paddle --json s.json

The timed call maps characters to word starts, over lines sampled evenly from the text. Every repetition uses other
lines, as in a real corpus: oneDNN caches its preparations per input shape, so repeated lines would make it look faster
than it is.
  compiled        corpus/lac_kernel.py, with the widest vectors of the processor
  compiled-8      the same with 8-wide vectors, as on processors without AVX-512 (only if this processor is wider)
  paddle          Paddle's predictor with the settings of this project: oneDNN off, MKL set to AVX2 on AMD processors,
                  batches of 128 sorted by length
  paddle-onednn   the same with oneDNN on, Paddle's default
  paddle-lines    Paddle's defaults and one line per call, the simplest use of the model; on a tenth of the lines
  jieba, rjieba   different words, for scale (rjieba if installed)

The figure to read is the ratio (compiled : that row), the median over interleaved repetitions of process CPU time.
"best Paddle" is the faster of its two settings. Memory is the peak of a separate process that does nothing else. The
tags are compared over all of the text, up to --max-chars.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Callable, Iterator, Sequence

import common
import numpy as np

from paddle_wwm.cli.process import run_script
from paddle_wwm.corpus.lac import PaddleLac
from paddle_wwm.corpus.lac_compiled import CompiledLac, KernelUnusable, width_for_this_cpu
from paddle_wwm.corpus.lac_model import lac_model_directory, load_tables, load_weights
from paddle_wwm.corpus.segment import SegmenterConfig, make_segmenter
from paddle_wwm.errors import DataError

COMPARED_AT_ONCE = 1_000_000
PADDLE_SETTINGS = {
    "paddle": {},
    "paddle-onednn": {"use_onednn": True},
    "paddle-lines": {"use_onednn": True, "max_texts": 1, "sort": False},
}
SHARES = {"paddle-lines": 10}  # slow contenders get one line in this many
CONTENDERS = ("compiled", "compiled-8", *PADDLE_SETTINGS, "jieba", "rjieba")
Run = Callable[[Sequence[str]], np.ndarray]


def make_run(name: str) -> Run:
    """Return a function from texts to word starts (jieba) or tags (LAC)."""
    if name in ("jieba", "rjieba"):
        return make_segmenter(SegmenterConfig(name=name)).word_starts
    tables = load_tables(lac_model_directory())
    if name in PADDLE_SETTINGS:
        engine = PaddleLac(tables, **PADDLE_SETTINGS[name])
    else:
        engine = CompiledLac(load_weights(tables), width=8 if name == "compiled-8" else None)

    def run(texts: Sequence[str]) -> np.ndarray:
        code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        return engine.tags(tables.id_of_code_point[code_points], np.fromiter(map(len, texts), np.int64, len(texts)))

    return run


def contenders_absent() -> set[str]:
    """Return the contenders that cannot run on this machine."""
    absent = set() if importlib.util.find_spec("rjieba") else {"rjieba"}
    try:
        return absent if width_for_this_cpu() > 8 else absent | {"compiled-8"}
    except KernelUnusable:
        return absent | {"compiled", "compiled-8"}


def corpus_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files, and the *.txt files of the folders."""
    files = [file for path in paths for file in (sorted(path.glob("*.txt")) if path.is_dir() else [path])]
    missing = [str(path) for path in files if not path.is_file()]
    if missing or not files:
        raise DataError(
            f"{', '.join(missing) or ', '.join(map(str, paths))}: no text files found; --corpus takes files "
            f"and folders of *.txt."
        )
    return files


def read_lines(files: Sequence[Path], *, max_chars: int) -> list[str]:
    """Return the non-empty lines, at most an equal share of max_chars per file."""
    lines: list[str] = []
    for file in files:
        left = max_chars // len(files)
        with open(file, encoding="utf-8", errors="replace") as stream:
            for line in filter(None, map(str.strip, stream)):
                if (left := left - len(line)) < 0:
                    break
                lines.append(line)
    if not lines:
        raise DataError(f"{', '.join(map(str, files))}: no line of text within --max-chars.")
    return lines


def spread(lines: Sequence[str], *, num_samples: int, num_chars: int) -> list[list[str]]:
    """Return disjoint samples of evenly spaced lines, of at most num_chars each."""
    step = max(num_samples, sum(map(len, lines)) // num_chars)
    return [list(lines[first::step]) for first in range(num_samples)]


def num_differing(first: Run, second: Run, lines: Sequence[str]) -> int:
    """Count the characters on which two contenders differ."""
    return sum(int(np.count_nonzero(first(part) != second(part))) for part in _portions(lines))


def _portions(lines: Sequence[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    num_chars = 0
    for line in lines:
        portion.append(line)
        num_chars += len(line)
        if num_chars >= COMPARED_AT_ONCE:
            yield portion
            portion, num_chars = [], 0
    yield portion


def peak_megabytes(name: str, lines: Sequence[str]) -> float:
    """Return the peak resident memory of a new process that runs a contender once.

    The result is nan if the system does not report it.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run_once, name, lines).result()


def _run_once(name: str, lines: Sequence[str]) -> float:
    make_run(name)(lines)
    # not getrusage: its peak includes the time when this process was still a copy of its parent
    peaks = [line.split()[1] for line in _process_status() if line.startswith("VmHWM:")]
    return int(peaks[0]) / 1024 if peaks else float("nan")


def _process_status() -> list[str]:
    path = Path("/proc/self/status")
    return path.read_text().splitlines() if path.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        default=[common.SAMPLE_CORPUS],
        metavar="PATH",
        help="text files, and folders of *.txt",
    )
    parser.add_argument(
        "--max-chars",
        type=int,
        default=1 << 40,
        metavar="N",
        help="compare tags on at most this many characters (default: all)",
    )
    parser.add_argument(
        "--timed-chars",
        type=int,
        default=400_000,
        metavar="N",
        help="characters per timed call (default: %(default)s)",
    )
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS, help="contenders to measure (default: all)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use tiny settings, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    absent = contenders_absent()
    names = [name for name in CONTENDERS if name in arguments.contenders and name not in absent]
    repetitions, max_chars, timed_chars = arguments.repetitions, arguments.max_chars, arguments.timed_chars
    if arguments.quick:
        repetitions, max_chars, timed_chars = 2, 20_000, 2_000
    files = corpus_files(arguments.corpus)
    lines = read_lines(files, max_chars=max_chars)
    # one more sample, for the first, untimed call
    samples = spread(lines, num_samples=repetitions + 1, num_chars=timed_chars)
    num_chars = sum(map(len, samples[0]))
    corpus = ", ".join(path.name for path in arguments.corpus)
    figures = common.print_machine(
        f"{corpus} ({sum(map(len, lines)):,} characters in {len(lines):,} lines; about {num_chars:,} per call)"
    )
    runs = {name: make_run(name) for name in names}

    def work(name: str) -> Callable[[], common.Work]:
        run = runs[name]
        turns = itertools.cycle(samples)

        def call() -> common.Work:
            sample = next(turns)[:: SHARES.get(name, 1)]
            run(sample)
            return common.Work(num_tokens=sum(map(len, sample)), num_selected=0)

        return call

    timings = common.interleaved({name: work(name) for name in runs}, num_repetitions=repetitions, min_s=0.0)
    # skipped with --quick: each measurement starts a new process
    memory = {name: peak_megabytes(name, samples[0]) for name in (names[:1] if arguments.quick else names)}
    rows = [
        [
            timing.name,
            common.quantity(timing.rate),
            f"{common.quantity(min(timing.rates))} - {common.quantity(max(timing.rates))}",
            f"{timings[0].ratio_to(timing):.2f}x",
            f"{memory[timing.name]:,.0f}" if timing.name in memory else "",
        ]
        for timing in timings
    ]
    common.print_table("segmentation", ("", "characters/s", "range", "ratio", "MB"), rows)
    figures["segmentation"] = [
        {
            "name": timing.name,
            "characters_per_s": timing.rate,
            "ratio": timings[0].ratio_to(timing),
            "megabytes": memory.get(timing.name),
        }
        for timing in timings
    ]
    best = max(
        (timing for timing in timings if timing.name in ("paddle", "paddle-onednn")),
        key=lambda timing: timing.rate,
        default=None,
    )
    if best is not None:
        print(f"\n{timings[0].name} : best Paddle ({best.name}) = {timings[0].ratio_to(best):.2f}")
    if "paddle" in runs:
        for name in [name for name in ("compiled", "compiled-8") if name in runs]:
            figures[f"tags of {name} that differ"] = differing = num_differing(runs["paddle"], runs[name], lines)
            print(f"tags of {name} that differ from Paddle's: {differing:,} of {sum(map(len, lines)):,}")
    common.write_figures(arguments.json, figures)
    return 0


if __name__ == "__main__":
    run_script(main)
