"""Text of evaluation sets kept out of a pretraining corpus: documents that share a long enough run of characters with
them are left out.

Only letters and digits count (punctuation, spaces and case do not), so a passage is found though it was cut or cleaned
another way.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator

import numpy as np

from ..files import atomic_write
from ..progress import Progress, counted
from ..random_bits import GAMMA
from .counts import CorpusReport
from .readers import DocumentReader
from .source_files import find_sources

SHARED_CHARACTERS = 16  # a run of so many is hardly chance, though it may be the name of an office


@dataclass(frozen=True, kw_only=True)
class OverlapReport:
    """What was left out. examples: the first lines of some of it, with the line that gave each away."""

    num_documents: int
    num_left_out: int
    num_characters: int
    num_characters_left_out: int
    examples: tuple[str, ...]


class TextOverlap:
    """Whether a text shares `num_characters` letters and digits in a row with any of `texts`; a 64-bit hash of each
    run is kept.
    """

    def __init__(self, texts: Iterable[str], *, num_characters: int = SHARED_CHARACTERS) -> None:
        if num_characters < 1:
            raise ValueError(f"`num_characters` must be at least 1, but is {num_characters}.")
        self._width = num_characters
        runs = [self._runs(text) for text in texts]
        self._known = np.unique(np.concatenate(runs)) if runs else np.zeros(0, np.uint64)

    def is_in(self, text: str) -> bool:
        """Whether a run of `text` is known."""
        if not len(self._known):
            return False
        runs = self._runs(text)
        places = np.minimum(np.searchsorted(self._known, runs), len(self._known) - 1)
        return bool((self._known[places] == runs).any())

    def _runs(self, text: str) -> np.ndarray:
        """The hash of every run of `num_characters`; a text that is shorter has none. uint64 (runs,)."""
        kept = "".join(character for character in unicodedata.normalize("NFKC", text).lower() if character.isalnum())
        codes = np.frombuffer(kept.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        if len(codes) < self._width:
            return np.zeros(0, np.uint64)
        result = np.zeros(len(codes) - self._width + 1, np.uint64)
        for place in range(
            self._width
        ):  # a polynomial in the codes, wrapping at 2^64; codes are mixed so that small ones differ in all bits
            mixed = (codes[place : place + len(result)] + np.uint64(1)) * GAMMA
            result = (result ^ (mixed >> np.uint64(29)) ^ mixed) * GAMMA
        return result


def write_without_overlap(
    sources: Iterable[str | Path],
    *,
    output: Path,
    overlap: TextOverlap,
    reader: DocumentReader = DocumentReader(),
    progress: Callable[[Progress], None] | None = None,
) -> OverlapReport:
    """The documents of `sources` that share no text, as one text file: a line a line, a blank line between documents.

    A document is left out whole: what stands around a quoted passage is known, too, once the passage is.
    """
    counts = {"documents": 0, "left_out": 0, "characters": 0, "characters_left_out": 0}
    examples: list[str] = []
    with atomic_write(output, "w") as stream:
        for lines in _documents(sources, reader=reader, progress=progress):
            size = sum(map(len, lines))
            counts["documents"] += 1
            counts["characters"] += size
            if overlap.is_in("\n".join(lines)):
                counts["left_out"] += 1
                counts["characters_left_out"] += size
                if len(examples) < 10:
                    known = next((line for line in lines if overlap.is_in(line)), "")
                    examples.append(f"{lines[0][:60]} … {known[:80]}")
            else:
                stream.write("\n".join(lines) + "\n\n")
    return OverlapReport(
        num_documents=counts["documents"],
        num_left_out=counts["left_out"],
        num_characters=counts["characters"],
        num_characters_left_out=counts["characters_left_out"],
        examples=tuple(examples),
    )


def _documents(
    sources: Iterable[str | Path], *, reader: DocumentReader, progress: Callable[[Progress], None] | None
) -> Iterator[tuple[str, ...]]:
    report = CorpusReport()
    files = find_sources(sources).files
    total = sum(source.path.stat().st_size for source in files)
    with counted(progress, stage="looking for shared text", total=total, unit="B") as read:
        for source in files:
            for document in reader.read(source, report):
                yield document.lines
            read.update(source.path.stat().st_size)
