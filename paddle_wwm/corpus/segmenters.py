"""The segmenters other than LAC, one short class each. segment.py has their protocol and the table of names."""

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
from .user_dictionary import read_lines, refuse_lac_form

RULES_VERSION = "1"  # for segmenters without a model; increase it when a rule changes
FIRST_CODE_POINT_PAST_WHITE_SPACE = 0x3001
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class JiebaSegmenter:
    """jieba in its default mode: accurate, with the hidden Markov model.

    Args:
        custom_dictionary: A jieba user dictionary.
    """

    name = "jieba"

    def __init__(self, *, custom_dictionary: Path | None = None) -> None:
        self._custom_dictionary = custom_dictionary
        quiet_environment()
        import jieba

        jieba.setLogLevel(logging.WARNING)  # by default it prints a line on stderr at every start
        self._tokenizer = jieba.Tokenizer()
        # By default jieba caches the dictionary in the shared /tmp, under a fixed name, and reads it with marshal. So
        # another user could put a file there, and our process would load it. To be safe, we read the dictionary as
        # text, which takes about half a second.
        self._tokenizer.FREQ, self._tokenizer.total = jieba.Tokenizer.gen_pfdict(self._tokenizer.get_dict_file())
        self._tokenizer.initialized = True
        self.description = f"jieba {jieba.__version__}"
        if custom_dictionary is not None:
            lines = read_lines(custom_dictionary)
            refuse_lac_form(lines, custom_dictionary)
            entries = [line for line in map(str.strip, lines) if line]
            self._tokenizer.load_userdict(iter(entries))
            # jieba looks words up inside runs of these characters only
            words = (jieba.re_userdict.match(entry)[1] for entry in entries)
            num_without_effect = sum(not jieba.re_han_default.fullmatch(word) for word in words)
            self.description += (
                f", {len(entries)} words ({num_without_effect} without effect) of {custom_dictionary.name}"
            )
        package = Path(jieba.__file__).parent
        model = [package / "__init__.py", package / "dict.txt", *sorted(package.glob("finalseg/*.py"))]
        self.model_sha256 = _hash_files(*model, *([custom_dictionary] if custom_dictionary else []))

    def __reduce__(self) -> tuple[Callable[[], JiebaSegmenter], tuple[()]]:
        # the lock in jieba's tokenizer cannot be pickled
        return partial(JiebaSegmenter, custom_dictionary=self._custom_dictionary), ()

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `Segmenter`."""
        return _starts_of_words(map(self._tokenizer.lcut, texts), texts)


class RjiebaSegmenter:
    """jieba in Rust: more than ten times as fast, with its own dictionary build."""

    name = "rjieba"

    def __init__(self) -> None:
        if importlib.util.find_spec("rjieba") is None:
            raise ConfigError(
                "the segmenter rjieba is not installed; `pip install -c constraints.txt rjieba`, or use jieba."
            )
        import rjieba

        self._cut = rjieba.cut
        version = importlib.metadata.version("rjieba")
        self.description = f"rjieba {version}"
        # the dictionary is inside the compiled library, whose bytes differ between platforms
        self.model_sha256 = _hash_text("rjieba", version)

    def __reduce__(self) -> tuple[type[RjiebaSegmenter], tuple[()]]:
        return RjiebaSegmenter, ()  # the dictionary inside the library cannot be pickled

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `Segmenter`.

        Strings in Rust cannot hold lone surrogates, so U+FFFD takes their place. It is also an unknown character.
        """
        return _starts_of_words((self._cut(LONE_SURROGATE.sub("\ufffd", text)) for text in texts), texts)


class WhitespaceSegmenter:
    """Words separated by white space, for English and for already segmented text.

    White space belongs to the word before it, so the words cover the text, and the first piece after white space
    starts a word. At the start of a text, white space is a separate word, which has no pieces.
    """

    name = "whitespace"
    description = "words as white space separates them"

    def __init__(self) -> None:
        self.model_sha256 = _hash_text(self.name, RULES_VERSION)
        # the last entry stands for all higher code points
        self._is_space = np.array(
            [chr(number).isspace() for number in range(FIRST_CODE_POINT_PAST_WHITE_SPACE)] + [False]
        )

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `Segmenter`."""
        code_points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        is_space = self._is_space[np.minimum(code_points, FIRST_CODE_POINT_PAST_WHITE_SPACE)]
        starts = np.zeros(len(code_points), bool)
        starts[1:] = is_space[:-1] & ~is_space[1:]
        starts[[end - len(text) for end, text in zip(accumulate(map(len, texts)), texts) if text]] = True
        return starts


class CharacterSegmenter:
    """Every character as a word.

    Then every piece is a word, and whole word masking masks single pieces, as in the original BERT.
    """

    name = "none"
    description = "no words: every piece by itself"

    def __init__(self) -> None:
        self.model_sha256 = _hash_text(self.name, RULES_VERSION)

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `Segmenter`."""
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
