"""The plots of a report, as SVG: a point for every seed of every model, and the dev scores during training."""

from __future__ import annotations

import statistics
from typing import Any, Mapping, Sequence

from ..picture_style import COLOURS, MARKERS, as_svg, new_figure, styled, whole_numbers
from .runs import Entry

_STEP_IN_EPOCHS = "epoch"
ROW_INCHES, FRAME_INCHES = 0.5, 1.8


def plots_of(entries: Mapping[str, Sequence[Entry]]) -> dict[str, str]:
    """Return HTML with the plots of every task.

    They are the points of all seeds, and learning curves if there are any.
    """
    with styled():
        return {task: _task_plot(task_entries) for task, task_entries in entries.items()}


def _task_plot(entries: Sequence[Entry]) -> str:
    split = "test" if all("test" in entry.splits for entry in entries) else entries[0].splits[0]
    metric = entries[0].metrics(split)[-1]
    percent = f"{metric.replace('_', ' ')} (%)"
    with_curves = [place for place, entry in enumerate(entries) if any(result.dev_scores for result in entry.results)]
    height = max(3.8, FRAME_INCHES + ROW_INCHES * len(entries))
    figure, [axis] = new_figure(1, height=height)
    for place, entry in enumerate(entries):
        scores = [result.scores[split][metric] for result in entry.results if split in result.scores]
        _draw_seeds(axis, scores, place=place)
    axis.set_yticks(range(len(entries)), [_label(entry) for entry in entries])
    axis.invert_yaxis()
    axis.set(title=f"{split}: seeds, mean and standard deviation", xlabel=percent)
    axis.margins(x=0.1, y=0.3)
    plots = [as_svg(figure)]
    if with_curves:
        figure, [axis] = new_figure(1, height=height)
        for place in with_curves:
            _draw_curve(axis, entries[place], metric=metric, place=place)
        axis.set(title="dev: mean, and range of the seeds", xlabel="epoch", ylabel=percent)
        whole_numbers(axis.xaxis)
        axis.legend()
        plots.append(as_svg(figure))
    return '<div class="plots">' + "\n".join(f"<div>{plot}</div>" for plot in plots) + "</div>"


def _draw_seeds(axis: Any, scores: Sequence[float], *, place: int) -> None:
    """Draw a dot for every seed.

    With several seeds, their mean and standard deviation are drawn, too.
    """
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    axis.plot(scores, [place] * len(scores), marker, color=colour, alpha=0.7, markersize=6)
    if len(scores) > 1:
        mean, deviation = statistics.fmean(scores), statistics.stdev(scores)
        axis.errorbar(mean, place + 0.18, xerr=deviation, fmt="|", color=colour, markersize=10, capsize=3)


def _draw_curve(axis: Any, entry: Entry, *, metric: str, place: int) -> None:
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    points = _values_of(entry, metric)
    means = [(epoch, statistics.fmean(values)) for epoch, values in points]
    axis.plot(*zip(*means), f"{marker}-", color=colour, markersize=4, label=_label(entry))
    lowest, highest = [min(values) for _, values in points], [max(values) for _, values in points]
    axis.fill_between([epoch for epoch, _ in points], lowest, highest, color=colour, alpha=0.15, linewidth=0)


def curve_of(entry: Entry, metric: str) -> list[tuple[float, float]]:
    """Return pairs of an epoch and the mean dev score over the seeds evaluated there."""
    return [(epoch, statistics.fmean(values)) for epoch, values in _values_of(entry, metric)]


def _values_of(entry: Entry, metric: str) -> list[tuple[float, list[float]]]:
    points: dict[float, list[float]] = {}
    for result in entry.results:
        for record in result.dev_scores:
            if metric in record:
                points.setdefault(float(record.get(_STEP_IN_EPOCHS, record["step"])), []).append(record[metric])
    return sorted(points.items())


def _label(entry: Entry) -> str:
    """Return the name of a model and the number of its seeds.

    A $ is escaped, because it would begin a formula.
    """
    name = entry.name.replace("$", r"\$")
    return f"{name} ({len(entry.results)} seed{'s' if len(entry.results) > 1 else ''})"
