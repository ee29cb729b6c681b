"""Counter-based random numbers: a number is a function of its key and its position.

So no state is stored or replayed, and the numbers are the same in every process, on every machine and in any order.
Number `place` of a key is mix(key + (place + 1) * GAMMA), as in splitmix64 (Steele, Lea and Flood 2014; the finalizer
of java.util.SplittableRandom). The key mixes seed, epoch and example index in the same way.

`mix` and `to_unit` also work in compiled loops, which wrap them with `compiled(inline="always")`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

OneOrMany = TypeVar("OneOrMany", np.uint64, np.ndarray)
GAMMA = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 divided by the golden ratio


def mix(values: OneOrMany) -> OneOrMany:
    """Apply the finalizer of splitmix64, a bijection of uint64.

    Args:
        values: uint64, a scalar or any shape.

    Returns:
        uint64, the same shape.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def keys_of(*parts: int | np.ndarray) -> np.ndarray:
    """Return 64-bit keys from integers such as (seed, epoch, example index).

    Args:
        parts: Integers, or int64 arrays of one shape (n,) that give one key per element. Their order matters.

    Returns:
        uint64, shape (n,), or (1,) if all parts are integers.
    """
    keys = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            bits = (
                part.astype(np.int64).view(np.uint64)
                if isinstance(part, np.ndarray)
                else np.array([part & 0xFFFFFFFFFFFFFFFF], np.uint64)
            )
            keys = mix((keys + GAMMA) ^ bits)
    return keys


def key_of(*parts: int) -> np.uint64:
    """Return one 64-bit key from integers."""
    return keys_of(*parts)[0]


def random_uint64(key: np.uint64, count: int) -> np.ndarray:
    """Return the first `count` random numbers of a key. uint64, shape (count,)."""
    with np.errstate(over="ignore"):
        return mix(key + (np.arange(1, count + 1, dtype=np.uint64)) * GAMMA)


def to_unit(bits: OneOrMany) -> Any:
    """Convert uint64 to float64 in [0, 1), from the upper 53 bits; same shape."""
    return (bits >> np.uint64(11)) * 2.0**-53


def to_index(bits: np.ndarray, bound: int) -> np.ndarray:
    """Convert uint64 to int64 in [0, bound); same shape.

    The upper 32 bits are multiplied by `bound`. The bias is below bound / 2**32.
    """
    return (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)
