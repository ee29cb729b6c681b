"""Damaged files of every format, and what a reader makes of each: refused, or the values that it reads.

Used by test_damage.py and, with the readers of torch and TensorFlow, by tests/interop/damage.py.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

import numpy as np
from safetensors.numpy import save_file

from paddle_wwm.archives import unpack_archive
from paddle_wwm.errors import ArchiveError, CheckpointError
from paddle_wwm.weights.pdparams import open_pdparams, write_pdparams
from paddle_wwm.weights.pytorch import open_pytorch
from paddle_wwm.weights.safetensors import open_safetensors
from paddle_wwm.weights.tensorflow import open_tensorflow, write_tensorflow
from paddle_wwm.weights.tensors import ArrayTensor

from ..conversion.sources import torch_legacy, torch_zip
from ..interop.digests import REFUSED, read_by

KINDS = ("flip", "cut", "remove", "insert", "swap", "append")


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with flipped bits, a cut, missing or added bytes, or two blocks swapped.

    Half of the places are in the first or last 512 bytes, where most formats have their structure.
    """

    def place(end: int) -> int:
        edge = min(512, end)
        near = int(rng.integers(edge)) if rng.random() < 0.5 else end - 1 - int(rng.integers(edge))
        return near if rng.random() < 0.5 else int(rng.integers(end))

    result, kind = bytearray(whole), KINDS[int(rng.integers(len(KINDS)))]
    start, size = place(len(whole)), int(rng.choice([1, 2, 4, 8, 64, 512]))
    if kind == "flip":
        for _ in range(int(rng.integers(1, 4))):
            result[place(len(whole))] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del result[start:]
    elif kind == "remove":
        del result[start : start + size]
    elif kind == "insert":
        result[start:start] = rng.bytes(size)
    elif kind == "append":
        result += rng.bytes(size)
    else:
        other = place(len(whole))
        low, high = sorted((start, other))
        size = min(size, high - low, len(whole) - high)
        result[low : low + size], result[high : high + size] = whole[high : high + size], whole[low : low + size]
    return bytes(result)


def arrays() -> dict[str, np.ndarray]:
    """Return the values of the sample files."""
    rng = np.random.default_rng(5)
    shapes = {"weight": (7, 5), "bias": (5,), "scale": ()}
    values = {
        f"bert.encoder.layer.{layer}.{name}": rng.standard_normal(shape).astype(np.float32)
        for layer in range(3)
        for name, shape in shapes.items()
    }
    return values | {"half": np.arange(6, dtype=np.float16), "ids": np.arange(4, dtype=np.int64)}


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of all files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


# ---- Sample files
# ----------------------------------------------------------------------------------------------------------------------


def write_safetensors(folder: Path) -> Path:
    save_file(arrays(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder / "model.safetensors"


def write_tf(folder: Path) -> Path:
    write_tensorflow(folder / "x", {name: ArrayTensor(array) for name, array in arrays().items()})
    return folder / "x.index"


def write_tf_data(folder: Path) -> Path:
    write_tf(folder)
    return folder / "x.data-00000-of-00001"


def write_paddle(folder: Path) -> Path:
    write_pdparams(folder / "x.pdparams", arrays())
    return folder / "x.pdparams"


def members() -> dict[str, bytes]:
    """Return the files of the sample archives."""
    weights = np.random.default_rng(7).bytes(3000)
    return {"m/config.json": b'{"hidden_size": 16}', "m/vocab.txt": b"[PAD]\n" * 50, "m/模型/weights": weights}


def write_tar(path: Path, *, mode: str, tar_format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=tar_format) as archive:
        for name, content in members().items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_700_000_000.5 if tar_format == tarfile.PAX_FORMAT else 1_700_000_000
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, *, compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members().items():
            archive.writestr(name, content)
    return path


# ---- Readers
# ----------------------------------------------------------------------------------------------------------------------


def unpacked(path: Path) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        return files_in(unpack_archive(path, target=Path(folder) / "out"))


def by_safetensors(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def by_zipfile(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        if (bad := archive.testzip()) is not None:
            raise ValueError(bad)
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def by_gnu_tar(path: Path) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = ["tar", "--no-same-owner", "--no-same-permissions", "-xf", str(path), "-C", folder]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return files_in(Path(folder))


def has_gnu_tar() -> bool:
    """Return True if GNU tar is installed."""
    if shutil.which("tar") is None:
        return False
    return "GNU tar" in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format: how to write a sample file, how we read it, and its own reader.

    Attributes:
        theirs: the format's own reader if it is in this environment, otherwise its name in another one.
    """

    write: Callable[[Path], Path]
    ours: Callable[[Path], Mapping[str, object]]
    theirs: Callable[[Path], Mapping[str, object]] | str


FORMATS = {
    "safetensors": Format(write=write_safetensors, ours=open_safetensors, theirs=by_safetensors),
    "PyTorch, zip": Format(
        write=lambda folder: torch_zip(folder / "x.bin", arrays()), ours=open_pytorch, theirs="torch"
    ),
    "PyTorch, older": Format(
        write=lambda folder: torch_legacy(folder / "x.bin", arrays()), ours=open_pytorch, theirs="torch"
    ),
    "TensorFlow index": Format(
        write=write_tf, ours=lambda path: open_tensorflow(path.with_suffix("")), theirs="tensorflow"
    ),
    "TensorFlow data": Format(
        write=write_tf_data, ours=lambda path: open_tensorflow(path.with_suffix("")), theirs="tensorflow"
    ),
    "Paddle": Format(write=write_paddle, ours=open_pdparams, theirs="paddle"),
    "tar, pax": Format(write=lambda folder: write_tar(folder / "a.tar", mode="w"), ours=unpacked, theirs=by_gnu_tar),
    "tar, GNU": Format(
        write=lambda folder: write_tar(folder / "a.tar", mode="w", tar_format=tarfile.GNU_FORMAT),
        ours=unpacked,
        theirs=by_gnu_tar,
    ),
    "tar.gz": Format(
        write=lambda folder: write_tar(folder / "a.tar.gz", mode="w:gz"), ours=unpacked, theirs=by_gnu_tar
    ),
    "tar.bz2": Format(
        write=lambda folder: write_tar(folder / "a.tar.bz2", mode="w:bz2"), ours=unpacked, theirs=by_gnu_tar
    ),
    "zip, deflated": Format(
        write=lambda folder: write_zip(folder / "a.zip", compression=zipfile.ZIP_DEFLATED),
        ours=unpacked,
        theirs=by_zipfile,
    ),
    "zip, stored": Format(
        write=lambda folder: write_zip(folder / "a.zip", compression=zipfile.ZIP_STORED),
        ours=unpacked,
        theirs=by_zipfile,
    ),
}


def read_by_us(form: Format, path: Path) -> str:
    """Return REFUSED, or the digest of the values."""
    return read_by(form.ours, path, errors=(CheckpointError, ArchiveError))


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The results of a number of damaged files of one format.

    Attributes:
        num_theirs, num_ours: files that the format's own reader refuses, and that we refuse.
        only_theirs: files that only the other reader refuses.
        different: files that both read, with different values.
        changed: files that both read, with the same values, but not those of the whole file.
    """

    num_files: int
    num_theirs: int
    num_ours: int
    only_theirs: tuple[str, ...]
    different: tuple[str, ...]
    changed: tuple[str, ...]


def count(whole: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Counts:
    """Compare the results of two readers. ours, theirs: name of the file -> result; whole: of the whole file."""
    read = [name for name in ours if REFUSED not in (ours[name], theirs[name])]
    return Counts(
        num_files=len(ours),
        num_theirs=sum(result == REFUSED for result in theirs.values()),
        num_ours=sum(result == REFUSED for result in ours.values()),
        only_theirs=tuple(name for name in ours if theirs[name] == REFUSED != ours[name]),
        different=tuple(name for name in read if ours[name] != theirs[name]),
        changed=tuple(name for name in read if ours[name] == theirs[name] != whole),
    )
