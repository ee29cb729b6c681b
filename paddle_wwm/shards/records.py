"""Records as lines of JSON in Zstandard frames. The files can be concatenated."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Iterable, Iterator

from ..files import atomic_write


def write_records(path: Path, records: Iterable[Any]) -> None:
    """Write one record per line, in one frame."""
    import pyarrow

    data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode("utf-8")
    with atomic_write(path) as stream:
        stream.write(pyarrow.Codec("zstd", compression_level=1).compress(data, asbytes=True))


def record_lines(path: Path) -> Iterator[bytes]:
    """Yield the records of a file, each as one line of JSON."""
    import pyarrow

    with io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd")) as stream:
        yield from stream
