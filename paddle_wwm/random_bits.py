"""Counter-based randomness: a random number is a function of its key and its place.

So nothing needs to be stored or replayed. Number `place` of a key is mix(key + (place + 1) * GAMMA), as in splitmix64
(Steele, Lea and Flood 2014, the finalizer of java.util.SplittableRandom); the key mixes seed, epoch and example index
in the same way. It is vectorised over places, and the same in every process, on every machine and for every order of
work.

`mix` and `to_unit` also compile: compiled loops wrap them with `compiled(inline="always")` and compute single numbers
where they need them.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

OneOrMany = TypeVar("OneOrMany", np.uint64, np.ndarray)
GAMMA = np.uint64(0x9E3779B97F4A7C15)  # odd, 2^64 divided by the golden ratio


def mix(values: OneOrMany) -> OneOrMany:
    """splitmix64's finalizer: a bijection of uint64 that scatters neighbouring values."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def keys_of(*parts: int | np.ndarray) -> np.ndarray:
    """64-bit keys from integers such as (seed, epoch, example index); the order of the parts matters. Parts may be
    int64 arrays of one shape (n,), then every element has a key of its own. uint64, shape (n,).
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
    """One 64-bit key from integers."""
    return keys_of(*parts)[0]


def random_uint64(key: np.uint64, count: int) -> np.ndarray:
    """uint64, shape (count,): the numbers at places 0 … count - 1 of that key."""
    with np.errstate(over="ignore"):
        return mix(key + (np.arange(1, count + 1, dtype=np.uint64)) * GAMMA)


def to_unit(bits: OneOrMany) -> Any:
    """float64 in [0, 1), from the upper 53 bits."""
    return (bits >> np.uint64(11)) * 2.0**-53


def to_index(bits: np.ndarray, bound: int) -> np.ndarray:
    """int64 in [0, bound), by multiplying the upper 32 bits (bias below bound / 2**32)."""
    return (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)
