"""Shared parts of the benchmarks: one thread, a shard set to measure on, interleaved timing, and tables.

Import this module before numpy: thread pools read their size once, when they are loaded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.update(
    {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np  # noqa: E402

from paddle_wwm.config import DataConfig  # noqa: E402
from paddle_wwm.masking_config import MaskingConfig  # noqa: E402
from paddle_wwm.pretraining_data.collate import PretrainData  # noqa: E402
from paddle_wwm.pretraining_data.examples import build_index  # noqa: E402
from paddle_wwm.quiet import quiet_environment  # noqa: E402
from paddle_wwm.shards.reader import ShardSet  # noqa: E402
from paddle_wwm.tokenization.vocab import Vocab  # noqa: E402

quiet_environment()
SAMPLE_CORPUS = ROOT / "paddle_wwm" / "sample_data" / "sample_corpus.txt"
SAMPLE_VOCAB_SIZE = 4000


def parser_of(doc: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shards",
        type=Path,
        metavar="DIR",
        help="prepared shards to measure on (default: the sample corpus, prepared now)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the examples, their order and the masks (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use tiny settings, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parser


@dataclass(frozen=True, kw_only=True)
class Data:
    """A shard set with its vocabulary, and a temporary folder, removed at the end."""

    shards: ShardSet
    vocab: Vocab
    folder: Path
    name: str


@contextlib.contextmanager
def open_data(shards: Path | None, *, documents_joined: int = 1) -> Iterator[Data]:
    """Open the shard set in `shards`, or prepare the sample corpus.

    The sample corpus is prepared into a temporary folder, with a vocabulary built from it.

    documents_joined: join that many documents of the sample corpus to one, so that they fill long examples.
    """
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as folder:
        name = "the shards given with --shards"
        if shards is None:
            from paddle_wwm.corpus.documents import read_documents
            from paddle_wwm.shards.preparation.engines import EngineConfig
            from paddle_wwm.shards.preparation.prepare import prepare_corpus
            from paddle_wwm.tokenization.vocab_building import build_vocab

            sentences = (sentence for document in read_documents(SAMPLE_CORPUS) for sentence in document.sentences)
            vocab = build_vocab(sentences, vocab_size=SAMPLE_VOCAB_SIZE)
            shards, name = Path(folder) / "sample", "the bundled sample corpus"
            corpus = Path(folder) / "corpus.txt"
            documents = SAMPLE_CORPUS.read_text(encoding="utf-8").strip().split("\n\n")
            joined = (
                "\n".join(documents[first : first + documents_joined])
                for first in range(0, len(documents), documents_joined)
            )
            corpus.write_text("\n\n".join(joined) + "\n", encoding="utf-8")
            prepare_corpus(
                corpus=[corpus],
                vocab=vocab,
                output=shards,
                engine=EngineConfig(num_workers=1),
            )
        opened = ShardSet(shards)
        yield Data(
            shards=opened,
            vocab=opened.vocab(),
            folder=Path(folder),
            name=f"{name} ({opened.manifest.num_tokens:,} tokens)",
        )


def write_index(
    data: Data, *, config: DataConfig, max_seq_length: int, seed: int, num_documents: int | None = None
) -> tuple[Path, Counter]:
    """Write the example index of the first `num_documents` documents (default: all).

    Returns:
        The path of the index, in the temporary folder, and the report of `build_index`.
    """
    report: Counter = Counter()
    documents = np.arange(data.shards.num_documents)[:num_documents]
    index = build_index(
        data.shards, documents=documents, data=config, max_seq_length=max_seq_length, seed=seed, report=report
    )
    path = data.folder / f"index-{config.pairing.value}-{max_seq_length}.npy"
    np.save(path, index)
    return path, report


def pretrain_data(data: Data, *, index_path: Path, seed: int, masking: MaskingConfig | None = None) -> PretrainData:
    """Open the data of the loader as training does."""
    return PretrainData(
        shards=data.shards, vocab=data.vocab, index_path=index_path, masking=masking or MaskingConfig(), seed=seed
    )


def print_conditions(data: Data) -> dict[str, Any]:
    """Print the data and the machine, and return both for --json."""
    return print_machine(data.name)


def print_machine(data: str) -> dict[str, Any]:
    """Print and return the machine and the name of the input, `data`."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    load = os.getloadavg()[0]
    print(f"data: {data}")
    print(
        f"machine: {model}, {os.cpu_count()} cores, load {load:.1f} before this run; one thread; Python "
        f"{platform.python_version()}"
    )
    return {
        "data": data,
        "machine": model,
        "num_cores": os.cpu_count(),
        "load_before": load,
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return []


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one call of a contender did."""

    num_tokens: int
    num_selected: int


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Tokens/s of CPU time per repetition, and the share of selected tokens."""

    name: str
    rates: tuple[float, ...]
    selected_share: float

    @property
    def rate(self) -> float:
        """The median of the rates."""
        return statistics.median(self.rates)

    def ratio_to(self, other: Timing) -> float:
        """Return how many times as fast as `other` this contender is.

        The result is the median of the ratios of each repetition: both contenders run in turn in each of them.
        """
        return statistics.median(mine / theirs for mine, theirs in zip(self.rates, other.rates))


def interleaved(contenders: dict[str, Callable[[], Work]], *, num_repetitions: int, min_s: float) -> list[Timing]:
    """Time every contender in turn, `num_repetitions` times.

    Each measurement takes at least `min_s` of CPU time. It is process CPU time, not wall time, because other processes
    may run on the machine. Each contender is called once before, to compile code and fill caches.
    """
    for run in contenders.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    done: dict[str, Work] = {}
    for _ in range(num_repetitions):
        for name, run in contenders.items():
            num_tokens, spent, started = 0, 0.0, time.process_time()
            while spent < min_s or not num_tokens:
                done[name] = run()
                num_tokens += done[name].num_tokens
                spent = time.process_time() - started
            rates[name].append(num_tokens / max(spent, 1e-9))
    return [
        Timing(name=name, rates=tuple(rates[name]), selected_share=done[name].num_selected / done[name].num_tokens)
        for name in contenders
    ]


def print_timings(title: str, timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Print a table that compares the first row with all others; return it for --json."""
    first = timings[0]
    rows = [
        [
            timing.name,
            quantity(timing.rate),
            f"{quantity(min(timing.rates))} - {quantity(max(timing.rates))}",
            f"{timing.selected_share:.2%}",
            f"{first.ratio_to(timing):,.1f}x",
        ]
        for timing in timings
    ]
    print_table(title, ("", "tokens/s", "range", "selected", "ratio"), rows)
    return [
        {
            "name": timing.name,
            "tokens_per_s": timing.rate,
            "rates": timing.rates,
            "selected": timing.selected_share,
            "ratio": first.ratio_to(timing),
        }
        for timing in timings
    ]


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, the first to the left and the others to the right."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    print(f"\n{title}")
    for line in lines:
        print(
            "  "
            + "  ".join(
                [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
            ).rstrip()
        )


def quantity(value: float) -> str:
    """Return a short form: 155300000 -> 155M, 15530000 -> 15.5M, 82000 -> 82K."""
    for factor, unit in ((1e6, "M"), (1e3, "K")):
        if value >= factor:
            scaled = value / factor
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{scaled:.3g}{unit}"
    return f"{value:.3g}"


def write_figures(path: Path | None, figures: dict[str, Any]) -> None:
    """Write the --json file if a path is given."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
