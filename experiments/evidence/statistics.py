"""Paired comparison of two arms. The unit is the pretraining seed.

Fine-tuning seeds are not independent, because they repeat the same two pretrained models. So the value of a pretraining
seed is the mean over its fine-tuning seeds. The interval is Student's t over the differences of the pairs. With three
pairs it is wide: 2 degrees of freedom, t = 4.30 for 95%.
"""

from __future__ import annotations

import statistics
import warnings
from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np
from scipy.stats import ttest_rel

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """One arm minus the other.

    Args:
        differences: The difference of every pair, in the order of the pretraining seeds.
        low, high: The interval of the mean; None if there is only one pair.
    """

    differences: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None

    @property
    def num_pairs(self) -> int:
        """The number of pretraining seeds."""
        return len(self.differences)

    @property
    def excludes_zero(self) -> bool:
        """True if the interval excludes 0, so that it decides which arm is higher."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_difference(
    one: Mapping[int, Sequence[float]], other: Mapping[int, Sequence[float]], *, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Return the paired difference of two arms, whose scores are by pretraining seed.

    Raises:
        ValueError: No seed is in both arms.
    """
    seeds = sorted(set(one) & set(other))
    if not seeds:
        raise ValueError("no pretraining seed is in both arms.")
    ones, others = (np.array([statistics.fmean(arm[seed]) for seed in seeds]) for arm in (one, other))
    differences = ones - others
    low, high = None, None
    if len(seeds) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # equal differences: a zero-width interval is correct
            low, high = map(float, ttest_rel(ones, others).confidence_interval(confidence))
    return PairedDifference(differences=tuple(differences.tolist()), mean=float(differences.mean()), low=low, high=high)
