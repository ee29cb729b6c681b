"""What a reader makes of a file, as one string. It needs numpy only, because it runs in every environment."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

REFUSED = "refused"


def digest(values: Mapping[str, Any]) -> str:
    """Return a checksum of the values by their names: arrays, bytes, or tensors with the method `read`."""
    result = hashlib.sha256()
    for name in sorted(values):
        value = values[name].read() if hasattr(values[name], "read") else values[name]
        is_array = isinstance(value, np.ndarray)
        data = np.ascontiguousarray(value).tobytes() if is_array else bytes(value)
        head = f"{name} {value.dtype.name} {value.shape} " if is_array else f"{name} {len(data)} "
        result.update(head.encode("utf-8", "backslashreplace") + data)
    return result.hexdigest()


def read_by(
    reader: Callable[[Path], Mapping[str, Any]],
    path: Path,
    *,
    errors: tuple[type[Exception], ...] = (Exception,),  # each library has other errors
) -> str:
    """Return the digest of a file, or REFUSED if the reader raises one of `errors`."""
    try:
        return digest(reader(path))
    except errors:
        return REFUSED


def judge(reader: Callable[[Path], Mapping[str, Any]], folder: str, results: str) -> None:
    """Write the result of every folder in `folder` as JSON: name -> digest or REFUSED."""
    found = {path.name: read_by(reader, path) for path in sorted(Path(folder).iterdir())}
    Path(results).write_text(json.dumps(found))
