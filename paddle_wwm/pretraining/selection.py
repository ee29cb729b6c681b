"""The best evaluation of a run so far, and when the run stops early."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the held-out losses have decided so far.

    It is part of every checkpoint, so a resumed run decides the same.

    Attributes:
        phase: the phase of the evaluations. Losses of other phases cannot be compared.
        best_step: the step with the lowest held-out loss; -1 before the first evaluation.
        best_loss: that loss.
        num_worse: the number of evaluations since then, after the warmup.
    """

    phase: int = 0
    best_step: int = -1
    best_loss: float = 0.0
    num_worse: int = 0

    def after(self, loss: float, *, step: int, phase: int, in_warmup: bool) -> Selection:
        """Return the selection after one more evaluation.

        During warmup, evaluations without a lower loss do not count.
        """
        if self.best_step < 0 or phase != self.phase or loss < self.best_loss:
            return Selection(phase=phase, best_step=step, best_loss=loss)
        return dataclasses.replace(self, num_worse=0 if in_warmup else self.num_worse + 1)

    def stops(self, *, patience: int) -> bool:
        """Return True if the run stops early; a patience of 0 never stops it."""
        return 0 < patience <= self.num_worse
