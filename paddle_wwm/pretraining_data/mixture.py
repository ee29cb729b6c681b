"""Several corpora in one stream, by weights. The corpus of example number n is a function of (weights, seed, n) alone.

The corpora take turns in a pattern of PERIOD places. A corpus has as many places as its weight asks for, in an order
drawn from the seed. So the number of examples that a corpus gave before place n is known without counting, and only n
must be stored to resume.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Sequence

import numpy as np

from ..errors import ConfigError
from ..random_bits import key_of
from .collate import PretrainBatch, PretrainData, Taken, cut_global_batch
from .sampler import permute

PERIOD = 4096


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Corpora and their weights. The default weights are the numbers of examples.

    Every corpus has its own order and masks: give each PretrainData a different seed (`seed_of`).
    """

    sources: tuple[PretrainData, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.weights and (len(self.weights) != len(self.sources) or min(self.weights) <= 0):
            raise ConfigError(
                f"`data.mixture_weights` must be {len(self.sources)} numbers above 0, one for each corpus, "
                f"but are {list(self.weights)}."
            )

    @cached_property
    def pattern(self) -> np.ndarray:
        """The corpus at each place of a period; int64, shape (PERIOD,).

        Places are assigned by largest remainder. Every corpus has at least one.
        """
        weights = np.array(self.weights or [source.num_examples for source in self.sources], np.float64)
        exact = np.maximum(PERIOD * weights / weights.sum(), 1.0)
        places = np.floor(exact).astype(np.int64)
        while places.sum() < PERIOD:
            places[np.argmax(exact - places)] += 1
        while places.sum() > PERIOD:
            places[np.argmax(places)] -= 1
        turns = np.repeat(np.arange(len(places)), places)
        return turns[permute(np.arange(PERIOD), size=PERIOD, key=key_of(self.sources[0].seed, PERIOD))]

    @property
    def num_examples(self) -> int:
        """Number of examples of all corpora, each counted once."""
        return sum(source.num_examples for source in self.sources)

    def locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the corpora of these running numbers, and their numbers there; int64."""
        periods, places = np.divmod(numbers.astype(np.int64), PERIOD)
        before, a_period = self._turns
        sources = self.pattern[places]
        return sources, periods * a_period[sources] + before[places]

    @cached_property
    def _turns(self) -> tuple[np.ndarray, np.ndarray]:
        """Earlier turns of the corpus at each place, and turns per corpus and period.

        Shapes (PERIOD,) and (num_sources,), int64.
        """
        one_hot = self.pattern[:, None] == np.arange(len(self.sources))
        before = (np.cumsum(one_hot, axis=0) - one_hot)[np.arange(PERIOD), self.pattern]
        return before, one_hot.sum(axis=0)

    def take(self, numbers: np.ndarray) -> Taken:
        """Return references to the examples with these running numbers (int64)."""
        sources, numbers = self.locate(numbers)
        parts = {
            source: self.sources[source].take(numbers[sources == source]) for source in np.unique(sources).tolist()
        }

        def joined(name: str) -> np.ndarray:
            result = np.empty(len(sources), getattr(next(iter(parts.values())), name).dtype)
            for source, part in parts.items():
                result[sources == source] = getattr(part, name)
            return result

        return Taken(
            rows=joined("rows"), epochs=joined("epochs"), indices=joined("indices"), sources=sources, data=self.sources
        )

    def micro_batches(
        self, *, first_example: int, global_batch_size: int, micro_batch_size: int, rank: int, num_ranks: int
    ) -> list[PretrainBatch]:
        """Return this rank's micro-batches, from all corpora; see `PretrainData`."""
        taken = self.take(np.arange(first_example, first_example + global_batch_size))
        return cut_global_batch(taken, micro_batch_size=micro_batch_size, rank=rank, num_ranks=num_ranks)


def weights_with_general(
    counts: Sequence[int], *, weights: Sequence[float], num_general: int, general_share: float
) -> tuple[float, ...]:
    """Return the weights of corpora of which the last `num_general` are general text.

    Args:
        counts: the number of examples of every corpus.
        weights: the weights of the other corpora; empty: in proportion to their examples.
        num_general: the number of corpora of general text; 0 returns `weights` unchanged.
        general_share: the share of all examples that comes from general text.
    """
    if not num_general:
        return tuple(weights)
    num_main = len(counts) - num_general
    groups = [(weights or counts[:num_main], 1 - general_share), (counts[num_main:], general_share)]
    return tuple(share * weight / sum(group) for group, share in groups for weight in group)


def seed_of(seed: int, source: int) -> int:
    """Return the seed of a corpus in a mixture. The first corpus has the run's seed."""
    return seed if source == 0 else int(key_of(seed, source)) % (1 << 62)
