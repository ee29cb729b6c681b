#!/usr/bin/env python
"""Train a WordPiece vocabulary the BERT way from text: every Chinese character by itself, other words in pieces.

  python scripts/build_vocab.py data/*.txt --size 21128 --output vocab.txt

To go on training a published model take that model's own vocab.txt instead: a vocabulary and weights belong together.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import ConfigError, run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="+", metavar="SOURCE", help="files, globs or folders, as for prepare_corpus.py")
    parser.add_argument(
        "--text-key", default="text", metavar="KEY", help="JSON field or Parquet column (default: %(default)s)"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the vocab.txt to write")
    parser.add_argument(
        "--size", type=int, default=21128, metavar="N", help="largest number of entries (default: %(default)s)"
    )
    parser.add_argument(
        "--min-frequency", type=int, default=2, metavar="N", help="a piece must occur this often (default: %(default)s)"
    )
    parser.add_argument("--cased", action="store_true", help="keep upper case and accents")
    parser.add_argument("--overwrite", action="store_true", help="replace --output where it exists")
    arguments = parser.parse_args()
    if arguments.output.exists() and not arguments.overwrite:
        raise ConfigError(f"{arguments.output}: exists already; add --overwrite to replace it.")
    from paddle_wwm.corpus.documents import read_documents
    from paddle_wwm.corpus.readers import DocumentReader
    from paddle_wwm.tokenization.vocab import build_vocab

    reader = DocumentReader(text_key=arguments.text_key)
    sentences = (
        sentence for document in read_documents(arguments.corpus, reader=reader) for sentence in document.sentences
    )
    vocab = build_vocab(
        sentences, vocab_size=arguments.size, do_lower_case=not arguments.cased, min_frequency=arguments.min_frequency
    )
    vocab.save(arguments.output)
    print(f"written: {arguments.output} ({len(vocab):,} entries, sha256 {vocab.sha256})")


if __name__ == "__main__":
    run_script(main)
