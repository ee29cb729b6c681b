"""Reader and writer of TensorFlow checkpoints (`x.index`, `x.data-00000-of-00001`, …), without TensorFlow.

The index has the type, shape, shard, offset and checksum of every tensor. The checksum is compared while a tensor is
read.
Source: tensorflow/core/protobuf/tensor_bundle.proto, tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Callable, Mapping

import crc32c
import numpy as np

from ..errors import CheckpointError
from ..files import atomic_write
from . import INDEX_ENDING
from .tensors import FilePart, FileTensor, Tensor
from .tf_slices import MAX_SLICES, SLICE_PREFIX, SlicedTensor, decode_slice, slice_key
from .tf_table import TableError, build_table, decode_message, encode_field, encode_varint, masked_crc, read_table

MAX_INDEX_BYTES = 64 << 20  # the index of a large BERT with its optimizer has 100 KB
MAX_DIMENSIONS = 8
_TYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}
_VERSION_1 = encode_field(1, 1)  # VersionDef(producer=1)
_CRC_TAG = encode_varint(6 << 3 | 5)  # crc32c = 6, fixed32


class UnreadableTensor(Tensor):
    """A tensor of text. It has a name, but `read` raises."""

    def __init__(self, why: str) -> None:
        super().__init__(dtype="none", shape=())
        self.why = why

    def read(self) -> np.ndarray:
        raise CheckpointError(f"a tensor cannot be read: {self.why}.")


def shard_path(prefix: str | Path, shard: int, num_shards: int) -> Path:
    """Return the data file of a shard."""
    return Path(f"{prefix}.data-{shard:05d}-of-{num_shards:05d}")


def open_tensorflow(prefix: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name. Their values are not read yet.

    Args:
        prefix: the path without ".index".

    Raises:
        CheckpointError: a file is missing or corrupt, or the index points outside a file. The checksum of a tensor is
            compared when the tensor is read.
    """
    index = Path(f"{prefix}{INDEX_ENDING}")
    try:
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise CheckpointError(
                f"{index}: has more than {MAX_INDEX_BYTES:,} bytes; the index of a BERT has about 100,000."
            )
        items = dict(read_table(index.read_bytes()))
        num_shards = _num_shards(items.pop(b"", None))
        slices = {key: _decode_entry(value) for key, value in items.items() if key.startswith(SLICE_PREFIX)}
        keys = {key.decode("utf-8", "backslashreplace"): key for key in items if key not in slices}
        entries = {name: _decode_entry(items[key]) for name, key in keys.items()}
    except FileNotFoundError:
        raise CheckpointError(f"{index}: no such checkpoint index.") from None
    except TableError as error:
        raise CheckpointError(f"{index}: is corrupt or not a checkpoint index: {error}.") from None
    sizes = {
        shard: _size_of(shard_path(prefix, shard, num_shards))
        for shard in sorted({entry["shard"] for entry in (*entries.values(), *slices.values())})
    }
    open_entry = functools.partial(_tensor, prefix=prefix, index=index, num_shards=num_shards, sizes=sizes)
    return {
        name: _sliced(name, keys[name], entry, slices, index=index, open_entry=open_entry)
        if entry["slices"]
        else open_entry(name, entry)
        for name, entry in entries.items()
    }


def _sliced(
    name: str, key: bytes, entry: dict, slices: Mapping[bytes, dict], *, index: Path, open_entry: Callable[..., Tensor]
) -> Tensor:
    """Return a partitioned variable, put together from its slices."""
    if entry["dtype"] not in _TYPES:
        return UnreadableTensor(f"it holds no numbers (TensorFlow data type {entry['dtype']})")
    parts = []
    for extents in entry["slices"][: MAX_SLICES + 1]:
        part = slices.get(slice_key(key, extents))
        if part is None:
            raise CheckpointError(f"{index}: is corrupt: the slice {extents} of {name!r} is missing.")
        parts.append((extents, open_entry(f"{name} {extents}", part)))
    try:
        return SlicedTensor(parts, dtype=_TYPES[entry["dtype"]], shape=entry["shape"], name=name)
    except CheckpointError as error:
        raise CheckpointError(f"{index}: {error}") from None


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such shard; the .index and .data files of a checkpoint must be in the same folder."
        ) from None


def _num_shards(header: bytes | None) -> int:
    if header is None:
        raise TableError("it has no header")
    fields = dict(decode_message(header))
    if fields.get(2, 0) != 0:
        raise TableError("it was written on a big-endian machine")
    number = fields.get(1)
    if not isinstance(number, int) or not 1 <= number <= 99_999:
        raise TableError("its header has no number of shards")
    return number


def _decode_entry(value: bytes) -> dict:
    entry: dict = {"dtype": 0, "shape": (), "shard": 0, "offset": 0, "size": 0, "crc": None, "slices": []}
    names = {1: "dtype", 3: "shard", 4: "offset", 5: "size", 6: "crc"}
    for field, item in decode_message(value):
        if field in names and isinstance(item, int):
            entry[names[field]] = item
        elif field == 2 and isinstance(item, bytes):
            entry["shape"] = _decode_shape(item)
        elif field == 7 and isinstance(item, bytes):
            entry["slices"].append(decode_slice(item))
    return entry


def _decode_shape(data: bytes) -> tuple[int, ...]:
    sizes = []
    for field, dimension in decode_message(data):
        if field == 2 and isinstance(dimension, bytes):
            size = dict(decode_message(dimension)).get(1, 0)
            if not isinstance(size, int) or size >= 1 << 63:
                raise TableError("a shape has a size below 0")
            sizes.append(size)
    if len(sizes) > MAX_DIMENSIONS:
        raise TableError(f"a shape has {len(sizes)} sizes")
    return tuple(sizes)


def _tensor(
    name: str, entry: dict, *, prefix: str | Path, index: Path, num_shards: int, sizes: Mapping[int, int]
) -> Tensor:
    if entry["shard"] >= num_shards:
        raise CheckpointError(f"{index}: {name!r} is in shard {entry['shard']}, but there are {num_shards} shards.")
    path = shard_path(prefix, entry["shard"], num_shards)
    if entry["offset"] + entry["size"] > sizes[entry["shard"]]:
        raise CheckpointError(
            f"{index}: places {name!r} at bytes {entry['offset']:,} to {entry['offset'] + entry['size']:,} of "
            f"{path.name}, "
            f"which has {sizes[entry['shard']]:,}; one file is corrupt, or they are from different checkpoints."
        )
    if entry["dtype"] not in _TYPES:
        return UnreadableTensor(f"it holds no numbers (TensorFlow data type {entry['dtype']})")
    make_check = functools.partial(_checksum, entry["crc"], path, name) if entry["crc"] is not None else None
    part = FilePart(path=path, name=name, offset=entry["offset"], num_bytes=entry["size"], make_check=make_check)
    return FileTensor(part, dtype=_TYPES[entry["dtype"]], shape=entry["shape"])


def _checksum(expected: int, path: Path, name: str) -> Callable[[bytes | memoryview | None], None]:
    crc = 0

    def check(block: bytes | memoryview | None) -> None:
        nonlocal crc
        if block is not None:
            crc = crc32c.crc32c(block, crc)
        elif masked_crc(crc) != expected:
            raise CheckpointError(f"{path}: is corrupt: the checksum of {name!r} differs from the one in the index.")

    return check


def write_tensorflow(prefix: str | Path, tensors: Mapping[str, Tensor]) -> tuple[Path, Path]:
    """Write a checkpoint of one shard; return its data and index files."""
    data, index = shard_path(prefix, 0, 1), Path(f"{prefix}{INDEX_ENDING}")
    items = [(b"", encode_field(1, 1) + encode_field(3, _VERSION_1))]
    offset = 0
    with atomic_write(data) as stream:
        for name in sorted(tensors, key=str.encode):
            tensor, crc = tensors[name], 0
            for block in tensor.blocks():
                crc = crc32c.crc32c(block, crc)
                stream.write(block)
            shape = b"".join(encode_field(2, encode_field(1, size)) for size in tensor.shape)
            entry = (
                encode_field(1, _CODES[tensor.dtype])
                + encode_field(2, shape)
                + encode_field(4, offset)
                + encode_field(5, tensor.num_bytes)
            )
            items.append((name.encode(), entry + _CRC_TAG + masked_crc(crc).to_bytes(4, "little")))
            offset += tensor.num_bytes
    with atomic_write(index) as stream:
        stream.write(build_table(items))
    return data, index
