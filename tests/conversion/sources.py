"""The model of the fixtures in every format that is converted.

The fixtures were written by TensorFlow, torch and transformers; the other formats are made from them here.
"""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Callable

import numpy as np
from safetensors.numpy import load_file, save_file

from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.options import ConversionOptions
from paddle_wwm.conversion.result import Conversion
from paddle_wwm.conversion.saving import Target

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
HF_FOLDER, TF_FOLDER = FIXTURES / "tiny_bert_hf", FIXTURES / "tiny_bert_tf"
CONFIG = HF_FOLDER / "config.json"
REFERENCE = HF_FOLDER / "reference.npz"
NUM_LAYERS = 3


def hf_arrays() -> dict[str, np.ndarray]:
    """Return the arrays of the model by their Hugging Face names."""
    return load_file(HF_FOLDER / "model.safetensors")


def hf_folder(folder: Path, arrays: dict[str, np.ndarray], *, config: dict | None = None) -> Path:
    """Write a Hugging Face folder with these arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(json.loads(CONFIG.read_text()) | (config or {})))
    return folder


def converted(source: Path, target: Path, *, to: str = "paddle", **options) -> Conversion:
    """Call `convert`.

    Args:
        to: the value of a Target.
        options: other arguments, and values of `ConversionOptions`.
    """
    names = [field.name for field in dataclasses.fields(ConversionOptions)]
    more = ConversionOptions(**{name: options.pop(name) for name in names if name in options})
    return convert(source, target=target, to=Target(to), options=more, **options)


def vocab_file(path: Path, *, size: int = 1000, extra: tuple[str, ...] = ()) -> Path:
    """Write a vocabulary of that size."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *extra]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*specials, *(f"t{number}" for number in range(size - len(specials)))]) + "\n")
    return path


def bits_of(model) -> dict[str, tuple]:
    """Return the dtype, the shape and the bytes of every tensor of an opened model, by name."""
    return {
        name: (tensor.dtype, tensor.shape, np.ascontiguousarray(tensor.read()).tobytes())
        for name, tensor in model.tensors.items()
    }


# ---- PyTorch files without torch
# -------------------------------------------------------------------------------------------------------------


class _Global:
    """Pickles as a global name of torch."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


def _fake_torch_names() -> dict[str, types.ModuleType]:
    """Return fake torch modules. The pickler looks up every name that it writes, so they must exist."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "HalfStorage", "LongStorage", "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    torch._utils = utils

    def _rebuild_tensor_v2(*_):
        raise AssertionError("only the name is used; nothing calls this function")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    return {"torch": torch, "torch._utils": utils}


STORAGES = {
    np.dtype("float32"): "FloatStorage",
    np.dtype("float16"): "HalfStorage",
    np.dtype("int64"): "LongStorage",
    np.dtype("uint16"): "BFloat16Storage",
}


def _torch_pickle(
    arrays: dict[str, np.ndarray], *, is_legacy: bool, around: Callable[[dict], dict] = lambda values: values
) -> bytes:
    """Return the pickle of a state dict as torch.save writes it, with persistent ids instead of storages."""
    fakes = _fake_torch_names()
    kept = {name: sys.modules.get(name) for name in fakes}
    sys.modules.update(fakes)
    try:
        torch = fakes["torch"]

        class Storage:
            def __init__(self, key: str, array: np.ndarray) -> None:
                self.pid = (
                    "storage",
                    getattr(torch, STORAGES[array.dtype]),
                    key,
                    "cpu",
                    array.size,
                    *([None] if is_legacy else []),
                )

        class TensorLike:
            def __init__(self, key: str, array: np.ndarray) -> None:
                self.key, self.array = key, array

            def __reduce__(self):
                strides = tuple(stride // self.array.itemsize for stride in self.array.strides)
                arguments = (Storage(self.key, self.array), 0, self.array.shape, strides, False, OrderedDict())
                return torch._utils._rebuild_tensor_v2, arguments

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                return value.pid if isinstance(value, Storage) else None

        buffer = io.BytesIO()
        values = OrderedDict(
            (name, TensorLike(str(number), np.ascontiguousarray(array)))
            for number, (name, array) in enumerate(arrays.items())
        )
        Pickler(buffer, protocol=2).dump(around(values))
        return buffer.getvalue()
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def torch_zip(
    path: Path,
    arrays: dict[str, np.ndarray],
    *,
    data_pickle: bytes | None = None,
    around: Callable[[dict], dict] = lambda values: values,
) -> Path:
    """Write a file in the current format of torch.save.

    Args:
        data_pickle: used instead of the pickle of the arrays.
        around: makes what is saved from the state dict, such as {"state_dict": values, "epoch": 3}.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(
            "archive/data.pkl",
            data_pickle if data_pickle is not None else _torch_pickle(arrays, is_legacy=False, around=around),
        )
        archive.writestr("archive/byteorder", "little")
        for number, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{number}", np.ascontiguousarray(array).tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def torch_legacy(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write a file in the format of torch.save before 1.6. The published PyTorch files of the series have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    with open(path, "wb") as stream:
        for value in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(value, stream, protocol=2)
        stream.write(_torch_pickle(arrays, is_legacy=True))
        pickle.dump([str(number) for number in range(len(arrays))], stream, protocol=2)
        for array in arrays.values():
            stream.write(struct.pack("<q", array.size) + np.ascontiguousarray(array).tobytes())
    return path
