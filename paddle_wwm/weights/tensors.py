"""Tensors that stay in their files until they are read.

At most one tensor, or one block of it, is in memory at a time, whatever the size of the model.
Data types are given by name, for example "float32" or "bfloat16". numpy has no bfloat16, so bfloat16 arrays are uint16
arrays with the same bits, as in Paddle's files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator

import numpy as np

from ..errors import CheckpointError

# Small enough for the CPU cache, so that checksum and write find the block still there.
BLOCK_BYTES = 256 << 10
BFLOAT16 = "bfloat16"
FLOAT_TYPES = ("float32", "float16", BFLOAT16, "float64")
NUMBER_TYPES = (
    *FLOAT_TYPES,
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
)


def numpy_type(dtype: str) -> np.dtype:
    """Return the little-endian numpy type that holds the bits of a data type."""
    return np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<")


class Tensor:
    """A tensor of numbers. Subclasses implement `read`, and may override `blocks`.

    Args:
        dtype: name of the data type, for example "float32".
        shape: size of each dimension.
    """

    def __init__(self, *, dtype: str, shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, tuple(shape)

    @property
    def num_values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Size in bytes."""
        return self.num_values * numpy_type(self.dtype).itemsize

    def read(self) -> np.ndarray:
        """Return the values as an array of `shape` and `numpy_type(dtype)`."""
        raise NotImplementedError

    def blocks(self) -> Iterator[memoryview]:
        """Yield the bytes (C order, little-endian), in small blocks if possible."""
        flat = np.ascontiguousarray(self.read(), dtype=numpy_type(self.dtype)).reshape(-1).view(np.uint8)
        for start in range(0, len(flat), BLOCK_BYTES):
            yield flat[start : start + BLOCK_BYTES].data


class ArrayTensor(Tensor):
    """A tensor in memory."""

    def __init__(self, array: np.ndarray, *, dtype: str | None = None) -> None:
        super().__init__(dtype=dtype or array.dtype.name, shape=array.shape)
        self.array = array

    def read(self) -> np.ndarray:
        return self.array


@dataclass(frozen=True, kw_only=True)
class FilePart:
    """A range of bytes of a file.

    Args:
        name: name of the tensor, for error messages.
        make_check: returns a function that is called with every block, and with None at the end. It raises if the
            bytes are corrupt.
    """

    path: Path
    name: str
    offset: int
    num_bytes: int
    make_check: Callable[[], Callable[[bytes | memoryview | None], None]] | None = None

    def blocks(self) -> Iterator[memoryview]:
        """Yield the bytes in blocks. Each block overwrites the one before it."""
        buffer = memoryview(bytearray(min(self.num_bytes, BLOCK_BYTES)))
        return self._filled(
            buffer[: min(BLOCK_BYTES, self.num_bytes - start)] for start in range(0, self.num_bytes, BLOCK_BYTES)
        )

    def read(self) -> np.ndarray:
        """Return the bytes as a uint8 array of shape (num_bytes,)."""
        result = np.empty(self.num_bytes, np.uint8)
        whole = result.data
        for _ in self._filled(whole[start : start + BLOCK_BYTES] for start in range(0, self.num_bytes, BLOCK_BYTES)):
            pass
        return result

    def _filled(self, places: Iterable[memoryview]) -> Iterator[memoryview]:
        """Fill the buffers `places` in order; yield each after its bytes are checked."""
        check = self.make_check() if self.make_check is not None else None
        with open(self.path, "rb") as stream:
            stream.seek(self.offset)
            for place in places:
                count = stream.readinto(place)
                if count != len(place):
                    raise CheckpointError(f"{self.path}: is corrupt: the file ends inside {self.name!r}.")
                if check is not None:
                    check(place)
                yield place
        if check is not None:
            check(None)


class FileTensor(Tensor):
    """A tensor whose bytes are in a file, in C order, little-endian."""

    def __init__(self, part: FilePart, *, dtype: str, shape: tuple[int, ...]) -> None:
        super().__init__(dtype=dtype, shape=shape)
        if part.num_bytes != self.num_bytes:
            raise CheckpointError(
                f"{part.path}: {part.name!r}, {dtype} of shape {self.shape}, takes {self.num_bytes:,} bytes, "
                f"not the {part.num_bytes:,} bytes that the file has for it."
            )
        self.part = part

    def read(self) -> np.ndarray:
        return self.part.read().view(numpy_type(self.dtype)).reshape(self.shape)

    def blocks(self) -> Iterator[memoryview]:
        return self.part.blocks()


class ComputedTensor(Tensor):
    """The result of a function of another tensor, computed on every read."""

    def __init__(
        self, source: Tensor, function: Callable[[np.ndarray], np.ndarray], *, dtype: str, shape: tuple[int, ...]
    ) -> None:
        super().__init__(dtype=dtype, shape=shape)
        self.source, self.function = source, function

    def read(self) -> np.ndarray:
        return self.function(self.source.read())


def transposed(tensor: Tensor) -> Tensor:
    """Return the transpose of a matrix. Transposing twice returns the original tensor."""
    if isinstance(tensor, ComputedTensor) and tensor.function is np.transpose:
        return tensor.source
    return ComputedTensor(tensor, np.transpose, dtype=tensor.dtype, shape=tensor.shape[::-1])


class ObservedTensor(Tensor):
    """A tensor that calls `on_bytes` with the number of bytes of every read."""

    def __init__(self, source: Tensor, on_bytes: Callable[[int], object]) -> None:
        super().__init__(dtype=source.dtype, shape=source.shape)
        self.source, self.on_bytes = source, on_bytes

    def read(self) -> np.ndarray:
        self.on_bytes(self.num_bytes)
        return self.source.read()

    def blocks(self) -> Iterator[memoryview]:
        for block in self.source.blocks():
            self.on_bytes(len(block))
            yield block


def to_float32(array: np.ndarray, *, dtype: str) -> np.ndarray:
    """Return values of a floating-point type as float32. The shape stays the same."""
    if dtype == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Round to the nearest bfloat16, ties to even, as torch and TensorFlow do.

    Returns:
        uint16 of the same shape: the bits of the bfloat16 values. Every NaN becomes 0x7FC0.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def cast(tensor: Tensor, dtype: str, *, name: str) -> Tensor:
    """Return the tensor in another floating-point type. Values are converted on read.

    Raises:
        CheckpointError: on read, if a finite value is too large for `dtype`. `name` is for this message.
    """
    if tensor.dtype == dtype:
        return tensor

    def convert(array: np.ndarray) -> np.ndarray:
        if dtype == "float64":
            wide = array if tensor.dtype != BFLOAT16 else to_float32(array, dtype=BFLOAT16)
            with np.errstate(invalid="ignore"):  # numpy warns when a signalling NaN becomes a quiet NaN
                return wide.astype(np.float64)
        values = to_float32(array, dtype=tensor.dtype) if tensor.dtype != "float64" else array
        with np.errstate(over="ignore", invalid="ignore"):
            result = _to_bfloat16(values) if dtype == BFLOAT16 else values.astype(dtype)
            overflown = np.isinf(to_float32(result, dtype=dtype)) & np.isfinite(values)
        if overflown.any():
            raise CheckpointError(
                f"{name}: {int(overflown.sum()):,} values are too large for {dtype}; convert to float32 or bfloat16."
            )
        return result

    return ComputedTensor(tensor, convert, dtype=dtype, shape=tensor.shape)


def same_bytes(one: Tensor, other: Tensor) -> bool:
    """Return True if two tensors have the same dtype, shape and bits."""
    if one is other:
        return True
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if isinstance(one, FileTensor) and isinstance(other, FileTensor):
        place, other_place = ((tensor.part.path, tensor.part.offset) for tensor in (one, other))
        return place == other_place or all(
            left == right for left, right in zip(one.blocks(), other.blocks(), strict=True)
        )
    left, right = (np.ascontiguousarray(tensor.read()).reshape(-1).view(np.uint8) for tensor in (one, other))
    return np.array_equal(left, right)
