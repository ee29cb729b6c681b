"""Show how text is masked: its words, its pieces, and the masked input of every epoch.

Words come from the segmenter, or from --words. With --shards and no TEXT, the first examples of the shards are shown.
With a TEXT, only the vocabulary of the shards is used. Yellow: [MASK]. Magenta: a random token. Underlined: unchanged,
but predicted. Without colour (--no-color, NO_COLOR, or if the output is not a terminal) the last two are written
"seen←predicted".
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .flags import add_masking_flags
from .segmenter_flags import add_segmenter_flags, segmenter_of

SUMMARY = "show the words, pieces and masks of a text or of shards"
INTERMIXED = True  # TEXT may stand between flags
EXAMPLES = """\
examples:
  paddle-wwm show-masking 使用语言模型来预测下一个词的概率。
  paddle-wwm show-masking 使用语言模型。 --words "使用 语言 模型 。" --vocab vocab.txt --strategy piece
  paddle-wwm show-masking 使用语言模型来预测下一个词的概率。 --custom-dictionary words.dic
  paddle-wwm show-masking --shards shards/mine --number 3
  paddle-wwm show-masking 使用语言模型来预测下一个词的概率。 --epochs 2 --svg masks.svg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..config import PretrainRecipe

    add = parser.add_argument
    add("texts", nargs="*", metavar="TEXT", help="sentences to mask")
    add("--shards", type=Path, metavar="DIR", help="prepared shards: their examples, or their vocabulary for TEXT")
    add(
        "--vocab",
        type=Path,
        metavar="FILE",
        help="vocab.txt for TEXT (default: the one of --shards, or a new one built from the sample corpus)",
    )
    add(
        "--words",
        metavar='"WORD …"',
        help="the words of one TEXT, separated by spaces (default: the segmenter finds them)",
    )
    add_segmenter_flags(parser)
    add(
        "--cased",
        action="store_true",
        help="keep upper case and accents of TEXT (default: like --shards, or lower-case)",
    )
    add("--number", type=int, default=1, metavar="N", help="number of examples from the shards (default: %(default)s)")
    add(
        "--max-seq-length",
        type=int,
        default=128,
        metavar="N",
        help="maximum tokens of examples from the shards (default: %(default)s)",
    )
    add_masking_flags(parser, with_recipe=False)
    add("--seed", type=int, default=PretrainRecipe.seed, metavar="N", help="seed of the masks (default: %(default)s)")
    add("--epochs", type=int, default=3, metavar="N", help="masks per example (default: %(default)s)")
    add("--svg", type=Path, metavar="FILE", help="also draw the words and masks as an SVG picture, FILE.svg")
    add("--no-color", action="store_true", help="print no colours, even to a terminal")


def check(arguments: argparse.Namespace, *, parser: argparse.ArgumentParser) -> None:
    """Refuse flags that do not fit together."""
    if not arguments.texts and arguments.shards is None:
        parser.error("give a TEXT or --shards")
    if arguments.vocab and arguments.shards:
        parser.error("--vocab and --shards exclude each other: shards have their own vocabulary")
    if arguments.words is not None and len(arguments.texts) != 1:
        parser.error("--words needs exactly one TEXT")
    if (arguments.custom_dictionary or arguments.segmenter != "lac") and (arguments.words or not arguments.texts):
        parser.error("--segmenter and --custom-dictionary find the words of TEXT: give a TEXT and no --words")
    for flag in ("number", "max_seq_length"):
        if arguments.texts and getattr(arguments, flag) != parser.get_default(flag):
            parser.error(f"--{flag.replace('_', '-')} is for examples from --shards: leave it out, or give no TEXT")
    if arguments.cased and not arguments.texts:
        parser.error("--cased is for TEXT: shards have their own setting")
    if arguments.number < 1 or arguments.epochs < 1 or arguments.max_seq_length < 8:
        parser.error("--number and --epochs must be at least 1, --max-seq-length at least 8")


def run(arguments: argparse.Namespace) -> None:
    """Print the masks."""
    from ..config import DataConfig, SentencePairing
    from ..corpus.documents import SAMPLE_CORPUS, read_documents
    from ..corpus.segment import make_segmenter, segment
    from ..files import atomic_write
    from ..masking_config import ActionUnit, MaskingConfig, MaskingStrategy
    from ..model_config import SERIES_VOCAB_SIZE
    from ..pretraining_data.mask_picture import picture_of
    from ..pretraining_data.mask_printer import first_examples, sentence_of_words, show_lines, shown_sentence
    from ..quiet import quiet_environment
    from ..shards.reader import ShardSet
    from ..tokenization.vocab import load_vocab
    from ..tokenization.vocab_building import build_vocab
    from ..tokenization.wordpiece import WordPieceTokenizer

    quiet_environment()
    shards = ShardSet(arguments.shards) if arguments.shards else None
    if shards or arguments.vocab:
        vocab = shards.vocab() if shards else load_vocab(arguments.vocab)
    else:
        sample = [sentence for document in read_documents(SAMPLE_CORPUS) for sentence in document.sentences]
        vocab = build_vocab(
            [*sample, *arguments.texts],
            vocab_size=SERIES_VOCAB_SIZE,
            do_lower_case=not arguments.cased,
            min_character_frequency=1,
        )
        print("no --vocab: using a vocabulary built from the sample corpus and the text")
    if arguments.texts:
        lower = not arguments.cased and (shards is None or shards.manifest.tokenizer.do_lower_case)
        if arguments.words is not None:
            sentences = [sentence_of_words(arguments.texts[0], words=arguments.words.split())]
        else:
            sentences = segment(make_segmenter(segmenter_of(arguments)), arguments.texts)
        tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=lower)
        items = [shown_sentence(sentence, tokenizer=tokenizer) for sentence in sentences]
    else:
        assert shards is not None  # `check` requires TEXT or --shards
        items = first_examples(
            shards,
            vocab=vocab,
            number=arguments.number,
            data=DataConfig(pairing=SentencePairing(arguments.pairing)),
            max_seq_length=arguments.max_seq_length,
            seed=arguments.seed,
        )
    config = MaskingConfig(strategy=MaskingStrategy(arguments.strategy), actions=ActionUnit(arguments.actions))
    if arguments.svg:
        picture = picture_of(items, vocab=vocab, config=config, seed=arguments.seed, num_epochs=arguments.epochs)
        with atomic_write(arguments.svg, "w") as stream:
            stream.write(picture)
    color = not arguments.no_color and not os.environ.get("NO_COLOR") and sys.stdout.isatty()
    for line in show_lines(
        items, vocab=vocab, config=config, seed=arguments.seed, num_epochs=arguments.epochs, color=color
    ):
        print(line)
    if arguments.svg:
        print(f"picture: {arguments.svg}")
