"""The order of examples: a permutation of each epoch that is computed, not stored.

Example number n of a phase is a function of (seed, n) alone. So the global batch of a step is the same for any number
of ranks and after any resume.
"""

from __future__ import annotations

import numpy as np

from ..random_bits import key_of, mix

_NUM_ROUNDS = 6


def permute(positions: np.ndarray, *, size: int, key: np.uint64) -> np.ndarray:
    """Permute `positions` (int64) pseudo-randomly within 0 … size - 1.

    A Feistel network permutes the smallest even power of two that holds `size`. A value outside the range is permuted
    again until it is inside ("cycle walking", Black and Rogaway 2002). It needs no memory beyond the arguments.
    """
    half_bits = max(1, (max(1, size - 1).bit_length() + 1) // 2)
    half, low = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    round_keys = [key_of(int(key), number) for number in range(_NUM_ROUNDS)]

    def shuffle(values: np.ndarray) -> np.ndarray:
        left, right = values >> half, values & low
        for round_key in round_keys:
            left, right = right, left ^ (mix(right + round_key) & low)
        return (left << half) | right

    with np.errstate(over="ignore"):
        values = shuffle(positions.astype(np.uint64))
        outside = np.flatnonzero(values >= np.uint64(size))
        while len(outside):
            values[outside] = shuffle(values[outside])
            outside = outside[values[outside] >= np.uint64(size)]
    return values.astype(np.int64)


def order_of(numbers: np.ndarray, *, num_examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs and example indices (int64) of these running numbers.

    Epochs follow each other without a gap.
    """
    epochs, positions = np.divmod(numbers.astype(np.int64), num_examples)
    indices = np.empty_like(positions)
    for epoch in np.unique(epochs).tolist():
        of_epoch = epochs == epoch
        indices[of_epoch] = permute(positions[of_epoch], size=num_examples, key=key_of(seed, epoch))
    return epochs, indices
