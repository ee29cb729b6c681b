"""Partitioned variables of TensorFlow checkpoints: one tensor that is stored in slices.

The entry of the variable in the index lists its slices. Each slice has an entry of its own; the key is the name of the
variable and the place of the slice, in an encoding that keeps their order.
Source: tensorflow/core/util/saved_tensor_slice_util.cc (EncodeTensorNameSlice), tensorflow/core/lib/strings/
ordered_code.cc, tensorflow/core/framework/tensor_slice.proto.
"""

from __future__ import annotations

import math
import re
from typing import Sequence

import numpy as np

from ..errors import CheckpointError
from .tensors import Tensor, numpy_type
from .tf_table import TableError, decode_message

SLICE_PREFIX = b"\x00"  # of the keys of slices
MAX_SLICES = 1000
FULL = -1  # the length of a slice that has all of a dimension
_HEADERS = (b"", b"\x80", b"\xc0", b"\xe0", b"\xf0", b"\xf8", b"\xfc", b"\xfe", b"\xff", b"\xff\x80", b"\xff\xc0")
Extent = tuple[int, int]  # start and length in one dimension


def decode_slice(data: bytes) -> tuple[Extent, ...]:
    """Return the start and the length in each dimension of a TensorSliceProto."""
    extents = []
    for field, item in decode_message(data):
        if field == 1 and isinstance(item, bytes):
            values = dict(decode_message(item))
            start, length = values.get(1, 0), values.get(2, FULL)
            if not isinstance(start, int) or not isinstance(length, int) or max(start, length) >= 1 << 62:
                raise TableError("a slice has no valid place")
            extents.append((start, length))
    return tuple(extents)


def slice_key(name: bytes, extents: Sequence[Extent]) -> bytes:
    """Return the key of a slice in the index."""
    escaped = re.sub(rb"[\x00\xff]", lambda match: match[0] + (b"\xff" if match[0] == b"\x00" else b"\x00"), name)
    numbers = b"".join(_ordered(number) for extent in extents for number in extent)
    return SLICE_PREFIX + escaped + b"\x00\x01" + bytes([1, len(extents)]) + numbers


def _ordered(number: int) -> bytes:
    """Encode a number in bytes that have the order of the numbers."""
    magnitude = ~number if number < 0 else number
    length = next(length for length in range(1, 11) if magnitude < 1 << (7 * length - 1))
    plain = bytearray(number.to_bytes(10, "big", signed=True)[-length:])
    for place, bits in enumerate(_HEADERS[length]):
        plain[place] ^= bits
    return bytes(plain)


class SlicedTensor(Tensor):
    """A tensor that is put together from its slices when it is read.

    Raises:
        CheckpointError: the slices do not fill the tensor exactly.
    """

    def __init__(
        self, parts: Sequence[tuple[tuple[Extent, ...], Tensor]], *, dtype: str, shape: tuple[int, ...], name: str
    ) -> None:
        super().__init__(dtype=dtype, shape=shape)
        self.parts = [(_places(extents, shape), tensor) for extents, tensor in parts]
        boxes = [places for places, _ in self.parts]
        is_whole = all(
            len(places) == len(shape)
            and tuple(place.stop - place.start for place in places) == tensor.shape
            and all(0 <= place.start < place.stop <= size for place, size in zip(places, shape))
            and tensor.dtype == dtype
            for places, tensor in self.parts
        )
        if (
            not is_whole
            or len(boxes) > MAX_SLICES
            or sum(math.prod(tensor.shape) for _, tensor in self.parts) != self.num_values
            or any(_overlap(one, other) for number, one in enumerate(boxes) for other in boxes[:number])
        ):
            raise CheckpointError(
                f"{name!r} is a partitioned variable of shape {shape}, but its {len(boxes)} slices do not fill it "
                "exactly."
            )

    def read(self) -> np.ndarray:
        result = np.empty(self.shape, numpy_type(self.dtype))
        for places, tensor in self.parts:
            result[places] = tensor.read()
        return result


def _places(extents: Sequence[Extent], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(start, size if length == FULL else start + length) for (start, length), size in zip(extents, shape)
    )


def _overlap(one: Sequence[slice], other: Sequence[slice]) -> bool:
    return all(left.start < right.stop and right.start < left.stop for left, right in zip(one, other))
