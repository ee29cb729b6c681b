"""Plot the lengths of words, sentences and documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files import atomic_write
from ...picture_style import new_figure, plain_log_ticks, styled, write_png
from .statistics import Distribution, Statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_WORD_CHARS = 12  # the last bar also counts longer words
MAX_BARS = 60


def write_picture(path: str | Path, *, statistics: Statistics) -> None:
    """Write a PNG with three histograms.

    Labels are in English, so no Chinese font is needed.
    """
    with styled(for_svg=False), atomic_write(path) as stream:
        write_png(_figure(statistics), stream)


def _figure(statistics: Statistics) -> Any:
    figure, (words, sentences, documents) = new_figure(3, width=5, height=4.5)
    _words(words, statistics.chars_per_word)
    _lengths(
        sentences,
        statistics.tokens_per_sentence,
        title=f"{statistics.num_sentences:,} sentences",
        label="tokens per sentence",
    )
    title = f"{statistics.num_documents:,} documents"
    _lengths(documents, statistics.tokens_per_document, title=title, label="tokens per document (log scale)", log=True)
    return figure


def _words(axes: Axes, chars_per_word: Distribution) -> None:
    capped = np.minimum(chars_per_word.values, MAX_WORD_CHARS)
    shares = 100 * np.bincount(capped, weights=chars_per_word.counts, minlength=MAX_WORD_CHARS + 1) / chars_per_word.num
    labels = [*map(str, range(1, MAX_WORD_CHARS)), f"{MAX_WORD_CHARS}+"]
    axes.bar(labels, shares[1:])
    axes.set(
        title=f"{chars_per_word.num:,} words, mean {chars_per_word.mean:.2f}",
        xlabel="characters per word",
        ylabel="% of words",
    )


def _lengths(axes: Axes, lengths: Distribution, *, title: str, label: str, log: bool = False) -> None:
    """Draw a histogram of lengths.

    A linear scale ends at the 99.5th percentile, because a few outliers would move all other values into one bar. The
    title reports how many values are beyond the end.
    """
    least, most = lengths.percentile(0), lengths.percentile(100)
    end = most if log else lengths.percentile(99.5)
    # bars end between whole numbers, and each bar covers at least one of them
    width = -(-end // MAX_BARS)
    edges = (
        np.unique(np.ceil(np.geomspace(least, end + 1, MAX_BARS + 1))) if log else np.arange(0, end + width, width) + 1
    )
    shown = lengths.values < edges[-1]
    counts, _ = np.histogram(lengths.values[shown], bins=edges, weights=lengths.counts[shown])
    axes.bar(edges[:-1] - 0.5, 100 * counts / lengths.num, width=np.diff(edges), align="edge")
    if log:
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
    num_beyond = int(lengths.counts[~shown].sum())
    beyond = f"\n{num_beyond / lengths.num:.1%} beyond the right end, maximum {most:,}" if num_beyond else ""
    axes.set(
        title=f"{title}, mean {lengths.mean:,.1f}{beyond}",
        xlabel=label,
        ylabel="% per bar" if log or width == 1 else f"% per bar of {width}",
    )
