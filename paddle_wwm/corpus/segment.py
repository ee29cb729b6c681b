"""Word segmentation: one protocol for all segmenters.

A segmenter returns the characters at which words start; it never changes the text. To add one, write a class (see the
short examples in segmenters.py) and add a line to SEGMENTERS.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Callable, Iterable, Protocol, Sequence

import numpy as np

from ..errors import ConfigError, DataError
from .lac_segmenter import LacSegmenter
from .segmenters import CharacterSegmenter, JiebaSegmenter, RjiebaSegmenter, WhitespaceSegmenter
from .user_dictionary import UserDictionary, dictionary_paths


@dataclass(frozen=True, kw_only=True)
class SegmentedSentence:
    """A sentence and its words.

    word_spans: the spans [start, end) in characters, in order. They cover the text without gaps.
    """

    text: str
    word_spans: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        position = 0
        for start, end in self.word_spans:
            if start != position or end <= start:
                raise ValueError(
                    f"word_spans must cover the text in order, but ({start}, {end}) follows position {position}."
                )
            position = end
        if position != len(self.text):
            raise ValueError(
                f"word_spans must cover the text, but they end at {position}, the text at {len(self.text)}."
            )

    @property
    def words(self) -> tuple[str, ...]:
        """The words as strings."""
        return tuple(self.text[start:end] for start, end in self.word_spans)


class Segmenter(Protocol):
    """The protocol of a segmenter.

    The words of a text do not depend on the other texts of the call.
    """

    name: str
    model_sha256: str  # of all files that the words depend on (model and dictionary); stored in the manifest
    description: str  # one line for reports, such as "lac, compiled kernel, 16-wide"; in no fingerprint

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """Return where words start in the concatenated texts.

        Args:
            texts: Any strings, also with NUL or lone surrogates.

        Returns:
            bool, shape (num_characters,), True where a word starts and at the first character of a text.
        """
        ...


# name -> the class, and the options of SegmenterConfig that it takes
SEGMENTERS: dict[str, tuple[Callable[..., Segmenter], tuple[str, ...]]] = {
    "lac": (LacSegmenter, ("custom_dictionary", "dictionary_separator", "engine")),
    "jieba": (JiebaSegmenter, ("custom_dictionary",)),
    "rjieba": (RjiebaSegmenter, ()),
    "whitespace": (WhitespaceSegmenter, ()),
    "none": (CharacterSegmenter, ()),
}


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """The name of a segmenter and its options.

    It is small and can be pickled, so worker processes create their own segmenter from it.

    custom_dictionary: a user dictionary in the format of the segmenter's project (lac, jieba), or several. For a phrase
    that is in several files, the last one counts.
    dictionary_separator: what separates the words of a phrase in a dictionary for LAC; None: white space.
    engine: the engine for LAC's network: "compiled" (corpus/lac_kernel.py), "paddle", or "auto" for the fastest that
    works on this machine. All give the same words.
    """

    name: str = "lac"
    custom_dictionary: Path | tuple[Path, ...] | None = None
    dictionary_separator: str | None = None
    engine: str = "auto"


def make_segmenter(config: SegmenterConfig) -> Segmenter:
    """Create the segmenter that `config` describes.

    Raises:
        ConfigError: The name is unknown, or the segmenter does not take an option.
        DataError: The dictionary is missing or wrong.
    """
    if config.name not in SEGMENTERS:
        raise ConfigError(f"`segmenter` must be one of {', '.join(SEGMENTERS)}, but is {config.name!r}.")
    make, taken = SEGMENTERS[config.name]
    options: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in taken:
            options[field.name] = value
        elif field.name != "name" and value not in (field.default, ()):
            takers = [name for name, (_, names) in SEGMENTERS.items() if field.name in names]
            raise ConfigError(
                f"`{field.name}` is an option of the segmenter {' and '.join(takers)}; leave it out for "
                f"{config.name!r}."
            )
    dictionaries = dictionary_paths(options.get("custom_dictionary"))
    for path in dictionaries:
        if not path.is_file():
            raise DataError(f"{path}: no such file; `custom_dictionary` must be the path of a text file.")
    if config.dictionary_separator is not None and not dictionaries:
        raise ConfigError("`dictionary_separator` needs `custom_dictionary`; leave it out.")
    return make(**options)


def dictionary_of(segmenter: Segmenter) -> UserDictionary | None:
    """Return the user dictionary of a segmenter, or None if it has none."""
    found = getattr(segmenter, "dictionary", None)
    return found if isinstance(found, UserDictionary) else None


def load_segmenter(
    name: str = "lac",
    *,
    user_dictionary: str | Path | Iterable[str | Path] | None = None,
    dictionary_separator: str | None = None,
) -> Segmenter:
    """Return the word segmenter with this name.

    Example:
        >>> from paddle_wwm import load_segmenter
        >>> load_segmenter("whitespace").word_starts(["我们 学习"]).tolist()
        [True, False, False, True, False]

    Args:
        name: "lac" (Baidu's LAC, the default of this project), "jieba", "rjieba" (jieba in Rust, an optional package),
            "whitespace" (for text that is already segmented) or "none" (every character is a word).
        user_dictionary: A text file with your own words, in the format of LAC or jieba, or several; only for "lac" and
            "jieba". For a phrase that is in several files, the last one counts.
        dictionary_separator: What separates the words of a phrase in the dictionary, only for "lac"; like the argument
            `sep` of `LAC.load_customization`. By default, white space.

    Returns:
        A segmenter. It can be pickled and copied; the copy loads the model again.

    Raises:
        ConfigError: The name is unknown, a package is not installed, or the segmenter takes no dictionary.
        DataError: The dictionary is missing or wrong.

    Source:
        LAC and its published model: https://github.com/baidu/lac; jieba: https://github.com/fxsjy/jieba.
    """
    dictionaries = dictionary_paths(user_dictionary) or None
    return make_segmenter(
        SegmenterConfig(name=name, custom_dictionary=dictionaries, dictionary_separator=dictionary_separator)
    )


def segment(segmenter: Segmenter, texts: Sequence[str]) -> list[SegmentedSentence]:
    """Return the words of every text, in order; an empty text has no words."""
    starts = np.flatnonzero(segmenter.word_starts(texts))
    edges = np.array([0, *accumulate(map(len, texts))])
    first_words = np.searchsorted(starts, edges)
    return [
        SegmentedSentence(text=text, word_spans=spans_from_starts((starts[first:last] - edge).tolist(), len(text)))
        for text, edge, first, last in zip(texts, edges, first_words, first_words[1:])
    ]


def spans_from_starts(starts: Sequence[int], length: int) -> tuple[tuple[int, int], ...]:
    """Return word spans for the positions where words start (the first is 0)."""
    ends = [*starts[1:], length]
    return tuple(zip(starts, ends)) if length else ()
