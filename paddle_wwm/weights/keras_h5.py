"""Reader of Keras weights (.h5), such as tf_model.h5 of transformers. It needs h5py; TensorFlow is not needed.

h5py reads only the names, types and places of the arrays. The arrays are read from their places in the file. Arrays
that are compressed, in pieces or in other files are refused; Keras does not write them.
The names become those of Google's checkpoints, which the weights of transformers' TensorFlow classes have with small
differences.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..optional import need_package
from .tensors import NUMBER_TYPES, FilePart, FileTensor, Tensor, same_bytes, transposed
from .wrappers import StateDict

WEIGHTS_GROUP, OPTIMIZER_GROUP = "model_weights", "optimizer_weights"  # of a file with a whole model
_SPELLINGS = (
    (r":\d+$", ""),
    (r"/layer_\._(\d+)/", r"/layer_\1/"),
    (r"(word|position|token_type)_embeddings/(weight|embeddings)$", r"\1_embeddings"),
    (r"(^|/)(mlm|nsp)___cls/", r"\1cls/"),
    (r"(cls/predictions|cls/seq_relationship)/bias$", r"\1/output_bias"),
)
_RELATION = re.compile(r"(.*cls/seq_relationship)/kernel")  # Google's output_weights are its transpose


def open_keras(path: str | Path) -> StateDict:
    """Return the tensors of a file by the names of Google's checkpoints.

    Their values are not read yet.

    Raises:
        CheckpointError: the file is missing or corrupt, or an array is stored in another way than by Keras.
        ConfigError: h5py is not installed.
    """
    path = Path(path)
    need_package("h5py", purpose=f"reading the Keras weights {path.name}")
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.userblock_size:
                raise CheckpointError(f"{path}: begins with other data, which Keras does not write.")
            # a link could lead to another file
            is_whole_model = isinstance(file.get(WEIGHTS_GROUP, getlink=True), h5py.HardLink)
            root = file[WEIGHTS_GROUP] if is_whole_model else file
            found: list[tuple[str, Tensor]] = []

            def visit(name: str, item: Any) -> None:  # called for what the file itself holds, not for links
                if not isinstance(name, str):
                    raise CheckpointError(f"{path}: is corrupt: a name is not text.")
                if isinstance(item, h5py.Dataset):
                    found.append((name, _tensor(item, path=path, name=name)))

            root.visititems(visit)
            left_out = tuple(key for key in file if key != WEIGHTS_GROUP) if is_whole_model else ()
            has_layers = "layer_names" in root.attrs
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such weights file.") from None
    except Exception as error:  # h5py raises many types for a corrupt file
        raise CheckpointError(f"{path}: cannot be read as Keras weights: {error or type(error).__name__}.") from None
    tensors = StateDict()
    tensors.wrappers, tensors.left_out = ((WEIGHTS_GROUP,) if is_whole_model else ()), left_out
    for stored, tensor in found:
        name = stored.partition("/")[2] if has_layers else stored  # the first part is the name of the layer
        for pattern, replacement in _SPELLINGS:
            name = re.sub(pattern, replacement, name)
        if match := _RELATION.fullmatch(name):
            name, tensor = f"{match[1]}/output_weights", transposed(tensor)
        if name in tensors and not same_bytes(tensor, tensors[name]):  # a layer repeats the tensors that it shares
            raise CheckpointError(f"{path}: holds {name!r} twice, with different values.")
        tensors.setdefault(name, tensor)
    return tensors


def _tensor(dataset: Any, *, path: Path, name: str) -> Tensor:
    dtype, offset = dataset.dtype.newbyteorder("=").name, dataset.id.get_offset()
    if dtype not in NUMBER_TYPES or dataset.dtype.byteorder == ">":
        raise CheckpointError(f"{path}: {name!r} must hold little-endian numbers, but holds {dataset.dtype.str}.")
    if dataset.chunks is not None or dataset.external or dataset.is_virtual or (offset is None and dataset.size):
        raise CheckpointError(
            f"{path}: {name!r} is compressed, in pieces or in another file; save the weights again with Keras."
        )
    num_bytes = dataset.size * dataset.dtype.itemsize
    if (offset or 0) + num_bytes > path.stat().st_size:
        raise CheckpointError(f"{path}: is corrupt: {name!r} exceeds the file.")
    part = FilePart(path=path, name=name, offset=offset or 0, num_bytes=num_bytes)
    return FileTensor(part, dtype=dtype, shape=dataset.shape)
