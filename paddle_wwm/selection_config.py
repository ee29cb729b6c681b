"""The `selection` section of a recipe: which step's model a run ends with, and when it stops early."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .errors import require


class KeptModel(enum.Enum):
    """The step whose model a run ends with.

    LAST: The last step.
    BEST: The step with the lowest held-out loss.
    """

    LAST = "last"
    BEST = "best"


@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """How the held-out loss chooses the finished model.

    With any of the two, `runtime.evaluate_every_steps` and `runtime.max_evaluation_examples` change the results.

    Attributes:
        keep: BEST compares the evaluations of the last phase.
        patience: Stop after this many evaluations without a lower loss, not counting the warmup. 0: never. Needs a
            recipe with one phase.
    """

    keep: KeptModel = KeptModel.LAST
    patience: int = 0

    def __post_init__(self) -> None:
        require(self.patience >= 0, f"`patience` must be at least 0, but is {self.patience}.")

    @property
    def is_active(self) -> bool:
        """True if held-out losses change the result of a run."""
        return self.keep is KeptModel.BEST or self.patience > 0
