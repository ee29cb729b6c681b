"""Propose words to add to a vocabulary: frequent words of a corpus that are cut into many pieces, or are [UNK].

The file has one word per line, then its count and its pieces. The words that save most pieces come first. Read it
before use: `paddle-wwm extend-vocab MODEL FILE` adds all of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .reading_flags import add_reading_flags, form_of, sources_of

SUMMARY = "propose words of a corpus for a vocabulary"
EXAMPLES = """\
examples:
  paddle-wwm propose-words corpus/*.txt --vocab models/roberta-wwm-ext/vocab.txt --count 1000 --output words.txt
  paddle-wwm extend-vocab models/roberta-wwm-ext words.txt --output models/medical"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..corpus.segment import SEGMENTERS

    parser.add_argument("corpus", nargs="+", metavar="SOURCE", help="files, globs or folders, as for prepare-corpus")
    parser.add_argument("--vocab", required=True, type=Path, metavar="FILE", help="the vocab.txt of the model")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="the file of words to write")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="maximum number (default: %(default)s)")
    parser.add_argument(
        "--min-frequency", type=int, default=10, metavar="N", help="minimum count in the corpus (default: %(default)s)"
    )
    parser.add_argument(
        "--min-pieces",
        type=int,
        default=3,
        metavar="N",
        help="minimum pieces of a word; words with [UNK] are always proposed (default: %(default)s)",
    )
    parser.add_argument(
        "--segmenter", default="lac", choices=sorted(SEGMENTERS), help="what finds the words (default: %(default)s)"
    )
    parser.add_argument("--cased", action="store_true", help="the model keeps upper case and accents")
    parser.add_argument("--overwrite", action="store_true", help="replace --output if it exists")
    add_reading_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    """Count the words, write the file and print a summary."""
    if arguments.output.exists() and not arguments.overwrite:
        raise ConfigError(f"{arguments.output}: exists already; add --overwrite to replace it.")
    from ..corpus.documents import read_documents
    from ..corpus.readers import DocumentReader
    from ..corpus.reading.options import OnError
    from ..corpus.segment import load_segmenter
    from ..files import atomic_write
    from ..tokenization.vocab import load_vocab
    from ..tokenization.word_proposals import propose_words

    form = form_of(arguments)
    sources = sources_of(arguments.corpus, form=form)
    reader = DocumentReader(form=form, on_error=OnError(arguments.on_error))
    sentences = (sentence for document in read_documents(sources, reader=reader) for sentence in document.sentences)
    proposed = propose_words(
        sentences,
        vocab=load_vocab(arguments.vocab),
        segmenter=load_segmenter(arguments.segmenter),
        do_lower_case=not arguments.cased,
        max_words=arguments.count,
        min_frequency=arguments.min_frequency,
        min_pieces=arguments.min_pieces,
    )
    with atomic_write(arguments.output, "w") as stream:
        for word in proposed.words:
            stream.write(f"{word.word}\t{word.count}\t{' '.join(word.pieces)}\n")
    print(f"counted {proposed.num_words:,} words, {proposed.num_different:,} different")
    print(
        f"left out: {proposed.num_rare:,} with a count below {arguments.min_frequency}, {proposed.num_short:,} with "
        f"fewer than {arguments.min_pieces} pieces, {proposed.num_mixed:,} that cannot be one entry of a vocabulary, "
        f"{proposed.num_beyond:,} beyond --count"
    )
    print(f"written: {arguments.output} ({len(proposed.words):,} words)")
