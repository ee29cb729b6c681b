"""Has a run trained for long enough? The trend of the held-out loss at its end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

MIN_EVALUATIONS = 4  # a slope and its standard error need some points
NUM_SHOWN = 8
SMALL_GAIN = 0.01  # nats: 1% of the perplexity


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The trend of the held-out MLM loss over the last half of a run's evaluations.

    Attributes:
        first_step: the first of these evaluations.
        last_step: the last one.
        slope: the change of the loss per step, in nats, by least squares.
        error: the standard error of the slope.
    """

    first_step: int
    last_step: int
    slope: float
    error: float

    @property
    def change(self) -> float:
        """The change of the loss from the first to the last step, in nats."""
        return self.slope * (self.last_step - self.first_step)

    @property
    def verdict(self) -> str:
        """ "falls", "rises" or "is level"."""
        if abs(self.slope) <= 2 * self.error or abs(self.change) < SMALL_GAIN:
            return "is level"
        return "falls" if self.slope < 0 else "rises"


def trend_of(records: Sequence[Mapping[str, Any]], *, first_step: int = 0) -> Trend | None:
    """Return the trend of the evaluations in a metrics log.

    None: there are too few.

    Args:
        records: the records of metrics.jsonl.
        first_step: the evaluations up to this step are left out, such as those of an earlier phase.
    """
    points = [(step, loss) for step, loss in held_out_curve(records) if step > first_step]
    points = points[len(points) // 2 :] if len(points) >= 2 * MIN_EVALUATIONS else points[-MIN_EVALUATIONS:]
    if len(points) < MIN_EVALUATIONS:
        return None
    steps, losses = np.array(points, np.float64).T
    centred = steps - steps.mean()
    slope = float(centred @ losses / (centred @ centred))
    residuals = losses - losses.mean() - slope * centred
    error = math.sqrt(float(residuals @ residuals) / (len(points) - 2) / float(centred @ centred))
    return Trend(first_step=int(steps[0]), last_step=int(steps[-1]), slope=slope, error=error)


def held_out_curve(records: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """Return the steps and MLM losses of all evaluations, in their order."""
    return [(record["step"], record["mlm_loss"]) for record in records if record["kind"] == "held_out"]


def describe_convergence(records: Sequence[Mapping[str, Any]], *, first_step: int = 0) -> list[str]:
    """Return lines with the held-out curve, its slope, and whether it still falls.

    The arguments are those of `trend_of`.
    """
    curve, trend = held_out_curve(records), trend_of(records, first_step=first_step)
    places = sorted({round(place) for place in np.linspace(0, len(curve) - 1, min(NUM_SHOWN, len(curve)))})
    shown = ", ".join(f"{curve[place][1]:.3f} (step {curve[place][0]:,})" for place in places)
    lines = [f"held-out MLM loss: {shown}"]
    if curve[0][0] == 0 and len(curve) > 1 and min(loss for _, loss in curve[1:]) >= curve[0][1]:
        lines.append("  it was never lower than before training: use a lower learning rate, or more text")
    if trend is None:
        return [
            *lines,
            f"  too few evaluations for a trend ({len(curve)}); lower runtime.evaluate_every_steps",
        ]
    rate = f"{abs(trend.slope) * 1000:.3f} ± {trend.error * 1000:.3f} nats per 1,000 steps"
    over = f"from step {trend.first_step:,} to {trend.last_step:,}"
    advice = {
        "falls": f"it still falls, by {rate} {over}: train longer (more epochs or steps)",
        "rises": f"it rises, by {rate} {over}: the model overfits; use more text, fewer epochs, or selection.keep=best",
        "is level": f"it has levelled off: {trend.change:+.3f} nats {over}. More of the same training will gain little",
    }
    return [*lines, f"  {advice[trend.verdict]}"]
