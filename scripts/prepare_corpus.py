#!/usr/bin/env python
"""Turn raw Chinese text into shards: sentences, LAC words, WordPiece ids with word starts, on disk.

  python scripts/prepare_corpus.py data/*.txt --vocab vocab.txt --output shards/mine
  python scripts/pretrain.py --corpus shards/mine --config scripts/recipes/small.yaml --output runs/mine

Text files are UTF-8, one sentence or paragraph a line, a blank line between documents. The same text, vocabulary and options give the same
bytes for any number of workers; shards that are there already are reused.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from paddle_wwm.errors import run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="+", type=Path, metavar="FILE", help="text files; their order is kept")
    parser.add_argument("--vocab", required=True, type=Path, help="vocab.txt of the model to be trained (scripts/build_vocab.py makes one)")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder of the shards")
    parser.add_argument("--segmenter", default="lac", help="what finds the words (default: %(default)s)")
    parser.add_argument("--cased", action="store_true", help="keep upper case and accents (default: lower-case, as the Chinese models)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="replace other shards in --output")
    arguments = parser.parse_args()
    if arguments.workers is not None and arguments.workers < 1:
        parser.error("--workers must be at least 1")
    from paddle_wwm.shards.prepare import prepare_corpus
    from paddle_wwm.tokenization.vocab import load_vocab

    prepared = prepare_corpus(
        corpus=arguments.corpus,
        vocab=load_vocab(arguments.vocab),
        segmenter_name=arguments.segmenter,
        do_lower_case=not arguments.cased,
        output=arguments.output,
        num_workers=arguments.workers,
        overwrite=arguments.overwrite,
    )
    manifest = prepared.manifest
    print(f"{'reused' if prepared.reused else 'written'}: {prepared.directory}")
    print(f"  {manifest.num_documents:,} documents, {manifest.num_sentences:,} sentences")
    print(f"  {manifest.num_words:,} words, {manifest.num_tokens:,} tokens")
    print(f"  {manifest.num_unknown_tokens / manifest.num_tokens:.2%} of the tokens are [UNK]; vocabulary {manifest.vocab_size:,}")
    for rule, count in manifest.report.items():
        print(f"  {rule.replace('_', ' ')}: {count:,}")
    print(f"  fingerprint {manifest.fingerprint}")


if __name__ == "__main__":
    run_script(main)
