"""Tensors that are still in their files: of a model of any size, no more than a tensor or a block of one is in memory
at a time.

Data types go by name, "float32" or "bfloat16". numpy has no bfloat16: as in Paddle's files, its arrays are uint16 with
the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Iterator

import numpy as np

from ..errors import CheckpointError

BLOCK_BYTES = (
    256 << 10
)  # small enough for the processor's cache: a checksum is computed, or a block written, while it is still there
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
    """The little-endian numpy type that holds a data type's bits."""
    return np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<")


class Tensor:
    """A tensor of numbers. dtype: its name; shape: its sizes. Values come by `read`, bytes (C order, little-endian) by
    `blocks`.
    """

    def __init__(self, *, dtype: str, shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, tuple(shape)

    @property
    def num_values(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """How many bytes they take."""
        return self.num_values * numpy_type(self.dtype).itemsize

    def read(self) -> np.ndarray:
        """The values, an array of `numpy_type(dtype)`."""
        raise NotImplementedError

    def blocks(self) -> Iterator[memoryview]:
        """The bytes, in blocks that are small where the file allows it."""
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
    """Some bytes of a file. name: of the tensor they are, for errors. make_check: gives a function that is called with
    every block, and with None at the end, and raises where the bytes are torn.
    """

    path: Path
    name: str
    offset: int
    num_bytes: int
    make_check: Callable[[], Callable[[bytes | memoryview | None], None]] | None = None

    def blocks(self) -> Iterator[memoryview]:
        """The bytes, in blocks; a block is overwritten by the next one."""
        buffer = memoryview(bytearray(min(self.num_bytes, BLOCK_BYTES)))
        return self._filled(
            buffer[: min(BLOCK_BYTES, self.num_bytes - start)] for start in range(0, self.num_bytes, BLOCK_BYTES)
        )

    def read(self) -> np.ndarray:
        """The bytes, as one array of uint8."""
        result = np.empty(self.num_bytes, np.uint8)
        whole = result.data
        for _ in self._filled(whole[start : start + BLOCK_BYTES] for start in range(0, self.num_bytes, BLOCK_BYTES)):
            pass
        return result

    def _filled(self, places: Iterable[memoryview]) -> Iterator[memoryview]:
        """The places, one after the other, each with the bytes that belong there, checked."""
        check = self.make_check() if self.make_check is not None else None
        with open(self.path, "rb") as stream:
            stream.seek(self.offset)
            for place in places:
                count = stream.readinto(place)
                if count != len(place):
                    raise CheckpointError(f"{self.path}: is torn: it ends within {self.name!r}.")
                if check is not None:
                    check(place)
                yield place
        if check is not None:
            check(None)


class FileTensor(Tensor):
    """A tensor whose bytes lie in a file, in C order, little-endian."""

    def __init__(self, part: FilePart, *, dtype: str, shape: tuple[int, ...]) -> None:
        super().__init__(dtype=dtype, shape=shape)
        if part.num_bytes != self.num_bytes:
            raise CheckpointError(
                f"{part.path}: {part.name!r}, {dtype} of shape {self.shape}, takes {self.num_bytes:,} bytes, "
                f"not the {part.num_bytes:,} of the file."
            )
        self.part = part

    def read(self) -> np.ndarray:
        return self.part.read().view(numpy_type(self.dtype)).reshape(self.shape)

    def blocks(self) -> Iterator[memoryview]:
        return self.part.blocks()


class ComputedTensor(Tensor):
    """What a function makes of another tensor when it is read."""

    def __init__(
        self, source: Tensor, function: Callable[[np.ndarray], np.ndarray], *, dtype: str, shape: tuple[int, ...]
    ) -> None:
        super().__init__(dtype=dtype, shape=shape)
        self.source, self.function = source, function

    def read(self) -> np.ndarray:
        return self.function(self.source.read())


def transposed(tensor: Tensor) -> Tensor:
    """A matrix turned over; turned over twice it is itself."""
    if isinstance(tensor, ComputedTensor) and tensor.function is np.transpose:
        return tensor.source
    return ComputedTensor(tensor, np.transpose, dtype=tensor.dtype, shape=tensor.shape[::-1])


class ObservedTensor(Tensor):
    """A tensor that tells how many of its bytes were read."""

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
    """Values of a floating-point type as float32."""
    if dtype == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    """To the nearest, ties to even, as torch and TensorFlow round."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded)


def cast(tensor: Tensor, dtype: str, *, name: str) -> Tensor:
    """A tensor in another floating-point type. Reading raises CheckpointError where a finite value does not fit."""
    if tensor.dtype == dtype:
        return tensor

    def convert(array: np.ndarray) -> np.ndarray:
        if dtype == "float64":
            wide = array if tensor.dtype != BFLOAT16 else to_float32(array, dtype=BFLOAT16)
            with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
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
    """Whether two tensors hold the same bits."""
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
