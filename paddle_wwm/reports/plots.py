"""The plots of a report, as SVG: a point for every seed of every model, and the dev scores during training."""

from __future__ import annotations

import io
import re
from typing import Any, Mapping, Sequence

from .runs import Entry

_STEP_IN_EPOCHS = "epoch"


def new_figure(num_axes: int) -> tuple[Any, Sequence[Any]]:
    """Return a figure and its axes in one row. It needs no display."""
    import logging

    import matplotlib

    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # paddle's handler would show its INFO lines
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, num_axes, figsize=(5.5 * num_axes, 3.8), squeeze=False)
    return figure, axes[0]


def as_svg(figure: Any) -> str:
    """Return the figure as an <svg> element. The same figure gives the same text."""
    import matplotlib
    import matplotlib.pyplot as plt

    figure.tight_layout()
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "paddle_wwm"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return re.sub(r"[ \t]+$", "", stream.getvalue()[stream.getvalue().index("<svg") :], flags=re.MULTILINE)


def plots_of(entries: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """Return an SVG for every task: points of all seeds, and learning curves if any."""
    return {task: _task_plot(task_entries) for task, task_entries in entries.items()}


def _task_plot(entries: Sequence[Entry]) -> str:
    split = "test" if all("test" in entry.splits for entry in entries) else entries[0].splits[0]
    metric = entries[0].metrics(split)[-1]
    with_curves = [entry for entry in entries if any(result.dev_scores for result in entry.results)]
    figure, axes = new_figure(2 if with_curves else 1)
    for place, entry in enumerate(entries):
        scores = [result.scores[split][metric] for result in entry.results if split in result.scores]
        axes[0].plot(scores, [place] * len(scores), "o", alpha=0.6)
        axes[0].plot(sum(scores) / max(1, len(scores)), place, "k|", markersize=14)
    axes[0].set_yticks(range(len(entries)), [_latin(entry.name) for entry in entries])
    axes[0].invert_yaxis()
    axes[0].set(title=f"every seed and the mean, {split}", xlabel=f"{metric.replace('_', ' ')} (%)")
    axes[0].margins(y=0.3)
    axes[0].grid(alpha=0.3)
    for entry in with_curves:
        points = curve_of(entry, metric)
        axes[1].plot(*zip(*points), "o-", markersize=4, label=_latin(entry.name))
    if with_curves:
        axes[1].set(title="mean over the seeds, dev", xlabel="epoch", ylabel=f"{metric.replace('_', ' ')} (%)")
        axes[1].legend()
        axes[1].grid(alpha=0.3)
    return as_svg(figure)


def curve_of(entry: Entry, metric: str) -> list[tuple[float, float]]:
    """Return pairs of an epoch and the mean dev score over the seeds evaluated there."""
    points: dict[float, list[float]] = {}
    for result in entry.results:
        for record in result.dev_scores:
            if metric in record:
                points.setdefault(float(record.get(_STEP_IN_EPOCHS, record["step"])), []).append(record[metric])
    return [(epoch, sum(values) / len(values)) for epoch, values in sorted(points.items())]


def _latin(name: str) -> str:
    # the font of matplotlib has no Chinese characters: it would draw boxes and print warnings
    return name.encode("ascii", "replace").decode()
