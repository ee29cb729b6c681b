"""Files with a few flipped bytes, 100 per format. Each is read or refused; none crashes, hangs or takes all memory."""

from __future__ import annotations

import contextlib
import resource
import signal
from pathlib import Path
from typing import Callable

import crc32c
import numpy as np
import pytest
from safetensors.numpy import save_file

from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.pdparams import open_pdparams, write_pdparams
from paddle_wwm.weights.pytorch import open_pytorch
from paddle_wwm.weights.safetensors import open_safetensors
from paddle_wwm.weights.tensorflow import open_tensorflow, write_tensorflow
from paddle_wwm.weights.tensors import ArrayTensor
from paddle_wwm.weights.tf_table import masked_crc

from ..conversion.sources import torch_legacy, torch_zip

FILES_A_FORMAT = 100
SECONDS_A_FILE = 10
MAX_GROWTH_KB = 300_000


class Hang(BaseException):
    """Raised at the time limit. It is not an Exception, because the readers catch those."""


@contextlib.contextmanager
def time_limit(seconds: int):
    def stop(*_):
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    names = [
        f"bert.encoder.layer.{layer}.attention.self.{part}"
        for layer in range(3)
        for part in ("query.weight", "query.bias", "key.weight")
    ]
    return {name: rng.standard_normal((7, 5) if name.endswith("weight") else (5,)).astype(np.float32) for name in names}


def end_of_data_block(index: bytes) -> int:
    """Return the end of the only data block of the index.

    The block ends with its one restart, at 0. Its type (0) and its checksum follow.
    """
    return index.index(bytes.fromhex("000000000100000000")) + 8


def with_new_checksum(index: bytes, end: int) -> bytes:
    """Return the index with a correct checksum of its data block, so that the reader gets past the checksum."""
    return index[: end + 1] + masked_crc(crc32c.crc32c(index[: end + 1])).to_bytes(4, "little") + index[end + 5 :]


def safetensors_files(folder: Path) -> tuple[Path, Callable]:
    save_file(arrays(), folder / "model.safetensors")
    return folder / "model.safetensors", open_safetensors


def pdparams_files(folder: Path) -> tuple[Path, Callable]:
    write_pdparams(folder / "x.pdparams", arrays())
    return folder / "x.pdparams", open_pdparams


def tensorflow_files(folder: Path) -> tuple[Path, Callable]:
    write_tensorflow(folder / "x", {name: ArrayTensor(array) for name, array in arrays().items()})
    return folder / "x.index", lambda path: open_tensorflow(folder / "x")


FORMATS = {
    "safetensors": safetensors_files,
    "pdparams": pdparams_files,
    "PyTorch zip": lambda folder: (torch_zip(folder / "x.bin", arrays()), open_pytorch),
    "PyTorch older format": lambda folder: (torch_legacy(folder / "x.bin", arrays()), open_pytorch),
    "TensorFlow index": tensorflow_files,
    "TensorFlow index with right checksums": tensorflow_files,
}


def flipped(whole: bytes, rng: np.random.Generator, *, end: int) -> bytearray:
    """Return the file with one to four bytes changed; half of the time in the first 400, where the structure is."""
    result = bytearray(whole)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(min(end, 400) if rng.random() < 0.5 else end))
        result[place] ^= int(rng.integers(1, 256))
    return result


@pytest.mark.parametrize("kind", FORMATS)
def test_flipped_bytes_are_read_or_refused(tmp_path, kind):
    path, opener = FORMATS[kind](tmp_path)
    whole, rng = path.read_bytes(), np.random.default_rng(23)
    assert {name: tensor.read().tobytes() for name, tensor in opener(path).items()} == {
        name: array.tobytes() for name, array in arrays().items()
    }
    has_right_checksum = kind.endswith("right checksums")
    end = end_of_data_block(whole) if has_right_checksum else len(whole)
    assert not has_right_checksum or with_new_checksum(whole, end) == whole
    before, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for number in range(FILES_A_FORMAT):
        damaged = flipped(whole, rng, end=end)
        path.write_bytes(with_new_checksum(bytes(damaged), end) if has_right_checksum else damaged)
        with time_limit(SECONDS_A_FILE):
            try:
                for tensor in opener(path).values():
                    assert tensor.read().shape == tensor.shape
            except CheckpointError as error:
                assert str(tmp_path) in str(error) or "cannot be read" in str(error), (number, error)
                refused += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH_KB
    # flips in the values or in padding cannot be detected; those in the structure are
    assert 15 <= refused <= FILES_A_FORMAT
