"""Find a module's weights, and load fine-tuned checkpoints. Random weights are never used silently.

Weights are searched for in this order: the folder given by the caller, the module's own assets, the folder of
downloaded models (PADDLE_WWM_HOME), a download.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from typing import Iterator, Mapping

import numpy as np
import paddle.nn as nn

from ..errors import CheckpointError, DataError, HubModuleError
from ..model.folder import CONFIG_NAME, check_is_ours, model_folder_in, with_bert_in_front
from ..model.weights import load_arrays
from ..weights import WEIGHTS_NAME
from ..weights.pdparams import read_pdparams

ASSETS = "assets"
CHECKPOINT_NAMES = ("model.pdparams", WEIGHTS_NAME)  # in folders of hub.Trainer, in model folders
LIBRARY = "paddle_wwm"  # imported by name: the copy inside an archive cannot download


def find_weights(*, given: str | os.PathLike | None, module_folder: Path, name: str | None) -> Path:
    """Return the model folder to use.

    Raises:
        HubModuleError: No weights are found; the message lists the ways to get them.
    """
    if given is not None:
        folder = model_folder_in(Path(given).expanduser())
        if not (folder / CONFIG_NAME).is_file():
            raise HubModuleError(
                f"{folder}: holds no model. Give weights=DIR, a folder with config.json, model_state.pdparams "
                f"and vocab.txt."
            )
        check_is_ours(folder)
        return folder
    if (module_folder / ASSETS / CONFIG_NAME).is_file():
        return module_folder / ASSETS
    if name is None:
        raise HubModuleError(
            f"{module_folder}: holds no model, and the module has no name to search for. Give weights=DIR. Random "
            f"weights are never used."
        )
    # imported here because a module with weights inside does not need it
    from ..download.home import find_stored, model_folder
    from ..user_folders import home_folder

    home = home_folder()
    stored = find_stored(name, home=home)
    return stored.folder if stored else _fetch(name, expected=model_folder(name, home=home))


def _fetch(name: str, *, expected: Path) -> Path:
    try:
        download, errors, progress = (
            importlib.import_module(f"{LIBRARY}.{part}") for part in ("download", "errors", "progress")
        )
    except ImportError:
        raise _no_weights(
            name, expected=expected, reason="paddle_wwm, which can download them, is not installed here."
        ) from None
    try:
        # show a bar like PaddleHub's downloads; version 0.1 of the library always shows one
        options = {"progress": progress.show_bar} if hasattr(progress, "show_bar") else {}
        return download.fetch(name, **options)
    except errors.PaddleWWMError as error:
        raise _no_weights(name, expected=expected, reason=f"downloading them failed: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return the message without its list of ways; modules have their own list."""
    return str(error).partition(" Three ways")[0].partition("\n")[0]


def _no_weights(name: str, *, expected: Path, reason: str) -> HubModuleError:
    return HubModuleError(
        f"{name}: this module has no weights inside, {expected} does not hold them, and {reason}\nRandom weights are "
        f"never used. To provide weights, use one of these ways:\n"
        f"  1. hub.Module(…, weights=DIR) with a folder of config.json, model_state.pdparams, vocab.txt and "
        f"tokenizer_config.json.\n"
        f"  2. On a machine with a network: paddle-wwm download {name}; then copy the folder to "
        f"{expected}, or set PADDLE_WWM_HOME.\n"
        f"  3. An archive with the weights inside: paddle-wwm hub build --name {name} "
        f"--weights DIR, then hub install it."
    )


@contextlib.contextmanager
def pinned(folder: Path) -> Iterator[Path]:
    """Yield a path that keeps naming this folder even if an installer replaces it.

    Errors show the real path.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except OSError:
        yield folder
        return
    path = Path(f"/proc/self/fd/{descriptor}")
    try:
        yield path if path.exists() else folder
    except (CheckpointError, DataError, HubModuleError) as error:
        raise type(error)(str(error).replace(str(path), str(folder))) from None
    finally:
        os.close(descriptor)


def read_checkpoint(path: str | os.PathLike) -> tuple[Path, Mapping[str, np.ndarray]]:
    """Read the arrays of a fine-tuned checkpoint.

    Args:
        path: A .pdparams file, a folder of hub.Trainer, or a fine-tuned model folder.

    Returns:
        The file, and the arrays by parameter name, without the prefix "model." of a module.

    Raises:
        HubModuleError: There is no checkpoint at the path.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        found = next((path / name for name in CHECKPOINT_NAMES if (path / name).is_file()), None)
        if found is None:
            raise HubModuleError(f"{path}: holds no checkpoint ({' or '.join(CHECKPOINT_NAMES)}).")
        path = found
    if not path.is_file():
        raise HubModuleError(f"{path}: no such checkpoint.")
    arrays = read_pdparams(path)
    # Our names all have the prefix "model.". PaddleHub's own modules with two towers have "model." without "bert.", and
    # a classifier without a prefix.
    arrays = {name.removeprefix("model."): array for name, array in arrays.items()}
    return path, with_bert_in_front(arrays)


def load_checkpoint(network: nn.Layer, path: str | os.PathLike, *, task: str | None) -> None:
    """Set every parameter of a network to the values of a checkpoint.

    Raises:
        CheckpointError: Network and checkpoint do not fit; nothing is changed.
    """
    path, arrays = read_checkpoint(path)
    try:
        load_arrays(network, arrays, source=path)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} The task is {task!r}; was the checkpoint made for another task or number of classes?"
        ) from None
