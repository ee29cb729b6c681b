"""Word segmentation behind one protocol: a segmenter says at which characters words start; it never changes the text.

Adding a segmenter is one class (segmenters.py has short ones to imitate) and one line in SEGMENTERS.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Callable, Protocol, Sequence

import numpy as np

from ..errors import ConfigError, DataError
from .lac_segmenter import LacSegmenter
from .segmenters import CharacterSegmenter, JiebaSegmenter, RjiebaSegmenter, WhitespaceSegmenter


@dataclass(frozen=True, kw_only=True)
class SegmentedSentence:
    """A sentence and its words as character spans [start, end), in order, covering the text without gaps."""

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
            raise ValueError(f"word_spans must cover the text: they end at {position}, the text at {len(self.text)}.")

    @property
    def words(self) -> tuple[str, ...]:
        """The words as text."""
        return tuple(self.text[start:end] for start, end in self.word_spans)


class Segmenter(Protocol):
    """Finds the words of texts. The same texts give the same words, whatever they are given together with."""

    name: str
    model_sha256: str  # of all that the words depend on, the model's and the dictionary's files; for the manifest
    description: str  # one line for reports, such as "lac, compiled kernel, 16-wide"; not part of any fingerprint

    def word_starts(self, texts: Sequence[str]) -> np.ndarray:
        """bool, shape (characters of all texts,): True where a word starts, the texts laid end to end.

        The first character of every text that is not empty is True. Any str is a text, also one with NUL or lone
        surrogates.
        """
        ...


# name -> the class, and which options of SegmenterConfig it takes
SEGMENTERS: dict[str, tuple[Callable[..., Segmenter], tuple[str, ...]]] = {
    "lac": (LacSegmenter, ("custom_dictionary", "engine")),
    "jieba": (JiebaSegmenter, ("custom_dictionary",)),
    "rjieba": (RjiebaSegmenter, ()),
    "whitespace": (WhitespaceSegmenter, ()),
    "none": (CharacterSegmenter, ()),
}


@dataclass(frozen=True, kw_only=True)
class SegmenterConfig:
    """Which segmenter, and its options. Small and picklable: worker processes make their own segmenter from it.

    custom_dictionary: a user dictionary, in the format of the segmenter's own project (lac, jieba).
    engine: what runs LAC's network: "compiled" (corpus/lac_kernel.py), "paddle", or "auto", the fastest that works
    here. The words are the same.
    """

    name: str = "lac"
    custom_dictionary: Path | None = None
    engine: str = "auto"


def make_segmenter(config: SegmenterConfig) -> Segmenter:
    """The segmenter that `config` describes; ConfigError for a name or an option that there is not, DataError for a
    wrong dictionary.
    """
    if config.name not in SEGMENTERS:
        raise ConfigError(f"`segmenter` must be one of {', '.join(SEGMENTERS)}, but is {config.name!r}.")
    make, taken = SEGMENTERS[config.name]
    options: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in taken:
            options[field.name] = value
        elif field.name != "name" and value != field.default:
            takers = [name for name, (_, names) in SEGMENTERS.items() if field.name in names]
            raise ConfigError(
                f"`{field.name}` is an option of the segmenter {' and '.join(takers)}; leave it out for "
                f"{config.name!r}."
            )
    if options.get("custom_dictionary") is not None:
        options["custom_dictionary"] = Path(options["custom_dictionary"])
        if not options["custom_dictionary"].is_file():
            raise DataError(
                f"{options['custom_dictionary']}: there is no such file; `custom_dictionary` must name a text file."
            )
    return make(**options)


def load_segmenter(name: str = "lac", *, user_dictionary: str | Path | None = None) -> Segmenter:
    """Return the word segmenter of that name.

    Example:
        >>> from paddle_wwm import load_segmenter
        >>> load_segmenter("whitespace").word_starts(["我们 学习"]).tolist()
        [True, False, False, True, False]

    Args:
        name: "lac" (Baidu's LAC, the default of this project), "jieba", "rjieba" (jieba in Rust, an optional package),
            "whitespace" (for text that is segmented already) or "none" (every character is a word).
        user_dictionary: A text file of your own words, in the format of LAC's or jieba's own project; only for "lac"
            and "jieba".

    Returns:
        A segmenter. It can be pickled and copied: the copy loads its model again.

    Raises:
        ConfigError: For an unknown name, a package that is not installed, or a dictionary that this segmenter does not
            take.
        DataError: For a dictionary that does not exist or is wrong.

    Source:
        LAC: https://github.com/baidu/lac, whose published model is used; jieba: https://github.com/fxsjy/jieba.
    """
    dictionary = None if user_dictionary is None else Path(user_dictionary)
    return make_segmenter(SegmenterConfig(name=name, custom_dictionary=dictionary))


def segment(segmenter: Segmenter, texts: Sequence[str]) -> list[SegmentedSentence]:
    """The words of every text, in the order of the texts; an empty text has none."""
    starts = np.flatnonzero(segmenter.word_starts(texts))
    edges = np.array([0, *accumulate(map(len, texts))])
    first_words = np.searchsorted(starts, edges)
    return [
        SegmentedSentence(text=text, word_spans=spans_from_starts((starts[first:last] - edge).tolist(), len(text)))
        for text, edge, first, last in zip(texts, edges, first_words, first_words[1:])
    ]


def spans_from_starts(starts: Sequence[int], length: int) -> tuple[tuple[int, int], ...]:
    """Word spans from the positions at which words start (the first is 0)."""
    ends = [*starts[1:], length]
    return tuple(zip(starts, ends)) if length else ()
