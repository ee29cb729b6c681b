"""The segmenters other than LAC, one short class each. segment.py has their protocol and the table of names."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import re
import threading
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Callable, Iterable, Iterator, Sequence

import numpy as np

from ..errors import ConfigError
from ..files import sha256_of_file
from ..quiet import quiet_environment
from .dictionary_counts import PhraseCounts
from .jieba_dictionary import phrases_beyond_jieba, read_jieba_dictionary
from .user_dictionary import UserDictionary, apply_dictionary, dictionary_paths, read_lines

RULES_VERSION = "1"  # for segmenters without a model; increase it when a rule changes
FIRST_CODE_POINT_PAST_WHITE_SPACE = 0x3001
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_JIEBA_LOCK = threading.Lock()  # for a set that all tokenizers of jieba share


class JiebaSegmenter:
    """jieba in its default mode: accurate, with the hidden Markov model.

    Args:
        custom_dictionary: A jieba user dictionary, or several, which are loaded one after the other.
    """

    name = "jieba"

    def __init__(self, *, custom_dictionary: Path | Iterable[Path] | None = None) -> None:
        self._paths = dictionary_paths(custom_dictionary)
        quiet_environment()
        import jieba

        self._tokenizer = jieba.Tokenizer()
        # By default jieba caches the dictionary in the shared /tmp, under a fixed name, and reads it with marshal. So
        # another user could put a file there, and our process would load it. To be safe, we read the dictionary as
        # text, which takes about half a second.
        self._tokenizer.FREQ, self._tokenizer.total = jieba.Tokenizer.gen_pfdict(self._tokenizer.get_dict_file())
        self._tokenizer.initialized = True
        self._never_words: set[str] = set()
        self.description = f"jieba {jieba.__version__}"
        self.dictionary: UserDictionary | None = None
        checksums: list[str] = []
        if self._paths:
            self.dictionary = read_jieba_dictionary(self._paths)
            lines = [line.strip() for path in self._paths for line in read_lines(path)]
            with _JIEBA_LOCK, self._own_split_words():
                self._tokenizer.load_userdict(iter([line for line in lines if line]))
            num_words = len(self.dictionary.entries) + len(self.dictionary.remarks)
            unused, names = self.dictionary.num_without_effect, ", ".join(self.dictionary.names)
            self.description += f", {num_words} words ({unused} without effect) of {names}"
            checksums += self.dictionary.sha256s
            self._beyond_jieba = phrases_beyond_jieba(self.dictionary)
            if self._beyond_jieba:  # earlier versions ignored them
                checksums.append("phrases")
        package = Path(jieba.__file__).parent
        model = [package / "__init__.py", package / "dict.txt", *sorted(package.glob("finalseg/*.py"))]
        self.model_sha256 = _hash_text(*map(sha256_of_file, model), *checksums)

    def __reduce__(self) -> tuple[Callable[[], JiebaSegmenter], tuple[()]]:
        # the lock in jieba's tokenizer cannot be pickled
        return partial(JiebaSegmenter, custom_dictionary=self._paths), ()

    def word_starts(self, texts: Sequence[str], *, counts: PhraseCounts | None = None) -> np.ndarray:
        """Return the word starts of the concatenated texts; see `DictionarySegmenter`."""
        with _JIEBA_LOCK, self._own_split_words():
            starts = _starts_of_words(map(self._tokenizer.lcut, texts), texts)
        if self.dictionary is not None and (self._beyond_jieba or counts is not None):
            found = list(self.dictionary.index.occurrences(texts))
            apply_dictionary(self.dictionary, (one for one in found if one[2] in self._beyond_jieba), starts)
            if counts is not None:
                counts.add(self.dictionary, found, starts)
        return starts

    @contextlib.contextmanager
    def _own_split_words(self) -> Iterator[None]:
        """Use the words with frequency 0 of this segmenter's dictionary.

        jieba keeps them in one set for all tokenizers of a process.
        """
        from jieba import finalseg

        shared = finalseg.Force_Split_Words
        finalseg.Force_Split_Words = self._never_words
        try:
            yield
        finally:
            finalseg.Force_Split_Words = shared


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
