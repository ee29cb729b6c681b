"""The pictures of the page, as SVG: curves of pretraining, and the pairs after fine-tuning."""

from __future__ import annotations

import statistics
from typing import Any, Sequence

from paddle_wwm.picture_style import COLOURS as PALETTE
from paddle_wwm.picture_style import as_svg, new_figure, styled

from . import comparisons
from .experiment import PRETRAINED, Arm, EvidenceConfig, FineTuning
from .finetune import scores_of
from .pretrain import curves

COLOURS = {Arm.WHOLE_WORD: PALETTE[0], Arm.PIECE: PALETTE[1], Arm.FROM_SCRATCH: PALETTE[-1]}


def pretraining_picture(config: EvidenceConfig) -> str:
    """Draw the held-out loss and accuracy of all pretraining runs."""
    with styled():
        return as_svg(_pretraining_figure(config))


def _pretraining_figure(config: EvidenceConfig) -> Any:
    figure, axes = new_figure(2)
    for axis, key, title, factor in (
        (axes[0], "mlm_loss", "held-out loss (nats)", 1),
        (axes[1], "masked_accuracy", "masked pieces right (%)", 100),
    ):
        for arm in PRETRAINED:
            runs = [points for seed in config.seeds if (points := curves(config, arm, seed))]
            _draw(axis, runs, key=key, factor=factor, arm=arm)
        axis.set(title=title, xlabel="step")
        if axis.lines:
            axis.legend()
    return figure


def _draw(axis: Any, runs: Sequence[list[dict[str, float]]], *, key: str, factor: float, arm: Arm) -> None:
    for number, points in enumerate(runs):
        steps, values = [point["step"] for point in points], [factor * point[key] for point in points]
        label = f"{comparisons.NAMES[arm]}, under its own masks" if number == 0 else None
        axis.plot(steps, values, color=COLOURS[arm], alpha=0.7, linewidth=1.2, label=label)


def finetuning_picture(config: EvidenceConfig) -> str:
    """Draw the test scores: a dot per fine-tuning run, a line for the means of a pair."""
    with styled():
        return as_svg(_finetuning_figure(config))


def _finetuning_figure(config: EvidenceConfig) -> Any:
    measures = [(task, metric) for task in config.tasks for metric in comparisons.metrics_of(task)]
    figure, axes = new_figure(len(measures))
    for axis, (task, metric) in zip(axes, measures):
        _draw_pairs(axis, config, task, metric=metric)
        axis.set(
            title=f"{comparisons.title_of(task)}, test, {metric.replace('_', ' ')} (%)", xlim=(-0.4, len(Arm) - 0.6)
        )
        axis.set_xticks(range(len(Arm)), [comparisons.NAMES[arm] for arm in Arm])
        axis.grid(visible=False, axis="x")
    return figure


def _draw_pairs(axis: Any, config: EvidenceConfig, task: FineTuning, *, metric: str) -> None:
    scores = [scores_of(config, task, arm, split="test", metric=metric) for arm in Arm]
    for place, (arm, found) in enumerate(zip(Arm, scores)):
        dots = [value for values in found.values() for value in values]
        axis.plot([place] * len(dots), dots, "o", color=COLOURS[arm], alpha=0.5, markersize=4)
    for seed in config.seeds:
        means = [(place, statistics.fmean(found[seed])) for place, found in enumerate(scores) if seed in found]
        axis.plot([place for place, _ in means], [mean for _, mean in means], color=PALETTE[3], alpha=0.6, linewidth=1)
