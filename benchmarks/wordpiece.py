#!/usr/bin/env python
"""Compare the characters/s of WordPiece with offsets with the peers, on one core, on the same lines, in one run.

  python benchmarks/wordpiece.py --corpus corpus/ --vocab vocab.txt           every line of your corpus
  python benchmarks/wordpiece.py --corpus a.txt b.txt --vocab vocab.txt --cased
  python benchmarks/wordpiece.py                                              the sample corpus and its vocabulary
  python benchmarks/wordpiece.py --quick                                      check that it runs

Timed, in CPU time:
  ours         tokenization/wordpiece.py: `encode`, ids and offsets in arrays; first with empty tables (a new
               tokenizer), then again with full tables
  tokenize     tokenization/tokenized.py: `encode`, the alignment with words (a dummy word every two characters) and the
               split into documents: all work of corpus preparation between the segmenter and the shards
  tokenizers   encode_batch of the library, one thread; without reading its ids and offsets
  PaddleNLP    tokenize and convert_tokens_to_ids of BertTokenizer, line by line; without offsets

The peers get an evenly spread share of the lines (--peer-characters; a tenth of that for PaddleNLP). Their ratio is to
ours on the same share, the median over interleaved repetitions. Then the ids and offsets of every line are compared
with the library's, and the ids of PaddleNLP on its share with the library's.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import common
import numpy as np
from tokenizers import BertWordPieceTokenizer

from paddle_wwm.cli.process import run_script
from paddle_wwm.corpus.documents import Document
from paddle_wwm.errors import DataError
from paddle_wwm.tokenization.library import LibraryTokenizer, Pieces
from paddle_wwm.tokenization.tokenized import tokenize_documents
from paddle_wwm.tokenization.vocab import Vocab, load_vocab
from paddle_wwm.tokenization.vocab_building import build_vocab
from paddle_wwm.tokenization.wordpiece import WordPieceTokenizer

LINES_AT_ONCE = 10_000
LINES_OF_A_DOCUMENT = 50


class EveryTwoCharacters:
    """A dummy segmenter that takes no time."""

    name, model_sha256, description = "every-two", "none", "a boundary before every second character"

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return bool (num_chars,), True at the first of every two characters."""
        starts = np.zeros(sum(map(len, texts)), bool)
        starts[::2] = True
        return starts


def read_lines(paths: Sequence[Path]) -> list[str]:
    """Return the lines of files, and of the .txt files in folders."""
    files = [file for path in paths for file in (sorted(path.rglob("*.txt")) if path.is_dir() else [path])]
    if not files:
        raise DataError(f"{', '.join(map(str, paths))}: no .txt file found.")
    return [line for file in files for line in file.read_text(encoding="utf-8", errors="replace").split("\n") if line]


def parts_of(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the lines in parts, as corpus preparation does."""
    return (lines[first : first + LINES_AT_ONCE] for first in range(0, len(lines), LINES_AT_ONCE))


def share_of(lines: Sequence[str], *, num_characters: int) -> list[str]:
    """Return evenly spaced lines of about `num_characters` characters."""
    return list(islice(lines, 0, None, max(1, sum(map(len, lines)) // num_characters)))


def rates_of(
    contenders: dict[str, Callable[[], Any]], *, lines: Sequence[str], num_repetitions: int
) -> dict[str, list[float]]:
    """Return characters/s of CPU time per repetition; the contenders take turns."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(num_repetitions):
        for name, run in contenders.items():
            started = time.process_time()
            run()
            rates[name].append(sum(map(len, lines)) / max(time.process_time() - started, 1e-9))
    return rates


def row_of(name: str, rates: Sequence[float], ours: Sequence[float] | None = None) -> list[str]:
    ratio = "" if ours is None else f"{statistics.median(mine / theirs for mine, theirs in zip(ours, rates)):,.1f}x"
    return [
        name,
        common.quantity(statistics.median(rates)),
        f"{common.quantity(min(rates))} - {common.quantity(max(rates))}",
        ratio,
    ]


def encode_all(tokenizer: WordPieceTokenizer, lines: Sequence[str]) -> None:
    for part in parts_of(lines):
        tokenizer.encode(part)


def tokenize_all(tokenizer: WordPieceTokenizer, documents: Sequence[Document]) -> None:
    size = LINES_AT_ONCE // LINES_OF_A_DOCUMENT
    for first in range(0, len(documents), size):
        tokenize_documents(
            documents[first : first + size], segmenter=EveryTwoCharacters(), tokenizer=tokenizer, report=Counter()
        )


def differing_lines(found: Pieces, expected: Pieces) -> int:
    """Count the texts with different ids or offsets."""

    def of_text(pieces: Pieces, index: int) -> list[list[int]]:
        of = slice(*pieces.text_offsets[index : index + 2])
        return [pieces.ids[of].tolist(), pieces.starts[of].tolist(), pieces.ends[of].tolist()]

    if all(
        np.array_equal(getattr(found, name), getattr(expected, name))
        for name in ("ids", "starts", "ends", "text_offsets")
    ):
        return 0
    return sum(of_text(found, index) != of_text(expected, index) for index in range(len(found.text_offsets) - 1))


def paddlenlp_encoder(vocab_file: Path, *, do_lower_case: bool) -> Callable[[str], list[int]] | None:
    """Return PaddleNLP's tokenizer as its pipelines call it, or None if not installed."""
    if importlib.util.find_spec("paddlenlp") is None:
        return None
    from paddlenlp.transformers import BertTokenizer

    tokenizer = BertTokenizer(str(vocab_file), do_lower_case=do_lower_case)
    return lambda text: tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))


def measure(
    lines: list[str], *, vocab: Vocab, do_lower_case: bool, vocab_file: Path, peer_characters: int, num_repetitions: int
) -> dict[str, Any]:
    """Time and compare all contenders, and print the results."""
    tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    library = LibraryTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    started = time.process_time()
    WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)
    load_s = time.process_time() - started
    documents = [
        Document(doc_id=str(first), sentences=tuple(lines[first : first + LINES_OF_A_DOCUMENT]))
        for first in range(0, len(lines), LINES_OF_A_DOCUMENT)
    ]
    cold = rates_of({"cold": lambda: encode_all(tokenizer, lines)}, lines=lines, num_repetitions=1)["cold"]
    contenders = {"warm": lambda: encode_all(tokenizer, lines), "tokenize": lambda: tokenize_all(tokenizer, documents)}
    rates = {"cold": cold, **rates_of(contenders, lines=lines, num_repetitions=num_repetitions)}
    names = {
        "cold": "encode (ours), empty tables",
        "warm": "encode (ours), again",
        "tokenize": "encode + word starts + documents (ours)",
    }
    headings = ("", "characters/s", "range", "ratio")
    print(f"\na new tokenizer takes {load_s * 1000:.0f} ms")
    common.print_table("all lines", headings[:3], [row_of(names[name], found)[:3] for name, found in rates.items()])

    share = share_of(lines, num_characters=peer_characters)
    peer = BertWordPieceTokenizer(vocab=dict(vocab.ids), lowercase=do_lower_case)
    peers: dict[str, tuple[list[str], Callable[[], Any]]] = {
        "tokenizers encode_batch": (share, lambda: peer.encode_batch(share, add_special_tokens=False))
    }
    paddlenlp = paddlenlp_encoder(vocab_file, do_lower_case=do_lower_case)
    small = share_of(lines, num_characters=max(1, peer_characters // 10))
    if paddlenlp is None:
        print("\nPaddleNLP: not installed; the environment of `make setup` has it")
    else:
        peers["PaddleNLP BertTokenizer"] = (small, lambda: [paddlenlp(line) for line in small])
    for name, (texts, run) in peers.items():
        pair = rates_of(
            {"ours": lambda texts=texts: tokenizer.encode(texts), name: run},
            lines=texts,
            num_repetitions=num_repetitions,
        )
        rows = [row_of("encode (ours)", pair["ours"]), row_of(name, pair[name], pair["ours"])]
        common.print_table(f"a share of the lines: {len(texts):,}, {sum(map(len, texts)):,} characters", headings, rows)
        rates |= {f"ours compared with {name}": pair["ours"], name: pair[name]}

    differing = sum(differing_lines(tokenizer.encode(part), library.encode(part)) for part in parts_of(lines))
    print(f"\nlines whose ids or offsets differ from the tokenizers library's: {differing:,} of {len(lines):,}")
    figures = {"load_s": load_s, "characters_per_s": rates, "num_lines": len(lines), "differing_lines": differing}
    if paddlenlp is not None:
        expected = library.encode(small)
        figures["differing_lines_paddlenlp"] = sum(
            paddlenlp(line) != expected.ids_of_text(index).tolist() for index, line in enumerate(small)
        )
        print(f"PaddleNLP's ids: {figures['differing_lines_paddlenlp']:,} of {len(small):,}")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpus",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="text files or folders of .txt files (default: the sample corpus)",
    )
    parser.add_argument(
        "--vocab", type=Path, metavar="FILE", help="a vocab.txt (default: one built from the sample corpus)"
    )
    parser.add_argument("--cased", action="store_true", help="keep case and accents")
    parser.add_argument(
        "--peer-characters",
        type=int,
        default=2_000_000,
        metavar="N",
        help="characters on which the library is timed (default: %(default)s)",
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, metavar="N", help="interleaved repetitions (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use tiny settings, to check that it runs; the figures mean nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    corpus = arguments.corpus or [common.SAMPLE_CORPUS]
    lines = read_lines(corpus)[: 300 if arguments.quick else None]
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_benchmark_") as folder:
        vocab_file = arguments.vocab or Path(folder) / "vocab.txt"
        if arguments.vocab is None:
            built = build_vocab(
                read_lines([common.SAMPLE_CORPUS]),
                vocab_size=common.SAMPLE_VOCAB_SIZE,
                do_lower_case=not arguments.cased,
            )
            built.save(vocab_file)
        vocab = load_vocab(vocab_file)
        name = ", ".join(path.name for path in corpus) if arguments.corpus else "the bundled sample corpus"
        figures = common.print_machine(
            f"{name} ({len(lines):,} lines, {sum(map(len, lines)):,} characters, {len(vocab):,} vocabulary entries)"
        )
        figures |= measure(
            lines,
            vocab=vocab,
            do_lower_case=not arguments.cased,
            vocab_file=vocab_file,
            peer_characters=2_000 if arguments.quick else arguments.peer_characters,
            num_repetitions=1 if arguments.quick else arguments.repetitions,
        )
    common.write_figures(arguments.json, figures)
    return 0


if __name__ == "__main__":
    run_script(main)
