"""Reader and writer of Paddle's .pdparams files, which are pickles of named numpy arrays. Neither needs Paddle.

The reader does not trust the file. It makes arrays, numbers, strings and containers only; a file that names another
class or function is refused before anything runs. It builds the arrays from their bytes itself, because numpy's
`__setstate__` checks nothing: a few flipped bytes can crash the process. The writer writes tensor by tensor.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from ..errors import CheckpointError
from ..files import atomic_write
from .pickles import OrderedMapping, SafeUnpickler, StandIn, check_end, latin1_bytes
from .tensors import NUMBER_TYPES, ArrayTensor, ComputedTensor, FilePart, FileTensor, Tensor, numpy_type
from .wrappers import StateDict, unwrap

PARAMETER_NAME_TABLE = "StructuredToParameterName@@"  # paddle.save adds it: a table of names, without tensors
MAX_DIMENSIONS = 32  # the limit of numpy 1


class _DType(StandIn):
    """Stand-in for numpy.dtype: a type code and a byte order."""

    def __init__(self, code: str, *flags: Any) -> None:
        if flags != (False, True):
            raise pickle.UnpicklingError(f"a type of numbers has the invalid flags {str(flags)[:80]}")
        if not re.fullmatch(r"[biufc]\d{1,2}", code) or np.dtype(code).name not in NUMBER_TYPES:
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, not of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        # of version 3, without a subtype, fields and flags; numpy would take numbers with some flags for pointers
        if order not in ("<", ">", "|", "=") or state != (3, order, None, None, None, -1, -1, 0):
            raise pickle.UnpicklingError(f"a type of numbers has the invalid state {str(state)[:80]}")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(StandIn):
    """Stand-in for numpy.ndarray."""

    tensor: Tensor | None = None

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, is_fortran, data = state
        if version != 1 or not isinstance(dtype, _DType):
            raise pickle.UnpicklingError(
                f"an array has the invalid version {str(version)[:20]} or has no type of numbers"
            )
        data = data.encode("latin1") if isinstance(data, str) else data  # Python 2 wrote bytes as str
        shape = tuple(shape)
        if len(shape) > MAX_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
            raise pickle.UnpicklingError(
                f"an array has {len(shape)} dimensions and the invalid shape {str(shape)[:80]}"
            )
        num_bytes = data.num_bytes if isinstance(data, FilePart) else len(data)
        if num_bytes != math.prod(shape) * dtype.dtype.itemsize:
            raise pickle.UnpicklingError(
                f"{num_bytes:,} bytes do not make an array of {dtype.dtype.name} and shape {str(shape)[:80]}"
            )
        self.tensor = _tensor(data, dtype=dtype.dtype, shape=shape, is_fortran=bool(is_fortran))


def _tensor(data: bytes | FilePart, *, dtype: np.dtype, shape: tuple[int, ...], is_fortran: bool) -> Tensor:
    def laid_out(array: np.ndarray) -> np.ndarray:
        return (
            array.reshape(-1)
            .view(dtype)
            .astype(dtype.newbyteorder("<"))
            .reshape(shape, order="F" if is_fortran else "C")
        )

    if isinstance(data, bytes):
        return ArrayTensor(laid_out(np.frombuffer(data, np.uint8)))
    if not is_fortran and dtype == dtype.newbyteorder("<"):
        return FileTensor(data, dtype=dtype.name, shape=shape)
    raw = FileTensor(data, dtype="uint8", shape=(data.num_bytes,))
    return ComputedTensor(raw, laid_out, dtype=dtype.name, shape=shape)


_NDARRAY = object()  # a pickle passes it as an argument and never calls it


def _reconstruct(*arguments: Any) -> _Array:
    if arguments not in ((_NDARRAY, (0,), b"b"), (_NDARRAY, (0,), "b")):
        raise pickle.UnpicklingError("an array is made from arguments that numpy never writes")
    return _Array()


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # numpy 2
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _DType,
    ("collections", "OrderedDict"): OrderedMapping,
    ("builtins", "tuple"): tuple,  # for (name, array) pairs
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): latin1_bytes,  # how pickle protocol 2, which Paddle 2.0 used, stores bytes
}


def open_pdparams(path: str | Path) -> StateDict:
    """Return the tensors of a .pdparams file by name. Their values are not read yet.

    If the file holds {"model": …} or the like, the inner state dict is used (see `unwrap`).

    Raises:
        CheckpointError: the file is missing or corrupt, or an entry is not an array of numbers.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            values = SafeUnpickler(stream, path=path, allowed=_ALLOWED).load()
            check_end(stream)
        values, wrappers, left_out = unwrap(values, is_tensor=_is_array)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except MemoryError:
        raise CheckpointError(
            f"{path}: needs more memory than is available; it is corrupt, or too large for this machine."
        ) from None
    except Exception as error:  # a corrupt pickle can raise nearly any exception
        raise CheckpointError(f"{path}: cannot be read as Paddle weights: {error}.") from None
    if not isinstance(values, dict):
        raise CheckpointError(
            f"{path}: must hold a mapping of names to arrays, but holds {type(values).__name__.strip('_')}."
        )
    tensors = StateDict()
    tensors.wrappers, tensors.left_out = wrappers, left_out
    for name, value in values.items():
        if name == PARAMETER_NAME_TABLE:
            continue
        if isinstance(value, tuple) and len(value) == 2:
            value = value[1]  # see _is_array
        if not isinstance(name, str) or not isinstance(value, _Array) or value.tensor is None:
            raise CheckpointError(f"{path}: entry {name!r} must be an array of numbers, but is {type(value).__name__}.")
        tensors[name] = value.tensor
    return tensors


def _is_array(value: Any) -> bool:
    """Return True for an array, and for (name, array).

    paddle.save writes pairs if the dict holds more than tensors.
    """
    return isinstance(value, _Array) or (isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], _Array))


def read_pdparams(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a .pdparams file by name.

    An array that is stored under two names is read once, and both names share it.

    Raises:
        CheckpointError: as `open_pdparams`.
    """
    tensors = open_pdparams(path)
    arrays: dict[int, np.ndarray] = {}
    return {
        name: arrays[id(tensor)] if id(tensor) in arrays else arrays.setdefault(id(tensor), tensor.read())
        for name, tensor in tensors.items()
    }


# The pickle is assembled here, because pickle.dump would need all arrays in memory. Every tensor is written as numpy
# pickles an array (_reconstruct, then a state that ends with the bytes). The memo holds only the tensors.
_HEAD = pickle.PROTO + b"\x04" + pickle.EMPTY_DICT
_NEW_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


def write_pdparams(path: str | Path, tensors: Mapping[str, np.ndarray | Tensor]) -> None:
    """Write arrays or tensors to a file that paddle.load can read.

    An object that appears under two names is stored once.
    """
    memo: dict[int, int] = {}
    with atomic_write(path) as stream:
        stream.write(_HEAD)
        for name, value in tensors.items():
            stream.write(_pickled(name))
            if id(value) in memo:
                stream.write(pickle.LONG_BINGET + memo[id(value)].to_bytes(4, "little"))
            else:
                _write_array(stream, value if isinstance(value, Tensor) else _from_array(name, value))
                stream.write(pickle.MEMOIZE)
                memo[id(value)] = len(memo)
            stream.write(pickle.SETITEM)
        stream.write(pickle.STOP)


def _from_array(name: str, value: Any) -> Tensor:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be an array or a tensor, but is {type(value).__name__}.")
    return ArrayTensor(value)


def _write_array(stream: Any, tensor: Tensor) -> None:
    stream.write(
        _NEW_ARRAY
        + pickle.MARK
        + _pickled(1)
        + _pickled(tensor.shape)
        + _pickled(numpy_type(tensor.dtype))
        + _pickled(False)
    )
    stream.write(pickle.BINBYTES8 + tensor.num_bytes.to_bytes(8, "little"))
    for block in tensor.blocks():
        stream.write(block)
    stream.write(pickle.TUPLE + pickle.BUILD)


def _pickled(value: Any) -> bytes:
    """Return the pickle of a value without its header, its STOP and its memo."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=3)
    pickler.fast = True
    pickler.dump(value)
    return buffer.getvalue()[2:-1]
