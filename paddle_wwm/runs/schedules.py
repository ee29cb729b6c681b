"""The learning rate of every step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LinearSchedule:
    """Linear warmup from 0 to `learning_rate`, then linear decay to 0 at the end."""

    learning_rate: float
    num_steps: int
    num_warmup_steps: int

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step; the first step is 0.

        During warmup, step s counts as s + 1, so that the first update does not have rate 0.
        """
        if step < self.num_warmup_steps:
            return self.learning_rate * (step + 1) / self.num_warmup_steps
        return self.learning_rate * (self.num_steps - step) / max(1, self.num_steps - self.num_warmup_steps)
