"""Find duplicate documents and lines between passes 1 and 2, by the hashes that pass 1 wrote.

Memory is bounded: hashes are compared in groups by their lowest bits, a few million at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from ...files import atomic_write
from .read_sources import HASH_BYTES

HASHES_AT_ONCE = 4_000_000


def write_first_occurrences(target: Path, hash_files: Sequence[Path]) -> int:
    """Write one byte per hash: 1 for its first occurrence, else 0.

    The order is that of the files.

    Returns:
        The number of duplicates.
    """
    ends = np.cumsum([0, *(path.stat().st_size // HASH_BYTES for path in hash_files)])
    keep = np.ones(ends[-1], np.uint8)
    num_groups = 1 << max(0, (int(ends[-1]) // HASHES_AT_ONCE).bit_length())
    for group in range(num_groups):
        positions, values = [], []
        for path, begin, end in zip(hash_files, ends.tolist(), ends[1:].tolist()):
            for first in range(0, end - begin, HASHES_AT_ONCE):
                # read again for every group, not memory-mapped: there can be more files than a process may open
                block = np.fromfile(path, "<u8", count=HASHES_AT_ONCE, offset=first * HASH_BYTES)
                chosen = np.flatnonzero(block % np.uint64(num_groups) == group)
                positions.append(begin + first + chosen)
                values.append(block[chosen])
        if values:
            position, value = np.concatenate(positions), np.concatenate(values)
            order = np.argsort(value, kind="stable")
            repeated = order[1:][value[order[1:]] == value[order[:-1]]]
            keep[position[repeated]] = 0
    with atomic_write(target) as stream:
        stream.write(keep.data)
    return int(len(keep) - keep.sum())


def read_first_occurrences(path: Path, first: int, count: int) -> np.ndarray:
    """Read a slice of the output of `write_first_occurrences`. bool, (count,)."""
    return np.fromfile(path, np.uint8, count=count, offset=first).astype(bool)
