"""Paddle's .pdparams files (pickles of named numpy arrays), read without trusting them.

The unpickler makes arrays, numbers, strings and containers, and nothing else: a file that names any other class or function is refused
before it runs. Arrays are made from their bytes here: numpy's own `__setstate__` believes what it is told, and a few flipped bytes in it end
the process. Tensors that paddle.save finds beside other values arrive as (name, array) pairs. Reading needs no paddle.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ..errors import CheckpointError
from ..files import atomic_write

PARAMETER_NAME_TABLE = "StructuredToParameterName@@"  # paddle.save adds it; it names parameters, it holds no tensors


class _DType:
    """Stands for numpy.dtype: a type code and a byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if not re.fullmatch(r"[biufc]\d{1,2}", code):
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray."""

    array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data  # text where Python 2 wrote it
        self.array = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if is_fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _latin1_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding!r}, which weights do not need")
    return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # numpy 2
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "tuple"): tuple,  # (name, array) pairs
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): _latin1_bytes,  # bytes in pickle's protocol 2, which Paddle 2.0 wrote
}


class _Unpickler(pickle._Unpickler):
    # The unpickler in Python: in the one in C, a flipped byte can ask for gigabytes of memo, and they are touched.
    # BYTEARRAY8, which weights do not use, could ask for them here.
    dispatch = {opcode: load for opcode, load in pickle._Unpickler.dispatch.items() if opcode != pickle.BYTEARRAY8[0]}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which weights do not need") from None


def read_pdparams(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a .pdparams file by name, read-only. Raises CheckpointError when it is missing, torn, or holds anything but arrays."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            values = _Unpickler(stream, encoding="latin1").load()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except MemoryError:
        raise CheckpointError(f"{path}: asks for more memory than there is; it is torn, or too large for this machine.") from None
    except Exception as error:  # a torn pickle can raise nearly anything
        raise CheckpointError(f"{path}: cannot be read as Paddle weights: {error}.") from None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: must hold a mapping of names to arrays, but holds {type(values).__name__.strip('_')}.")
    arrays: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if name == PARAMETER_NAME_TABLE:
            continue
        if isinstance(value, tuple) and len(value) == 2:
            value = value[1]
        if not isinstance(name, str) or not isinstance(value, _Array) or value.array is None:
            raise CheckpointError(f"{path}: entry {name!r} must be an array of numbers, but is {type(value).__name__}.")
        arrays[name] = value.array
    return arrays


def write_pdparams(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays so that paddle.load reads them. The same array under two names is stored once."""
    with atomic_write(path) as stream:
        pickle.dump({name: array for name, array in arrays.items()}, stream, protocol=4)
