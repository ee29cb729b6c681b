"""The lengths of words, sentences and documents as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...files import atomic_write
from .statistics import Distribution, Statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_WORD_CHARS = 12  # the last bar holds the longer ones, too
MAX_BARS = 60
WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 15, 4.5, 100


def write_picture(path: str | Path, *, statistics: Statistics) -> None:
    """Write a PNG of 1500 x 450 pixels with three histograms. Labels are English, so that no font for Chinese is
    needed.
    """
    from matplotlib.figure import Figure  # not pyplot: no window, no state

    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS_PER_INCH, layout="constrained")
    words, sentences, documents = figure.subplots(1, 3)
    _words(words, statistics.chars_per_word)
    _lengths(
        sentences,
        statistics.tokens_per_sentence,
        title=f"{statistics.num_sentences:,} sentences",
        label="tokens a sentence",
    )
    title = f"{statistics.num_documents:,} documents"
    _lengths(documents, statistics.tokens_per_document, title=title, label="tokens a document (log scale)", log=True)
    with atomic_write(path) as stream:
        figure.savefig(stream, format="png")


def _words(axes: Axes, chars_per_word: Distribution) -> None:
    capped = np.minimum(chars_per_word.values, MAX_WORD_CHARS)
    shares = 100 * np.bincount(capped, weights=chars_per_word.counts, minlength=MAX_WORD_CHARS + 1) / chars_per_word.num
    labels = [*map(str, range(1, MAX_WORD_CHARS)), f"{MAX_WORD_CHARS}+"]
    axes.bar(labels, shares[1:])
    axes.set(
        title=f"{chars_per_word.num:,} words, mean {chars_per_word.mean:.2f}",
        xlabel="characters a word",
        ylabel="% of words",
    )


def _lengths(axes: Axes, lengths: Distribution, *, title: str, label: str, log: bool = False) -> None:
    """Up to the 99.5th percentile where the scale is linear: a few outliers would press the rest into one bar. They
    are told, not hidden.
    """
    least, most = lengths.percentile(0), lengths.percentile(100)
    end = most if log else lengths.percentile(99.5)
    # bars end between whole numbers, and never have room for none
    width = -(-end // MAX_BARS)
    edges = (
        np.unique(np.ceil(np.geomspace(least, end + 1, MAX_BARS + 1))) if log else np.arange(0, end + width, width) + 1
    )
    shown = lengths.values < edges[-1]
    counts, _ = np.histogram(lengths.values[shown], bins=edges, weights=lengths.counts[shown])
    axes.bar(edges[:-1] - 0.5, 100 * counts / lengths.num, width=np.diff(edges), align="edge")
    if log:
        axes.set_xscale("log")
    num_beyond = int(lengths.counts[~shown].sum())
    beyond = f"\n{num_beyond / lengths.num:.1%} beyond the right end, the longest {most:,}" if num_beyond else ""
    axes.set(
        title=f"{title}, mean {lengths.mean:,.1f}{beyond}",
        xlabel=label,
        ylabel="% a bar" if log or width == 1 else f"% a bar of {width}",
    )
