"""Word segmentation behind one protocol. A segmenter cuts a text into words given as character spans; it never changes the text."""

from __future__ import annotations

from typing import Callable, Protocol, Sequence

from ..errors import ConfigError
from ..types import SegmentedSentence


class Segmenter(Protocol):
    """Cuts sentences into words. `name` and `model_sha256` go into the manifest of what was segmented."""

    name: str
    model_sha256: str

    def segment(self, texts: Sequence[str]) -> list[SegmentedSentence]:
        """The words of every text, in the order of the texts."""
        ...


class LacSegmenter:
    """LAC's packaged segmentation model (Baidu, lac 2.1.2), run exactly: the words of `LAC(mode="seg").run`."""

    name = "lac"

    def __init__(self) -> None:
        from .lac import LacModel

        self._model = LacModel()
        self.model_sha256 = self._model.sha256

    def segment(self, texts: Sequence[str]) -> list[SegmentedSentence]:
        """The words of every text; an empty text has none."""
        return [
            SegmentedSentence(text=text, word_spans=spans_from_starts(starts, len(text)))
            for text, starts in zip(texts, self._model.word_starts(texts))
        ]


def spans_from_starts(starts: Sequence[int], length: int) -> tuple[tuple[int, int], ...]:
    """Word spans from the positions at which words start (the first is 0)."""
    ends = [*starts[1:], length]
    return tuple(zip(starts, ends)) if length else ()


SEGMENTERS: dict[str, Callable[[], Segmenter]] = {"lac": LacSegmenter}


def make_segmenter(name: str) -> Segmenter:
    """The segmenter of that name."""
    if name not in SEGMENTERS:
        raise ConfigError(f"`segmenter` must be one of {', '.join(SEGMENTERS)}, but is {name!r}.")
    return SEGMENTERS[name]()
