#!/usr/bin/env python
"""Segmentation: characters a second on one core, LAC's compiled kernel beside Paddle's runs of the same model and
beside jieba; and whether the kernel's tags are Paddle's on every character.

  python benchmarks/segmentation.py                                         on the sample corpus
  python benchmarks/segmentation.py --corpus corpora/ --max-chars 5000000   on text of yours: files, or folders of *.txt
  python benchmarks/segmentation.py --contenders compiled paddle --json s.json

What is timed: one call (characters to word starts) over lines taken evenly from the text. Every repetition takes other
lines, as a corpus
would have it: oneDNN remembers what it has prepared for a shape of input, so the same lines again would flatter it.
  compiled        corpus/lac_kernel.py, as wide as the processor allows
  compiled-8      the same with 8-wide vectors, as processors without AVX-512 run it (only where this one is wider)
  paddle          Paddle's predictor as the project sets it up: oneDNN off, MKL told to use AVX2 on AMD processors,
  length-sorted batches of 128
  paddle-onednn   the same with oneDNN on, Paddle's default
  paddle-lines    Paddle's default and one line a call, as the model is used without further thought; a tenth of the
  lines
  jieba, rjieba   other words, for scale (rjieba where it is installed)

Read the ratio (compiled : that row), the median over interleaved repetitions of process CPU time; "best Paddle" is the
faster of the two settings. Memory is the peak of a process of its own that does nothing else. Tags are compared over
all of the text, up to --max-chars.
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
SHARES = {"paddle-lines": 10}  # the slow ones get every so many-th line of a call
CONTENDERS = ("compiled", "compiled-8", *PADDLE_SETTINGS, "jieba", "rjieba")
Run = Callable[[Sequence[str]], np.ndarray]


def make_run(name: str) -> Run:
    """A function from texts to word starts (jieba) or tags (LAC)."""
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
    """What cannot be measured here."""
    absent = set() if importlib.util.find_spec("rjieba") else {"rjieba"}
    try:
        return absent if width_for_this_cpu() > 8 else absent | {"compiled-8"}
    except KernelUnusable:
        return absent | {"compiled", "compiled-8"}


def corpus_files(paths: Sequence[Path]) -> list[Path]:
    """The files, and the *.txt of the folders."""
    files = [file for path in paths for file in (sorted(path.glob("*.txt")) if path.is_dir() else [path])]
    missing = [str(path) for path in files if not path.is_file()]
    if missing or not files:
        raise DataError(
            f"{', '.join(missing) or ', '.join(map(str, paths))}: no text files there; --corpus takes files "
            f"and folders of *.txt."
        )
    return files


def read_lines(files: Sequence[Path], *, max_chars: int) -> list[str]:
    """The lines that are not empty, from every file its share of max_chars."""
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
    """Samples without a line in common, each of lines taken evenly, at most num_chars."""
    step = max(num_samples, sum(map(len, lines)) // num_chars)
    return [list(lines[first::step]) for first in range(num_samples)]


def num_differing(first: Run, second: Run, lines: Sequence[str]) -> int:
    """On how many characters two runs differ."""
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
    """The peak of resident memory of a process that makes the contender and runs it over the lines once; nan where the
    system does not tell.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run_once, name, lines).result()


def _run_once(name: str, lines: Sequence[str]) -> float:
    make_run(name)(lines)
    # not getrusage: its peak includes the moment in which this process was still a copy of its parent
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
        help="compare tags on so many characters (default: all of them)",
    )
    parser.add_argument(
        "--timed-chars",
        type=int,
        default=400_000,
        metavar="N",
        help="characters of a timed call (default: %(default)s)",
    )
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS, help="which to measure (default: all)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny settings, to see that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    arguments = parser.parse_args()
    absent = contenders_absent()
    names = [name for name in CONTENDERS if name in arguments.contenders and name not in absent]
    repetitions, max_chars, timed_chars = arguments.repetitions, arguments.max_chars, arguments.timed_chars
    if arguments.quick:
        repetitions, max_chars, timed_chars = 2, 20_000, 2_000
    files = corpus_files(arguments.corpus)
    lines = read_lines(files, max_chars=max_chars)
    # one for the first, untimed call
    samples = spread(lines, num_samples=repetitions + 1, num_chars=timed_chars)
    num_chars = sum(map(len, samples[0]))
    corpus = ", ".join(path.name for path in arguments.corpus)
    figures = common.print_machine(
        f"{corpus} ({sum(map(len, lines)):,} characters in {len(lines):,} lines; about {num_chars:,} a call)"
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
    # each takes a process that starts from nothing, and --quick is to be quick
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
