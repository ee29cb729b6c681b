"""Convert raw text to shards: clean it, split sentences, find words (LAC), and store words and WordPieces on disk.

Text files are UTF-8, with one sentence or paragraph per line and a blank line between documents. JSON lines and Parquet
hold one document per record. All of them may be compressed (.gz, .xz, .zst). The same text, vocabulary and options give
the same bytes for any number of workers. To continue after an interruption, rerun the same command. Finished shards are
reused.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from ..errors import ConfigError
from .dry_run import print_dry_run
from .reading_flags import add_reading_flags, form_of, sources_of
from .segmenter_flags import add_segmenter_flags, segmenter_of

SUMMARY = "convert raw text to shards: documents, words and pieces on disk"
EXAMPLES = """\
examples:
  paddle-wwm prepare-corpus data/*.txt --vocab vocab.txt --output shards/mine
  # Compressed JSON lines; bad lines are skipped and counted
  paddle-wwm prepare-corpus "crawl/**/*.jsonl.gz" --text-key content --vocab vocab.txt --output shards/crawl \\
      --on-error skip
  # The next steps
  paddle-wwm inspect-shards shards/mine
  paddle-wwm pretrain --corpus shards/mine --config small --output runs/mine"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    from ..corpus.cleaning import RULES, CleaningConfig
    from ..corpus.sentences import SentenceRule
    from ..shards.preparation.engines import EngineConfig

    rules = "\n".join(f"  {name:21}{'on ' if rule.on else 'off'}  {rule.what}" for name, rule in RULES.items())
    parser.description = __doc__
    parser.epilog = f"cleaning rules (the report has counts and samples of each):\n{rules}\n\n{EXAMPLES}"
    parser.add_argument(
        "corpus", nargs="+", metavar="SOURCE", help="files, quoted globs (also **) or folders; their order is kept"
    )
    parser.add_argument(
        "--vocab",
        required=True,
        type=Path,
        metavar="FILE",
        help="vocab.txt of the model that will be trained (`paddle-wwm build-vocab` makes one)",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder of the shards")
    parser.add_argument("--overwrite", action="store_true", help="replace different shards in --output")
    parser.add_argument(
        "--dry-run", action="store_true", help="open every source, estimate tokens, time and disk, write nothing"
    )

    add_reading_flags(parser)

    cleaning = parser.add_argument_group("cleaning and sentences")
    cleaning.add_argument(
        "--with", action="append", default=[], choices=list(RULES), metavar="RULE", dest="on", help="switch a rule on"
    )
    cleaning.add_argument(
        "--without",
        action="append",
        default=[],
        choices=list(RULES),
        metavar="RULE",
        dest="off",
        help="switch a rule off",
    )
    defaults = CleaningConfig()
    cleaning.add_argument(
        "--max-line-chars",
        type=int,
        default=defaults.max_line_chars,
        metavar="N",
        help="for the rule long_lines (default and most: %(default)s)",
    )
    cleaning.add_argument(
        "--min-document-chars",
        type=int,
        default=defaults.min_document_chars,
        metavar="N",
        help="for the rule short_documents (default: %(default)s)",
    )
    cleaning.add_argument(
        "--sentence-ends",
        default=SentenceRule().ends,
        metavar="CHARS",
        help="characters that end a sentence, for example 。！？；… (default: %(default)s)",
    )
    cleaning.add_argument("--english-ends", action="store_true", help="sentences also end at . ! ? before white space")

    words = parser.add_argument_group("words and pieces")
    add_segmenter_flags(words)
    words.add_argument(
        "--cased",
        action="store_true",
        help="keep upper case and accents (default: lower-case, like the Chinese models)",
    )
    words.add_argument(
        "--text", action="store_true", help="also store the text of the sentences next to the shards, for inspection"
    )

    work = parser.add_argument_group("the work")
    work.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    work.add_argument(
        "--engine",
        default="processes",
        choices=["processes", "dask"],
        help="how the workers run (default: %(default)s)",
    )
    work.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler: tcp://host:port or its scheduler file (default: start one on this machine)",
    )
    unit_chars = EngineConfig().unit_chars
    work.add_argument(
        "--unit-chars", type=int, default=unit_chars, metavar="N", help="characters per task (default: %(default)s)"
    )


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    if arguments.unit_chars < 1:
        parser.error("--unit-chars must be at least 1")
    if arguments.workers is not None and arguments.workers < 1:
        parser.error("--workers must be at least 1")
    if arguments.scheduler and arguments.engine != "dask":
        parser.error("--scheduler needs --engine dask")
    if both := set(arguments.on) & set(arguments.off):
        parser.error(f"--with and --without exclude each other, but both name {', '.join(sorted(both))}")


def run(arguments: argparse.Namespace) -> None:
    """Prepare the corpus and print a summary."""
    from ..corpus.cleaning import CleaningConfig
    from ..corpus.reading.options import OnError
    from ..corpus.segment import make_segmenter
    from ..corpus.sentences import SentenceRule
    from ..progress import show_bar
    from ..shards.preparation.engines import EngineConfig
    from ..shards.preparation.estimate import estimate
    from ..shards.preparation.prepare import prepare_corpus
    from ..shards.preparation.prepared_summary import summary
    from ..shards.preparation.work_plan import PrepareConfig
    from ..tokenization.vocab import load_vocab

    form = form_of(arguments)
    rules = CleaningConfig().switched(on=tuple(arguments.on), off=tuple(arguments.off))
    defaults = CleaningConfig()
    for flag, rule, is_given in (
        ("--max-line-chars", "long_lines", arguments.max_line_chars != defaults.max_line_chars),
        ("--min-document-chars", "short_documents", arguments.min_document_chars != defaults.min_document_chars),
    ):
        if is_given and rule not in rules:
            raise ConfigError(f"{flag} has an effect with the rule {rule} only; leave it out, or leave the rule on.")
    try:
        config = PrepareConfig(
            segmenter=segmenter_of(arguments),
            do_lower_case=not arguments.cased,
            sentences=SentenceRule(ends=arguments.sentence_ends, english=arguments.english_ends),
            cleaning=CleaningConfig(
                rules=rules, max_line_chars=arguments.max_line_chars, min_document_chars=arguments.min_document_chars
            ),
            form=form,
            on_error=OnError(arguments.on_error),
            keep_text=arguments.text,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    sources = sources_of(arguments.corpus, form=form)
    vocab = load_vocab(arguments.vocab)
    if arguments.dry_run:
        num_workers = arguments.workers or os.cpu_count() or 1
        segmenter = make_segmenter(config.segmenter)
        found = estimate(
            sources.files,
            vocab=vocab,
            config=config,
            segmenter=segmenter,
            num_workers=num_workers,
            progress=show_bar,
        )
        print(f"  words: {segmenter.description}")
        print_dry_run(found, sources=sources.files, output=arguments.output, num_workers=num_workers)
        return
    started = time.monotonic()
    prepared = prepare_corpus(
        corpus=sources,
        vocab=vocab,
        config=config,
        engine=EngineConfig(
            name=arguments.engine,
            num_workers=arguments.workers,
            scheduler=arguments.scheduler,
            unit_chars=arguments.unit_chars,
        ),
        output=arguments.output,
        overwrite=arguments.overwrite,
        progress=show_bar,
    )
    print(summary(prepared, seconds=time.monotonic() - started))
