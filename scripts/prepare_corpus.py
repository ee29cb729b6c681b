#!/usr/bin/env python
"""Turn raw text into shards: clean it, split sentences, find words (LAC), cut WordPieces, and keep both on disk.

  python scripts/prepare_corpus.py data/*.txt --vocab vocab.txt --output shards/mine
  python scripts/prepare_corpus.py "crawl/**/*.jsonl.gz" --text-key content --vocab vocab.txt --output shards/mine --on-error skip
  python scripts/inspect_shards.py shards/mine
  python scripts/pretrain.py --corpus shards/mine --config scripts/recipes/small.yaml --output runs/mine

Text files are UTF-8, one sentence or paragraph a line, a blank line between documents; JSON lines and Parquet hold a document a record; all of
them also as .gz, .xz or .zst. The same text, vocabulary and options give the same bytes for any number of workers. Stopped at any moment
and started again with the same command, it goes on where it was. Shards that are there already are reused.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.corpus.cleaning import RULES, CleaningConfig  # noqa: E402
from paddle_wwm.corpus.readers import OnError  # noqa: E402
from paddle_wwm.corpus.segment import SEGMENTERS, SegmenterConfig  # noqa: E402
from paddle_wwm.corpus.sentences import SentenceRule  # noqa: E402
from paddle_wwm.corpus.sources import Format, find_sources  # noqa: E402
from paddle_wwm.errors import ConfigError, run_script  # noqa: E402
from paddle_wwm.shards.preparation.engines import EngineConfig  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    rules = "\n".join(f"  {name:21}{'on ' if rule.on else 'off'}  {rule.what}" for name, rule in RULES.items())
    epilog = f"cleaning rules, each counted and sampled in the report:\n{rules}"
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "corpus", nargs="+", metavar="SOURCE", help="files, quoted globs (** too) or folders; their order is kept"
    )
    parser.add_argument(
        "--vocab",
        required=True,
        type=Path,
        help="vocab.txt of the model to be trained (scripts/build_vocab.py makes one)",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder of the shards")
    parser.add_argument("--overwrite", action="store_true", help="replace other shards in --output")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, show what would be read, write nothing"
    )

    reading = parser.add_argument_group("reading")
    reading.add_argument(
        "--format", choices=[item.value for item in Format], help="of all sources (default: by their endings)"
    )
    reading.add_argument(
        "--text-key", default="text", metavar="KEY", help="JSON field or Parquet column (default: %(default)s)"
    )
    reading.add_argument(
        "--on-error", choices=[item.value for item in OnError], default="fail", help="bad input (default: %(default)s)"
    )

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
        "--max-line-chars", type=int, default=defaults.max_line_chars, metavar="N", help="(default: %(default)s)"
    )
    cleaning.add_argument(
        "--min-document-chars",
        type=int,
        default=defaults.min_document_chars,
        metavar="N",
        help="(default: %(default)s)",
    )
    cleaning.add_argument(
        "--sentence-ends",
        default=SentenceRule().ends,
        metavar="CHARS",
        help="for example 。！？；… (default: %(default)s)",
    )
    cleaning.add_argument("--english-ends", action="store_true", help="sentences also end at . ! ? before white space")

    words = parser.add_argument_group("words and pieces")
    words.add_argument(
        "--segmenter", default="lac", choices=list(SEGMENTERS), help="what finds the words (default: %(default)s)"
    )
    words.add_argument(
        "--custom-dictionary", type=Path, metavar="FILE", help="a dictionary of your own, in lac's or jieba's format"
    )
    words.add_argument(
        "--cased", action="store_true", help="keep upper case and accents (default: lower-case, as the Chinese models)"
    )
    words.add_argument(
        "--text", action="store_true", help="also keep the sentences' text beside the shards, to look at"
    )

    work = parser.add_argument_group("the work")
    work.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    work.add_argument(
        "--engine", default="processes", choices=["processes", "dask"], help="who does the work (default: %(default)s)"
    )
    work.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler, tcp://host:port or its scheduler file (default: start one here)",
    )
    unit_chars = EngineConfig().unit_chars
    work.add_argument(
        "--unit-chars", type=int, default=unit_chars, metavar="N", help="characters a task gets (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.unit_chars < 1:
        parser.error("--unit-chars must be at least 1")
    if arguments.workers is not None and arguments.workers < 1:
        parser.error("--workers must be at least 1")
    if arguments.scheduler and arguments.engine != "dask":
        parser.error("--scheduler needs --engine dask")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    from paddle_wwm.shards.preparation.plan import PrepareConfig
    from paddle_wwm.shards.preparation.prepare import prepare_corpus
    from paddle_wwm.shards.preparation.show import summary
    from paddle_wwm.tokenization.vocab import load_vocab

    rules = CleaningConfig().switched(on=tuple(arguments.on), off=tuple(arguments.off))
    try:
        config = PrepareConfig(
            segmenter=SegmenterConfig(name=arguments.segmenter, custom_dictionary=arguments.custom_dictionary),
            do_lower_case=not arguments.cased,
            sentences=SentenceRule(ends=arguments.sentence_ends, english=arguments.english_ends),
            cleaning=CleaningConfig(
                rules=rules, max_line_chars=arguments.max_line_chars, min_document_chars=arguments.min_document_chars
            ),
            format=Format(arguments.format) if arguments.format else None,
            text_key=arguments.text_key,
            on_error=OnError(arguments.on_error),
            keep_text=arguments.text,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    sources = find_sources(arguments.corpus, format=config.format)
    if sources.passed_over:
        names = ", ".join(str(path) for path in sources.passed_over[:3]) + (
            " …" if len(sources.passed_over) > 3 else ""
        )
        print(f"passed over {len(sources.passed_over):,} files of other endings: {names} (--format takes them all)")
    vocab = load_vocab(arguments.vocab)
    if arguments.dry_run:
        for source in sources.files:
            print(
                f"  {source.path}  {source.format.value}{source.compression}  "
                f"{source.path.stat().st_size / 1e6:,.1f} MB"
            )
        print(
            f"would read {len(sources.files):,} files and write {arguments.output}; cleaning rules: "
            f"{', '.join(config.cleaning.rules)}"
        )
        return
    started = time.monotonic()
    prepared = prepare_corpus(
        corpus=arguments.corpus,
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
    )
    print(summary(prepared, seconds=time.monotonic() - started))


if __name__ == "__main__":
    run_script(main)
