"""Paired comparison of two arms: the pretraining seed is the unit, since seeds of fine-tuning repeat the same two
pretrained models.

A seed's value is the mean over its fine-tuning seeds; the interval is Student's t over the differences of the pairs.
With three pairs it is
wide: 2 degrees of freedom, t = 4.30 for 95%.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Mapping, Sequence

from scipy.stats import t as student

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
    def num_higher(self) -> int:
        """Pairs in which the first arm is higher."""
        return sum(difference > 0 for difference in self.differences)

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
    differences = tuple(statistics.fmean(one[seed]) - statistics.fmean(other[seed]) for seed in seeds)
    mean = statistics.fmean(differences)
    if len(differences) < 2:
        return PairedDifference(differences=differences, mean=mean, low=None, high=None)
    half = (
        float(student.ppf((1 + confidence) / 2, len(differences) - 1))
        * statistics.stdev(differences)
        / math.sqrt(len(differences))
    )
    return PairedDifference(differences=differences, mean=mean, low=mean - half, high=mean + half)
