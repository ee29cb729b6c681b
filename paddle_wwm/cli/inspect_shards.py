"""Show how prepared shards were made, their counts, and samples with words. Or check, compare or export the shards.

A sample shows its words as 使用|语言|模型, and below them the text if `prepare-corpus --text` kept it. A line of JSON
has the keys number, doc_id, tokens, input_ids, word_starts, sentence_offsets, and sentences if the text was kept.
With --compare, the last line is "identical" or "different"; the exit status is 0 in both cases. The exit status is 2 if
something is damaged or missing.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..errors import ConfigError

SUMMARY = "show, check, compare and export prepared shards"
EXAMPLES = """\
examples:
  paddle-wwm inspect-shards shards/mine
  paddle-wwm inspect-shards shards/mine --documents 17:18 --picture lengths.png
  paddle-wwm inspect-shards shards/mine --verify
  paddle-wwm inspect-shards shards/mine --compare shards/other
  paddle-wwm inspect-shards shards/mine --jsonl documents.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    add = parser.add_argument
    add("shards", type=Path, metavar="DIR", help="a folder from `paddle-wwm prepare-corpus`")
    add("--samples", type=int, default=3, metavar="N", help="number of sample documents (default: %(default)s)")
    add("--seed", type=int, default=42, metavar="N", help="seed for choosing the samples (default: %(default)s)")
    add(
        "--documents",
        metavar="A:B",
        help="use only the documents A to B - 1, for samples and --jsonl; A or B may be left out",
    )
    add("--picture", type=Path, metavar="FILE.png", help="also plot the lengths of words, sentences and documents")
    add("--overwrite", action="store_true", help="replace the file of --picture or --jsonl if it exists")
    instead = parser.add_argument_group("other actions").add_mutually_exclusive_group()
    instead.add_argument(
        "--verify", action="store_true", help="check all checksums, the rules of the format, and all counts"
    )
    instead.add_argument(
        "--compare", type=Path, metavar="OTHER", help="print how another shard set differs: documents, sentences, words"
    )
    instead.add_argument("--jsonl", metavar="FILE", help="write each document as a line of JSON; -: standard output")


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    if arguments.samples < 0 or arguments.seed < 0:
        parser.error("--samples and --seed must be at least 0")
    if arguments.picture and (arguments.verify or arguments.compare or arguments.jsonl):
        parser.error("--picture cannot be used with --verify, --compare or --jsonl")
    if arguments.picture and arguments.picture.suffix.lower() != ".png":
        parser.error("--picture writes PNG: use a file name that ends in .png")
    if arguments.documents and (arguments.verify or arguments.compare):
        parser.error("--documents cannot be used with --verify or --compare")


def documents_of(text: str | None, num_documents: int) -> range:
    """Return the documents that --documents selects; by default all documents."""
    try:
        first, last = (text or ":").split(":")
        documents = range(int(first or 0), int(last or num_documents))
    except ValueError:
        raise ConfigError(f"--documents must be A:B, such as 0:100, but is {text!r}.") from None
    if not 0 <= documents.start < documents.stop <= num_documents:
        raise ConfigError(
            f"--documents must select some of the {num_documents:,} documents, 0:{num_documents}, but is {text}."
        )
    return documents


def run(arguments: argparse.Namespace) -> None:
    """Print the overview, or verify, compare or export the shards."""
    from ..files import atomic_write
    from ..progress import counted, show_bar
    from ..shards.inspection.compare import compare
    from ..shards.inspection.inspect import (
        comparison_lines,
        manifest_lines,
        sample_lines,
        sample_numbers,
        statistics_lines,
    )
    from ..shards.inspection.jsonl import write_jsonl
    from ..shards.inspection.picture import write_picture
    from ..shards.inspection.statistics import statistics_of
    from ..shards.inspection.verify_shards import open_with_vocab, verify

    if arguments.verify:
        found = verify(arguments.shards, progress=show_bar)
        print(f"whole: {arguments.shards}")
        print(f"  {found.num_files:,} files with the right checksums, {found.num_bytes / 1e6:,.1f} MB")
        print(
            f"  {found.num_documents:,} documents, {found.num_tokens:,} tokens: offsets, lengths, ids, words "
            f"and counts are right"
        )
        print(
            f"  kept text: "
            f"{f'{found.num_texts:,} documents, same sentences as in the shards' if found.num_texts else 'none'}"
        )
        return
    for target in (arguments.picture, arguments.jsonl):
        if target and str(target) != "-" and os.path.exists(target) and not arguments.overwrite:
            raise ConfigError(f"{target}: exists already; choose another file, or add --overwrite to replace it.")
    shards, vocab = open_with_vocab(arguments.shards)
    if arguments.compare:
        other, other_vocab = open_with_vocab(arguments.compare)
        comparison = compare(shards, other, here_vocab=vocab, there_vocab=other_vocab, progress=show_bar)
        for line in comparison_lines(shards, other, here_vocab=vocab, there_vocab=other_vocab, comparison=comparison):
            print(line)
        return
    documents = documents_of(arguments.documents, shards.num_documents)
    if arguments.jsonl:
        with counted(show_bar, stage="documents", total=len(documents), unit=" documents") as bar:
            if arguments.jsonl == "-":
                write_jsonl(shards, vocab=vocab, stream=sys.stdout.buffer, documents=documents, on_document=bar.update)
            else:
                with atomic_write(arguments.jsonl) as stream:
                    write_jsonl(shards, vocab=vocab, stream=stream, documents=documents, on_document=bar.update)
        if arguments.jsonl != "-":
            print(
                f"written: {arguments.jsonl} ({os.path.getsize(arguments.jsonl) / 1e6:,.1f} MB, "
                f"{len(documents):,} documents)"
            )
        return
    for line in manifest_lines(shards):
        print(line)
    print(flush=True)
    with counted(show_bar, stage="statistics", total=shards.manifest.num_tokens, unit=" tokens") as bar:
        statistics = statistics_of(shards, vocab=vocab, on_tokens=bar.update)
    for line in statistics_lines(statistics, vocab_size=len(vocab)):
        print(line)
    print()
    for line in sample_lines(
        shards, vocab=vocab, documents=sample_numbers(arguments.samples, documents=documents, seed=arguments.seed)
    ):
        print(line)
    if arguments.picture:
        write_picture(arguments.picture, statistics=statistics)
        print(f"written: {arguments.picture}")
