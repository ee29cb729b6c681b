"""Reader of PyTorch weights files (torch.save), without torch and without trusting the file.

It reads both formats: zip archives (since PyTorch 1.6) and the older sequence of pickles. `SafeUnpickler` reads the
pickle. Instead of torch's functions it finds stand-ins, which make a tensor from a storage, an offset, sizes and
strides; all of them are checked against the length of the storage. The bytes stay in the file until they are read.

Source: torch/serialization.py (`_legacy_load`, `_load`) and torch/_utils.py (`_rebuild_tensor_v2`).
"""

from __future__ import annotations

import math
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import CheckpointError
from ..zip_reader import is_zip
from .pickles import OrderedMapping, SafeUnpickler, StandIn, check_end
from .tensors import ComputedTensor, FilePart, FileTensor, Tensor, numpy_type
from .torch_archive import PICKLE_NAME, find_members
from .wrappers import StateDict, unwrap

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
LEGACY_HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number, pickled by torch
MAX_PICKLE_BYTES = 64 << 20  # limit for data.pkl in a zip archive; that of a BERT has 100 KB
MAX_DIMENSIONS = 8
LOCATIONS = (
    r"(cpu|cuda|mps|xpu|hpu|xla|npu|mlu|musa|gcu|privateuseone)(:\d+)?"  # the device of a tensor when it was saved
)

_STORAGE_TYPES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


@dataclass(frozen=True)
class _StorageType:
    """Stand-in for torch.FloatStorage and the like.

    A pickle passes it as an argument and never calls it.
    """

    dtype: str


class _Storage:
    """The bytes of one or more tensors."""

    def __init__(self, *, dtype: str, num_values: int) -> None:
        # the position in the file is known only after the pickle is read
        self.dtype, self.num_values = dtype, num_values
        self.part: FilePart | None = None


class _TorchTensor(StandIn):
    """Stand-in for a tensor: a storage, and the offset, sizes and strides in it."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any) -> None:
        shape, strides = tuple(shape), tuple(strides)
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
            raise pickle.UnpicklingError("a tensor must have a storage, an offset, sizes and strides")
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise pickle.UnpicklingError(f"a tensor has the invalid offset, sizes and strides {str(numbers)[:80]}")
        num_values = math.prod(shape)
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides)) if num_values else offset
        # num_values is checked, too: a stride of 0 would make a tensor of any size from one number
        if num_values > storage.num_values or last >= max(storage.num_values, 1):
            raise pickle.UnpicklingError(
                f"a tensor of shape {str(shape)[:80]} exceeds its storage of {storage.num_values:,} numbers"
            )
        if not _are_separate(shape, strides):
            raise pickle.UnpicklingError(
                f"a tensor of shape {str(shape)[:80]} has the strides {str(strides)[:80]}, so its numbers overlap"
            )
        self.storage, self.offset, self.shape, self.strides, self.last = storage, offset, shape, strides, last

    def __setstate__(self, state: Any) -> None:
        pass

    def tensor(self, name: str) -> Tensor:
        """Return the tensor in the file. `name` is for error messages."""
        storage, dtype = self.storage, self.storage.dtype
        if storage.part is None:
            raise pickle.UnpicklingError(f"the storage of {name!r} is missing")
        itemsize = numpy_type(dtype).itemsize
        count = self.last + 1 - self.offset if math.prod(self.shape) else 0
        part = FilePart(
            path=storage.part.path,
            name=name,
            offset=storage.part.offset + self.offset * itemsize,
            num_bytes=count * itemsize,
        )
        if self.strides == _contiguous(self.shape) or count <= 1:
            return FileTensor(part, dtype=dtype, shape=self.shape)

        def laid_out(flat: np.ndarray) -> np.ndarray:
            return np.lib.stride_tricks.as_strided(
                flat, self.shape, tuple(stride * itemsize for stride in self.strides), writeable=False
            )

        return ComputedTensor(FileTensor(part, dtype=dtype, shape=(count,)), laid_out, dtype=dtype, shape=self.shape)


def _are_separate(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Return True if no two numbers of a tensor have the same place in the storage."""
    extent = 1
    for stride, size in sorted((stride, size) for size, stride in zip(shape, strides) if size != 1):
        if stride < extent:
            return 0 in shape
        extent += stride * (size - 1)
    return True


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[number + 1 :]) for number in range(len(shape)))


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _TorchTensor:
    return _TorchTensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("collections", "OrderedDict"): OrderedMapping,
    **{("torch", name): _StorageType(dtype) for name, dtype in _STORAGE_TYPES.items()},
}


class _TorchUnpickler(SafeUnpickler):
    """A SafeUnpickler for torch: a persistent id names a storage."""

    def __init__(self, stream: IO[bytes], *, path: Path) -> None:
        super().__init__(stream, path=path, allowed=_ALLOWED)
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, location, num_values, *view = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType) or not isinstance(key, str):
            raise pickle.UnpicklingError(f"a persistent id must name a storage, but names {str(kind)[:40]!r}")
        if type(num_values) is not int or num_values < 0 or any(item is not None for item in view):
            raise pickle.UnpicklingError("a storage must have a length, and must not be a view of another storage")
        if not isinstance(location, str) or not re.fullmatch(LOCATIONS, location):
            raise pickle.UnpicklingError(f"a storage must be on the CPU or an accelerator, but is on {location!r:.40}")
        known = self.storages.setdefault(key, _Storage(dtype=storage_type.dtype, num_values=num_values))
        if (known.dtype, known.num_values) != (storage_type.dtype, num_values):
            raise pickle.UnpicklingError(f"storage {key!r} has two different types or lengths")
        return known


def open_pytorch(path: str | Path, *, ignore_crc: bool = False) -> StateDict:
    """Return the tensors of a state dict by name. Their values are not read yet.

    If the file holds {"state_dict": …} or the like, the inner state dict is used (see `unwrap`).

    Args:
        ignore_crc: do not compare the checksums of a zip archive. torch can write files without checksums.

    Raises:
        CheckpointError: the file is missing or corrupt, or has more than tensors, numbers, strings and containers.
    """
    path = Path(path)
    try:
        if is_zip(path):
            values = _load_zip(path, ignore_crc=ignore_crc)
        else:
            with open(path, "rb") as stream:
                values = _load_legacy(stream, path)
        return _named_tensors(values)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except MemoryError:
        raise CheckpointError(
            f"{path}: needs more memory than is available; it is corrupt, or too large for this machine."
        ) from None
    except CheckpointError:
        raise
    except Exception as error:  # a corrupt pickle can raise nearly any exception
        raise CheckpointError(f"{path}: cannot be read as PyTorch weights: {error or type(error).__name__}.") from None


def _named_tensors(values: Any) -> StateDict:
    values, wrappers, left_out = unwrap(values, is_tensor=lambda value: isinstance(value, _TorchTensor))
    if not isinstance(values, dict):
        raise pickle.UnpicklingError(
            f"it must hold a mapping of names to tensors, but holds {type(values).__name__.strip('_')}"
        )
    tensors = StateDict()
    tensors.wrappers, tensors.left_out = wrappers, left_out
    made: dict[int, Tensor] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, _TorchTensor):
            raise pickle.UnpicklingError(f"entry {str(name)[:80]!r} must be a tensor, but is {type(value).__name__}")
        tensors[name] = made.setdefault(id(value), value.tensor(name))
    return tensors


def _load_zip(path: Path, *, ignore_crc: bool) -> Any:
    members = find_members(path, ignore_crc=ignore_crc)
    if (num_bytes := members[PICKLE_NAME].num_bytes) > MAX_PICKLE_BYTES:
        raise pickle.UnpicklingError(f"its data.pkl has {num_bytes:,} bytes; the limit is {MAX_PICKLE_BYTES:,}")
    with open(path, "rb") as stream:
        stream.seek(members[PICKLE_NAME].offset)
        unpickler = _TorchUnpickler(stream, path=path)
        values = unpickler.load()
    for key, storage in unpickler.storages.items():
        part = members.get(f"data/{key}")
        if part is not None:  # otherwise a tensor that needs this storage raises
            storage.part = _storage_part(storage, path=path, offset=part.offset, num_bytes=part.num_bytes, key=key)
    return values


def _storage_part(storage: _Storage, *, path: Path, offset: int, num_bytes: int, key: str) -> FilePart:
    expected = storage.num_values * numpy_type(storage.dtype).itemsize
    if num_bytes != expected or offset + expected > path.stat().st_size:
        raise pickle.UnpicklingError(
            f"storage {key!r} should have {expected:,} bytes, but the file has {num_bytes:,} for it"
        )
    return FilePart(path=path, name=key, offset=offset, num_bytes=expected)


def _load_legacy(stream: IO[bytes], path: Path) -> Any:
    """Read the older format.

    It is a sequence of pickles (magic number, protocol, system, state dict, keys of the storages), and then the length
    and the bytes of each storage.
    """
    if stream.read(len(LEGACY_HEAD)) != LEGACY_HEAD:
        raise pickle.UnpicklingError("it has neither the header of a zip archive nor that of torch's older format")
    stream.seek(0)
    magic, protocol, system = (SafeUnpickler(stream, path=path, allowed={}).load() for _ in range(3))
    if (
        magic != LEGACY_MAGIC
        or protocol != LEGACY_PROTOCOL
        or not isinstance(system, dict)
        or system.get("little_endian") is not True
    ):
        raise pickle.UnpicklingError("its header differs from what torch writes on a little-endian machine")
    unpickler = _TorchUnpickler(stream, path=path)
    values = unpickler.load()
    keys = SafeUnpickler(stream, path=path, allowed={}).load()
    if not isinstance(keys, list) or len(keys) > len(unpickler.storages):
        raise pickle.UnpicklingError("its list of storages is invalid")
    for key in keys:
        storage = unpickler.storages.get(key) if isinstance(key, str) else None
        num_values = int.from_bytes(stream.read(8), "little", signed=True)
        if storage is None or num_values != storage.num_values:
            raise pickle.UnpicklingError(f"storage {str(key)[:40]!r} is not the one that the state dict describes")
        num_bytes = num_values * numpy_type(storage.dtype).itemsize
        storage.part = _storage_part(storage, path=path, offset=stream.tell(), num_bytes=num_bytes, key=key)
        stream.seek(num_bytes, 1)
    check_end(stream)
    return values
