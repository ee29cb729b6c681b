"""Find the weights in a folder, recognise their format, and open them without reading the tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

from ..errors import CheckpointError
from ..files import read_json
from . import INDEX_ENDING, SHARD_INDEX_ENDING
from .finding import KNOWN_KINDS, check_is_file, find_weights, folder_of
from .keras_h5 import open_keras
from .pdparams import open_pdparams
from .pytorch import open_pytorch
from .safetensors import open_safetensors
from .tensorflow import open_tensorflow
from .tensors import BFLOAT16, Tensor
from .torch_archive import is_torch_archive
from .wrappers import StateDict

MAX_SHARDS = 1000


def _open_pdparams(path: Path) -> StateDict:
    tensors = open_pdparams(path)
    for tensor in tensors.values():
        tensor.dtype = BFLOAT16 if tensor.dtype == "uint16" else tensor.dtype  # how Paddle stores it
    return tensors


# file ending, name of the format, function that opens it
_FORMATS: tuple[tuple[str, str, Callable[..., dict[str, Tensor]]], ...] = (
    (".safetensors", "safetensors", open_safetensors),
    (".bin", "PyTorch", open_pytorch),
    (".pt", "PyTorch", open_pytorch),
    (".pth", "PyTorch", open_pytorch),
    (".pdparams", "Paddle", _open_pdparams),
    (".h5", "Keras", open_keras),
)


@dataclass(frozen=True, kw_only=True)
class WeightsFiles:
    """Opened weights files.

    Args:
        format: name of the format, for messages.
        files: all files that were opened.
        folder: the folder of the files.
        tensors: by their names in the file.
        wrappers: keys of the file that were opened to reach the tensors, such as "state_dict".
        left_out: keys of the file next to these, such as "optimizer".
    """

    format: str
    files: tuple[Path, ...]
    folder: Path
    tensors: Mapping[str, Tensor]
    wrappers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def open_weights(source: str | Path, *, ignore_crc: bool = False) -> WeightsFiles:
    """Find and open the weights of a folder or file.

    Args:
        source: a folder, a file, or the prefix of a TensorFlow checkpoint.
        ignore_crc: see `open_pytorch`.

    Raises:
        CheckpointError: nothing is there, or its format is unknown. The message lists the known formats.
    """
    path = Path(source)
    if path.is_dir():
        path = find_weights(path)
    elif not path.exists():
        if not Path(f"{path}{INDEX_ENDING}").exists():
            raise CheckpointError(f"{path}: no such file or folder.")
        path = Path(f"{path}{INDEX_ENDING}")  # TensorFlow names a checkpoint by the prefix of its files
    check_is_file(path)
    if path.name.endswith(SHARD_INDEX_ENDING):
        return _open_shards(path, ignore_crc=ignore_crc)
    if path.name.endswith(INDEX_ENDING):
        prefix = path.with_name(path.name.removesuffix(INDEX_ENDING))
        files = (path, *sorted(path.parent.glob(f"{prefix.name}.data-*")))
        for file in files:
            check_is_file(file)
        chosen = len(list(path.parent.glob(f"*{INDEX_ENDING}"))) > 1 and Path(source).is_dir()
        return WeightsFiles(
            format=f"TensorFlow checkpoint{f' {prefix.name} (named by the file `checkpoint`)' if chosen else ''}",
            files=files,
            folder=folder_of(path),
            tensors=open_tensorflow(prefix),
        )
    for ending, name, opener in _FORMATS:
        if path.name.endswith(ending) or (name == "PyTorch" and is_torch_archive(path)):
            options = {"ignore_crc": ignore_crc} if opener is open_pytorch else {}
            tensors = opener(path, **options)
            state = tensors if isinstance(tensors, StateDict) else StateDict(tensors)
            return WeightsFiles(
                format=f"{name} file",
                files=(path,),
                folder=path.parent,
                tensors=state,
                wrappers=state.wrappers,
                left_out=state.left_out,
            )
    raise CheckpointError(f"{path}: is not a source that is recognised; expected {KNOWN_KINDS}.")


def _open_shards(index: Path, *, ignore_crc: bool) -> WeightsFiles:
    """Open the files that the index of a sharded model names, in its folder."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise CheckpointError(f"{index}: must have a `weight_map` of tensor names to file names.")
    names = sorted(set(places.values()))
    bad = [name for name in names if Path(name).name != name or name in ("", ".", "..")]
    if bad or not 1 <= len(names) <= MAX_SHARDS:
        raise CheckpointError(
            f"{index}: must name 1 to {MAX_SHARDS} files in its own folder, but names "
            f"{repr(bad[0]) if bad else len(names)}."
        )
    opened = {name: open_weights(index.parent / name, ignore_crc=ignore_crc) for name in names}
    tensors: dict[str, Tensor] = {}
    for name, weights in opened.items():
        twice = [tensor for tensor in weights.tensors if tensor in tensors]
        if twice:
            raise CheckpointError(
                f"{index.parent / name}: has the tensor {twice[0]!r}, which another file of {index.name} also has."
            )
        tensors.update(weights.tensors)
    lost = [tensor for tensor, name in places.items() if tensor not in opened[name].tensors]
    if lost:
        raise CheckpointError(f"{index}: places {lost[0]!r} in {places[lost[0]]}, but this file does not have it.")
    kinds = {weights.format for weights in opened.values()}
    files = (index, *(index.parent / name for name in names))
    return WeightsFiles(
        format=f"{'/'.join(sorted(kinds))} in {len(names)} parts",
        files=files,
        folder=index.parent,
        tensors=tensors,
        wrappers=tuple(dict.fromkeys(key for weights in opened.values() for key in weights.wrappers)),
        left_out=tuple(dict.fromkeys(key for weights in opened.values() for key in weights.left_out)),
    )
