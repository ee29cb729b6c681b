"""The segmenters other than LAC, one short class each. segment.py has the protocol that they follow and the table that
names them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import re
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Callable, Iterable, Sequence

import numpy as np

from ..errors import ConfigError
from ..files import sha256_of_file
from ..quiet import quiet_environment
from .user_dictionary import read_lines

RULES_VERSION = "1"  # of the segmenters that consist of a rule alone: raise it when a rule changes
FIRST_CODE_POINT_PAST_WHITE_SPACE = 0x3001
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class JiebaSegmenter:
    """jieba in its accurate mode with the hidden Markov model, its default. `custom_dictionary` is a jieba user
    dictionary.
    """

    name = "jieba"

    def __init__(self, *, custom_dictionary: Path | None = None) -> None:
        self._custom_dictionary = custom_dictionary
        quiet_environment()
        import jieba

        jieba.setLogLevel(logging.WARNING)  # it tells every start on stderr
        self._tokenizer = jieba.Tokenizer()
        # Its own way keeps the dictionary in the shared /tmp, under a fixed name and read with marshal: whoever puts a
        # file there first decides what every process of every user executes or segments. Reading the text instead
        # takes about half a second.
        self._tokenizer.FREQ, self._tokenizer.total = jieba.Tokenizer.gen_pfdict(self._tokenizer.get_dict_file())
        self._tokenizer.initialized = True
        self.description = f"jieba {jieba.__version__}"
        if custom_dictionary is not None:
            entries = [line for line in map(str.strip, read_lines(custom_dictionary)) if line]
            self._tokenizer.load_userdict(iter(entries))
            self.description += f", {len(entries)} words of {custom_dictionary.name}"
        package = Path(jieba.__file__).parent
        model = [package / "__init__.py", package / "dict.txt", *sorted(package.glob("finalseg/*.py"))]
        self.model_sha256 = _hash_files(*model, *([custom_dictionary] if custom_dictionary else []))

    def __reduce__(self) -> tuple[Callable[[], JiebaSegmenter], tuple[()]]:
        # jieba's tokenizer holds a lock, which cannot be pickled
        return partial(JiebaSegmenter, custom_dictionary=self._custom_dictionary), ()

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """As the protocol says."""
        return _starts_of_words(map(self._tokenizer.lcut, texts), texts)


class RjiebaSegmenter:
    """jieba in Rust: the rule of jieba with a dictionary of its own build, more than ten times as fast."""

    name = "rjieba"

    def __init__(self) -> None:
        if importlib.util.find_spec("rjieba") is None:
            raise ConfigError(
                "the segmenter rjieba is not installed; `pip install -c constraints.txt rjieba`, or take jieba."
            )
        import rjieba

        self._cut = rjieba.cut
        version = importlib.metadata.version("rjieba")
        self.description = f"rjieba {version}"
        self.model_sha256 = _hash_text(
            "rjieba", version
        )  # the dictionary is inside the library, whose bytes differ from platform to platform

    def __reduce__(self) -> tuple[type[RjiebaSegmenter], tuple[()]]:
        return RjiebaSegmenter, ()  # the library's dictionary cannot be pickled

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """As the protocol says. Rust's strings hold no lone surrogates: U+FFFD, as unknown a character, stands in for
        them.
        """
        return _starts_of_words((self._cut(LONE_SURROGATE.sub("\ufffd", text)) for text in texts), texts)


class WhitespaceSegmenter:
    """White space separates words, and nothing else does: for English, and for text that was segmented before.

    White space belongs to the word before it (at the start of a text it is a word of its own, of which WordPiece
    leaves nothing), so that the words cover the text and the first piece after white space starts a word.
    """

    name = "whitespace"
    description = "words as white space separates them"

    def __init__(self) -> None:
        self.model_sha256 = _hash_text(self.name, RULES_VERSION)
        # the last place is for all code points beyond
        self._is_space = np.array(
            [chr(number).isspace() for number in range(FIRST_CODE_POINT_PAST_WHITE_SPACE)] + [False]
        )

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """As the protocol says."""
        code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        is_space = self._is_space[np.minimum(code_points, FIRST_CODE_POINT_PAST_WHITE_SPACE)]
        starts = np.zeros(len(code_points), bool)
        starts[1:] = is_space[:-1] & ~is_space[1:]
        starts[[end - len(text) for end, text in zip(accumulate(map(len, texts)), texts) if text]] = True
        return starts


class CharacterSegmenter:
    """No words: one starts at every character. Then every piece is a word by itself, and masking whole words masks
    pieces, as the first BERT did.
    """

    name = "none"
    description = "no words: every piece by itself"

    def __init__(self) -> None:
        self.model_sha256 = _hash_text(self.name, RULES_VERSION)

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """As the protocol says."""
        return np.ones(sum(map(len, texts)), bool)


def _starts_of_words(segmented: Iterable[Sequence[str]], texts: Sequence[str]) -> np.ndarray:
    lengths = np.fromiter(map(len, chain.from_iterable(segmented)), np.int64)
    starts = np.zeros(sum(map(len, texts)), bool)
    assert lengths.sum() == len(starts), "a segmenter must neither drop nor add characters"
    starts[np.cumsum(lengths) - lengths] = True
    return starts


def _hash_text(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _hash_files(*paths: Path) -> str:
    return _hash_text(*map(sha256_of_file, paths))
