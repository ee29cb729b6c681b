"""Add words to the vocabulary of a model, and rows to its embeddings and output layer.

A new row is the mean of the rows of the pieces into which the word was cut, so the model can be pretrained further at
once. The ids of all other pieces stay the same. A word is Chinese characters only, letters and digits only, or one
symbol, such as “ or —. WORDS are words, or files with one word per line; `paddle-wwm propose-words` writes such a file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from .flags import convert_and_print

SUMMARY = "add words to the vocabulary of a model"
EXAMPLES = """\
examples:
  paddle-wwm extend-vocab models/roberta-wwm-ext “ ” … — --output models/with-quotes
  paddle-wwm extend-vocab models/roberta-wwm-ext words.txt --use-unused --output models/medical
  # Then continue pretraining
  paddle-wwm pretrain --init models/medical --corpus corpus/*.txt --output runs/medical"""
INTERMIXED = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the flags, the description and the examples."""
    parser.description, parser.epilog = __doc__, EXAMPLES
    from ..conversion.targets import Target

    parser.add_argument("model", type=Path, metavar="MODEL", help="any SOURCE of `paddle-wwm convert`")
    parser.add_argument("words", nargs="+", metavar="WORDS", help="words, or files with one word per line")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the new model folder")
    parser.add_argument(
        "--use-unused", action="store_true", help="take over the entries [unusedN] before the vocabulary grows"
    )
    parser.add_argument(
        "--to",
        default=Target.PADDLE.value,
        choices=[target.value for target in Target],
        help="the framework that will open the folder (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace DIR if this command or `convert` wrote it")
    parser.add_argument("--dry-run", action="store_true", help="check the words and print what would be done")


def run(arguments: argparse.Namespace) -> None:
    """Add the words and print a summary."""
    from ..conversion.options import ConversionOptions

    words = [word for given in arguments.words for word in words_of(given)]
    convert_and_print(
        arguments.model,
        target=arguments.output,
        to=arguments.to,
        arguments=arguments,
        options=ConversionOptions(add_words=words, use_unused=arguments.use_unused),
    )


def grow_for(output: Path, *, init: str, words: Path, dry_run: bool) -> str:
    """Write the grown model that a pretraining run starts from; return its folder.

    It is next to the folder of the run. The same model and words give the same bytes, so a run can be resumed. A dry
    run writes nothing, and describes the run with the model of `init`.
    """
    from ..conversion.convert import convert
    from ..conversion.options import ConversionOptions
    from ..download.finding import find_model
    from ..progress import show_bar

    added = words_of(str(words))
    target = output.with_name(f"{output.name}-init")
    if dry_run:
        print(f"would first add {len(added):,} words to {init} and write {target}; the plan below is without them")
        return init
    source = find_model(init, progress=show_bar).folder
    result = convert(source, target=target, to="paddle", options=ConversionOptions(add_words=added), overwrite=True)
    for note in result.notes:
        print(note)
    return str(target)


def words_of(given: str) -> list[str]:
    """Return the word, or the words of a file.

    Blank lines, and what stands after a tab, are skipped.

    Raises:
        ConfigError: the file is not UTF-8, or it names no word.
    """
    path = Path(given)
    if not path.is_file():
        if "/" in given or path.suffix in (".txt", ".tsv"):
            raise ConfigError(f"{given}: no such file of words.")
        return [given]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}).") from None
    words = [word for line in lines if (word := line.partition("\t")[0].strip())]
    if not words:
        raise ConfigError(f"{path}: has no word; it must have one word per line.")
    return words
