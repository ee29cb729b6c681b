"""Reader and writer of safetensors files.

A file has eight bytes for the length of the header, a JSON header (names, types, shapes, offsets), and then the data.
The reader does not trust the header: it limits its length, and every tensor must be inside the file, fit its shape and
overlap no other tensor.
Source: the format's description in huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError
from ..files import atomic_write
from .tensors import FilePart, FileTensor, Tensor

MAX_HEADER_BYTES = 100_000_000  # the limit of the format
MAX_DIMENSIONS = 8
ALIGNMENT = 8
_TYPES = {
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F64": "float64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "BOOL": "bool",
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}
_METADATA = "__metadata__"


def open_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name. Their values are not read yet.

    Raises:
        CheckpointError: the file is missing or corrupt, or its header does not fit the file.
    """
    path = Path(path)
    header, data_start, num_data_bytes = _read_header(path)
    tensors: dict[str, Tensor] = {}
    places: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        if name == _METADATA:
            continue
        dtype, shape, begin, end = _checked(entry, path=path, name=name)
        if not 0 <= begin <= end <= num_data_bytes:
            raise CheckpointError(
                f"{path}: the header places {name!r} at bytes {begin} to {end}, but the file has "
                f"{num_data_bytes:,} bytes of data."
            )
        tensors[name] = FileTensor(
            FilePart(path=path, name=name, offset=data_start + begin, num_bytes=end - begin), dtype=dtype, shape=shape
        )
        places.append((begin, end, name))
    places.sort()
    for (_, end, name), (begin, _, other) in zip(places, places[1:]):
        if begin < end:
            raise CheckpointError(f"{path}: the tensors {name!r} and {other!r} overlap.")
    return tensors


def _read_header(path: Path) -> tuple[dict, int, int]:
    try:
        with open(path, "rb") as stream:
            num_file_bytes = path.stat().st_size
            length = int.from_bytes(stream.read(8), "little")
            if num_file_bytes < 8 or length > min(MAX_HEADER_BYTES, num_file_bytes - 8):
                raise CheckpointError(
                    f"{path}: is not a complete safetensors file: it states a header of {length:,} bytes, but has "
                    f"{num_file_bytes:,} bytes."
                )
            header = json.loads(stream.read(length).decode("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is not valid JSON: {error}.") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header must be a JSON object.")
    return header, 8 + length, num_file_bytes - 8 - length


def _checked(entry: Any, *, path: Path, name: str) -> tuple[str, tuple[int, ...], int, int]:
    """Return the dtype, the shape and the range of bytes of a header entry."""
    try:
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = all(type(number) is int and number >= 0 for number in [*shape, *offsets])
        (begin, end), dtype = offsets, _TYPES.get(code)
    except (TypeError, KeyError, ValueError):
        raise CheckpointError(
            f"{path}: the header entry {name!r} must have dtype, shape and two data_offsets."
        ) from None
    if dtype is None:
        raise CheckpointError(
            f"{path}: the type of {name!r} must be one of {', '.join(_CODES.values())}, but is {code!r}."
        )
    if not whole or len(shape) > MAX_DIMENSIONS:
        raise CheckpointError(
            f"{path}: {name!r} must have a shape of up to {MAX_DIMENSIONS} sizes and offsets of at least 0."
        )
    return dtype, tuple(shape), begin, end


def write_safetensors(path: str | Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str]) -> None:
    """Write tensors, block by block.

    They are sorted by alignment and then by name, as in the reference implementation of the format.
    """
    header: dict[str, object] = {_METADATA: dict(metadata)}
    names = sorted(tensors, key=lambda name: (-tensors[name].num_bytes // max(1, tensors[name].num_values), name))
    offset = 0
    for name in names:
        tensor = tensors[name]
        end = offset + tensor.num_bytes
        header[name] = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (math.ceil(len(text) / ALIGNMENT) * ALIGNMENT - len(text))
    with atomic_write(path) as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            for block in tensors[name].blocks():
                stream.write(block)
