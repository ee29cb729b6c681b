"""Paired comparison of two arms: the pretraining seed is the unit, since seeds of fine-tuning repeat the same two
pretrained models.

A seed's value is the mean over its fine-tuning seeds; the interval is Student's t over the differences of the pairs.
With three pairs it is
wide: 2 degrees of freedom, t = 4.30 for 95%.
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
    """One arm minus the other. differences: of every pair, by pretraining seed. low, high: the interval of the mean;
    None for one pair.
    """

    differences: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None

    @property
    def num_pairs(self) -> int:
        """Pretraining seeds."""
        return len(self.differences)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval says which arm is higher."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired_difference(
    one: Mapping[int, Sequence[float]], other: Mapping[int, Sequence[float]], *, confidence: float = CONFIDENCE
) -> PairedDifference:
    """The difference of two arms' scores, which are by pretraining seed. Raises ValueError where no seed is in both."""
    seeds = sorted(set(one) & set(other))
    if not seeds:
        raise ValueError("no pretraining seed is in both arms.")
    ones, others = (np.array([statistics.fmean(arm[seed]) for seed in seeds]) for arm in (one, other))
    differences = ones - others
    low, high = None, None
    if len(seeds) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # equal differences: an interval of no width is right
            low, high = map(float, ttest_rel(ones, others).confidence_interval(confidence))
    return PairedDifference(differences=tuple(differences.tolist()), mean=float(differences.mean()), low=low, high=high)
