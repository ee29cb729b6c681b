"""Train a WordPiece vocabulary as BERT does: every Chinese character is one piece, other words are split into pieces.

To continue pretraining a published model, use the vocab.txt of that model instead: weights fit one vocabulary only.
The same text, options and seed give the same vocabulary, for any number of workers. Memory grows with the number of
different words. A piece that repeats one digit or sign, such as 0000, does not become an entry.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .reading_flags import add_reading_flags, form_of, print_sources, sources_of

if TYPE_CHECKING:
    from ..shards.preparation.corpus_vocab import Sample

SUMMARY = "train a WordPiece vocabulary from text"
EXAMPLES = """\
examples:
  paddle-wwm build-vocab data/*.txt --size 21128 --output vocab.txt
  # Web text: without the rarest characters, from a sample
  paddle-wwm build-vocab "crawl/**/*.jsonl.gz" --character-coverage 0.9995 --sample 100000000 --output vocab.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("corpus", nargs="+", metavar="SOURCE", help="files, globs or folders, as for prepare-corpus")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the vocab.txt to write")
    parser.add_argument("--overwrite", action="store_true", help="replace --output if it exists")
    parser.add_argument(
        "--dry-run", action="store_true", help="check the options, list the files to read, write nothing"
    )
    add_reading_flags(parser)
    entries = parser.add_argument_group("entries")
    entries.add_argument(
        "--size", type=int, metavar="N", help="maximum number of entries (default: 21128, as in the series)"
    )
    entries.add_argument(
        "--min-frequency",
        type=int,
        default=2,
        metavar="N",
        help="minimum count of a character or of a longer piece (default: %(default)s)",
    )
    entries.add_argument(
        "--limit-alphabet", type=int, metavar="N", help="keep at most the N most frequent characters (default: all)"
    )
    entries.add_argument(
        "--character-coverage",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="keep the most frequent characters, which together are this share of the text, such as 0.9995 "
        "(default: %(default)s)",
    )
    entries.add_argument("--cased", action="store_true", help="keep upper case and accents")
    work = parser.add_argument_group("the work")
    work.add_argument(
        "--sample",
        type=_sample_size,
        metavar="N[characters|documents]",
        help="use a random sample: whole documents with N characters in all (10000000), or N documents (5000documents)",
    )
    work.add_argument("--seed", type=int, metavar="N", help="seed of the sample (default: 42)")
    work.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")


def _sample_size(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"([\d_,]*\d)\s*(characters|documents)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a number with characters or documents after it, but is {text!r}")
    return int(re.sub("[_,]", "", match[1])), match[2] or "characters"


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse impossible values."""
    if arguments.workers is not None and arguments.workers < 1:
        parser.error("--workers must be at least 1")
    if arguments.seed is not None and arguments.sample is None:
        parser.error("--seed has an effect with --sample only")
    if arguments.seed is not None and arguments.seed < 0:
        parser.error("--seed must be at least 0")


def run(arguments: argparse.Namespace) -> None:
    """Build the vocabulary, write it, and print what is in it and what was left out."""
    from ..corpus.readers import DocumentReader
    from ..corpus.reading.options import OnError
    from ..model_config import SERIES_VOCAB_SIZE
    from ..progress import show_bar
    from ..shards.preparation.corpus_vocab import Reading, build_corpus_vocab
    from ..shards.preparation.vocab_summary import vocab_summary
    from ..tokenization.alphabet import VocabOptions

    if arguments.output.is_dir():
        raise ConfigError(f"{arguments.output}: is a folder; give the path of the vocab.txt to write.")
    if arguments.output.exists() and not arguments.overwrite:
        raise ConfigError(f"{arguments.output}: exists already; add --overwrite to replace it.")
    options = VocabOptions(
        size=SERIES_VOCAB_SIZE if arguments.size is None else arguments.size,
        do_lower_case=not arguments.cased,
        min_frequency=arguments.min_frequency,
        limit_alphabet=arguments.limit_alphabet,
        character_coverage=arguments.character_coverage,
    )
    sample = _sample_of(arguments)
    form = form_of(arguments)
    sources = sources_of(arguments.corpus, form=form)
    if arguments.dry_run:
        print_sources(sources.files)
        print(
            f"would read {len(sources.files):,} files and write {arguments.output} (at most {options.size:,} entries)"
        )
        return
    started = time.monotonic()
    found = build_corpus_vocab(
        corpus=sources,
        options=options,
        reading=Reading(reader=DocumentReader(form=form, on_error=OnError(arguments.on_error))),
        sample=sample,
        num_workers=arguments.workers,
        progress=show_bar,
    )
    found.built.vocab.save(arguments.output)
    print(f"written: {arguments.output} ({len(found.built.vocab):,} entries, sha256 {found.built.vocab.sha256})")
    print("\n".join(vocab_summary(found, options=options, sample=sample, seconds=time.monotonic() - started)))


def _sample_of(arguments: argparse.Namespace) -> Sample | None:
    from ..shards.preparation.corpus_vocab import Sample, SampleUnit

    if arguments.sample is None:
        return None
    number, unit = arguments.sample
    seed = Sample.seed if arguments.seed is None else arguments.seed
    return Sample(number=number, unit=SampleUnit(unit), seed=seed)
