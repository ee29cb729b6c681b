"""Remove documents from a pretraining corpus that share a long run of characters with evaluation sets.

Only letters and digits are compared; punctuation, spaces and case are ignored. So a passage is found even if it was
split or cleaned in a different way.
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

SHARED_CHARACTERS = 16  # equal runs this long are seldom chance, but can be long names


@dataclass(frozen=True, kw_only=True)
class OverlapReport:
    """The counts of what was left out.

    examples: the first lines of some left-out documents, each with the line that shares text.
    """

    num_documents: int
    num_left_out: int
    num_characters: int
    num_characters_left_out: int
    examples: tuple[str, ...]


class TextOverlap:
    """The runs of `num_characters` letters and digits of some texts, as 64-bit hashes.

    Example:
        >>> TextOverlap(["天地玄黄，宇宙洪荒"], num_characters=4).is_in("地玄 黄宇")
        True
    """

    def __init__(self, texts: Iterable[str], *, num_characters: int = SHARED_CHARACTERS) -> None:
        if num_characters < 1:
            raise ValueError(f"`num_characters` must be at least 1, but is {num_characters}.")
        self._width = num_characters
        runs = [self._runs(text) for text in texts]
        self._known = np.unique(np.concatenate(runs)) if runs else np.zeros(0, np.uint64)

    def is_in(self, text: str) -> bool:
        """Return True if `text` shares a run with one of the texts."""
        if not len(self._known):
            return False
        runs = self._runs(text)
        places = np.minimum(np.searchsorted(self._known, runs), len(self._known) - 1)
        return bool((self._known[places] == runs).any())

    def _runs(self, text: str) -> np.ndarray:
        """Return the hash of every run of `num_characters`. uint64, shape (num_runs,)."""
        kept = "".join(character for character in unicodedata.normalize("NFKC", text).lower() if character.isalnum())
        codes = np.frombuffer(kept.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        if len(codes) < self._width:
            return np.zeros(0, np.uint64)
        result = np.zeros(len(codes) - self._width + 1, np.uint64)
        # a polynomial hash modulo 2^64; codes are mixed first, so that small codes differ in all bits
        for place in range(self._width):
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
    """Write the documents of `sources` that share no text with `overlap`.

    The whole document is left out, because the text around a shared passage often comes from the same source.

    Args:
        sources: Files, globs or folders.
        output: The text file to write, with a blank line between documents.
        overlap: The text of the evaluation sets.
        reader: How the sources are read.
        progress: Called while the sources are read.
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
    files = find_sources(sources, format=reader.form.format, encoding=reader.form.encoding).files
    total = sum(source.path.stat().st_size for source in files)
    with counted(progress, stage="looking for shared text", total=total, unit="B") as read:
        for source in files:
            for document in reader.read(source, report):
                yield document.lines
            read.update(source.path.stat().st_size)
