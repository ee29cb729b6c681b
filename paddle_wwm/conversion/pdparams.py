"""Paddle's .pdparams files (pickles of named numpy arrays), read without trusting them.

The unpickler makes numpy arrays, numbers, strings and containers, and nothing else: a file that names any other class or function is
refused before it runs. Tensors of paddle.save arrive as (name, array) pairs. Reading needs no paddle.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ..errors import CheckpointError
from ..files import atomic_write

PARAMETER_NAME_TABLE = "StructuredToParameterName@@"  # paddle.save adds it; it names parameters, it holds no tensors

try:  # numpy 2 moved the module; files of either numpy must open
    from numpy._core.multiarray import _reconstruct  # type: ignore[import-not-found]
except ImportError:
    from numpy.core.multiarray import _reconstruct

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need") from None


def read_pdparams(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a .pdparams file by name. Raises CheckpointError when it is missing, torn, or holds anything but arrays."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            values = _Unpickler(stream, encoding="latin1").load()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except MemoryError:
        raise
    except Exception as error:  # a torn pickle can raise nearly anything
        raise CheckpointError(f"{path}: cannot be read as Paddle weights: {error}.") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: must hold a mapping of names to arrays, but holds {type(values).__name__}.")
    arrays: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if name == PARAMETER_NAME_TABLE:
            continue
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], np.ndarray):
            value = value[1]
        if not isinstance(name, str) or not isinstance(value, np.ndarray) or value.dtype.hasobject:
            raise CheckpointError(f"{path}: entry {name!r} must be an array of numbers, but is {type(value).__name__}.")
        arrays[name] = value
    return arrays


def write_pdparams(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays so that paddle.load reads them. The same array under two names is stored once."""
    with atomic_write(path) as stream:
        pickle.dump({name: array for name, array in arrays.items()}, stream, protocol=4)
