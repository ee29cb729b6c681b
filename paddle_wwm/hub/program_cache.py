"""Traced programs on disk, shared by all processes and all installed modules of a user.

Tracing takes seconds, and its result depends only on the description of the network, on the code and on Paddle's
version. The name of a file is a hash of these. A file that cannot be read is not used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import paddle

from ..files import atomic_write
from ..imported_files import all_imported_files
from ..user_folders import cache_folder
from ..user_only import make_user_only
from . import tracing_child
from .program_spec import ProgramSpec

FOLDER_NAME = "programs"
KEPT_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class TracedProgram:
    """A program without weights.

    Attributes:
        program: the content of STEM.json.
        parameters: name and shape of every parameter, in the order of STEM.pdiparams.
        layers: name and type of every layer of the network that was traced.
        num_bytes: the size of STEM.pdiparams.
    """

    program: str
    parameters: tuple[tuple[str, tuple[int, ...]], ...]
    layers: tuple[tuple[str, str], ...]
    num_bytes: int


def parse_traced(text: str) -> TracedProgram:
    """Return the program in the JSON text of `dataclasses.asdict`.

    Raises:
        ValueError, KeyError, TypeError: The text is not that of a program.
    """
    values = json.loads(text)
    return TracedProgram(
        program=str(values["program"]),
        parameters=tuple((str(name), tuple(map(int, shape))) for name, shape in values["parameters"]),
        layers=tuple((str(name), str(kind)) for name, kind in values["layers"]),
        num_bytes=int(values["num_bytes"]),
    )


def read_traced(spec: ProgramSpec) -> TracedProgram | None:
    """Return the stored program of a description, or None."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):
        path = _file_of(spec)
        if make_user_only(path.parent):
            return parse_traced(path.read_text(encoding="utf-8"))
    return None


def write_traced(spec: ProgramSpec, traced: TracedProgram) -> None:
    """Store the program of a description, if the user has a folder for it."""
    with contextlib.suppress(OSError, RuntimeError):
        path = _file_of(spec)
        if make_user_only(path.parent):
            for other in path.parent.glob("*.json"):
                if time.time() - other.stat().st_mtime > KEPT_DAYS * 86_400:
                    other.unlink(missing_ok=True)
            with atomic_write(path, "w") as stream:
                json.dump(dataclasses.asdict(traced), stream)


def _file_of(spec: ProgramSpec) -> Path:
    described = json.dumps([dataclasses.asdict(spec), paddle.__version__, _code()], sort_keys=True)
    return cache_folder() / FOLDER_NAME / f"{hashlib.sha256(described.encode()).hexdigest()[:32]}.json"


@functools.cache
def _code() -> str:
    """Return a hash of the code that makes and traces networks."""
    files = all_imported_files(Path(tracing_child.__file__))
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(file.read_bytes()).digest() for file in files))).hexdigest()
