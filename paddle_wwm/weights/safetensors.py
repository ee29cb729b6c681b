"""Reader and writer of safetensors files.

A file has eight bytes for the length of the header, a JSON header (names, types, shapes, offsets), and then the data.
The reader does not trust the header. It limits its length, every tensor must fit its shape, and the tensors must fill
the data of the file without a gap, an overlap or a rest, as the format demands.
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
            _check_metadata(entry, path=path)
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
    _check_places(sorted(places), num_data_bytes=num_data_bytes, path=path)
    return tensors


def _check_places(places: list[tuple[int, int, str]], *, num_data_bytes: int, path: Path) -> None:
    """Check that the tensors fill the data of the file.

    places: begin, end and name of each tensor, sorted.
    """
    position, last = 0, ""
    for begin, end, name in [*places, (num_data_bytes, num_data_bytes, "")]:
        if begin < position:
            raise CheckpointError(f"{path}: the tensors {last!r} and {name!r} overlap.")
        if begin > position:
            where = f"before {name!r}" if name else "after the last tensor"
            raise CheckpointError(
                f"{path}: is damaged: {begin - position:,} bytes at {position:,} of the data, {where}, belong to no "
                "tensor. Copy or download the file again."
            )
        position, last = end, name


def _check_metadata(entry: Any, *, path: Path) -> None:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise CheckpointError(f"{path}: the header entry {_METADATA!r} must map names to strings.")


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
            header = _parse(stream.read(length).decode("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is not valid JSON: {error}.") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header must be a JSON object.")
    return header, 8 + length, num_file_bytes - 8 - length


def _parse(text: str) -> Any:
    """Parse JSON by its standard.

    Python's parser also takes NaN, lone surrogates, and names that are given twice.
    """

    def without_repeats(items: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(items)
        if len(values) != len(items):
            raise ValueError("a name is given twice")
        for name in values:
            name.encode("utf-8")  # raises for a lone surrogate
        return values

    def refuse(number: str) -> Any:
        raise ValueError(f"{number} is not a number")

    return json.loads(text, object_pairs_hook=without_repeats, parse_constant=refuse)


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
            f"{path}: {name!r} must have a shape of up to {MAX_DIMENSIONS} sizes and offsets of at least 0, but has "
            f"the shape {str(shape)[:80]} and the offsets {str(offsets)[:80]}."
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
