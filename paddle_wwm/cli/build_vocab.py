"""Train a WordPiece vocabulary as BERT does: every Chinese character is one piece, other words are split into pieces.

To continue pretraining a published model, use the vocab.txt of that model instead: weights fit one vocabulary only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError

SUMMARY = "train a WordPiece vocabulary from text"
EXAMPLES = """\
examples:
  paddle-wwm build-vocab data/*.txt --size 21128 --output vocab.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    parser.add_argument("corpus", nargs="+", metavar="SOURCE", help="files, globs or folders, as for prepare-corpus")
    parser.add_argument(
        "--text-key", default="text", metavar="KEY", help="JSON field or Parquet column (default: %(default)s)"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the vocab.txt to write")
    parser.add_argument(
        "--size", type=int, metavar="N", help="maximum number of entries (default: 21128, as in the series)"
    )
    parser.add_argument(
        "--min-frequency", type=int, default=2, metavar="N", help="minimum count of a piece (default: %(default)s)"
    )
    parser.add_argument("--cased", action="store_true", help="keep upper case and accents")
    parser.add_argument("--overwrite", action="store_true", help="replace --output if it exists")


def run(arguments: argparse.Namespace) -> None:
    """Build the vocabulary and write it."""
    if arguments.output.exists() and not arguments.overwrite:
        raise ConfigError(f"{arguments.output}: exists already; add --overwrite to replace it.")
    from ..corpus.documents import read_documents
    from ..corpus.readers import DocumentReader
    from ..corpus.reading.options import TextForm
    from ..model_config import SERIES_VOCAB_SIZE
    from ..tokenization.vocab import build_vocab

    reader = DocumentReader(form=TextForm(text_keys=(arguments.text_key,)))
    sentences = (
        sentence for document in read_documents(arguments.corpus, reader=reader) for sentence in document.sentences
    )
    vocab = build_vocab(
        sentences,
        vocab_size=SERIES_VOCAB_SIZE if arguments.size is None else arguments.size,
        do_lower_case=not arguments.cased,
        min_frequency=arguments.min_frequency,
    )
    vocab.save(arguments.output)
    print(f"written: {arguments.output} ({len(vocab):,} entries, sha256 {vocab.sha256})")
