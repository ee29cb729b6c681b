"""Where a module's weights are, what they are of, and how they get into a network. Random weights are never used silently.

In this order: the folder that the caller names; the module's own assets; the folder of fetched models (PADDLE_WWM_HOME); fetched now.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping

import numpy as np
import paddle.nn as nn

from ..config import ModelConfig
from ..conversion.pdparams import read_pdparams
from ..errors import CheckpointError, DataError, HubModuleError
from ..model.folder import CONFIG_NAME, UNTRAINED, WEIGHTS_NAME, check_is_ours, read_json, read_model_config
from ..model.weights import load_arrays
from .labels import label_map_of
from .tasks import TASKS

ASSETS = "assets"
TASK_KEY = "finetuning_task"  # in config.json, as transformers names it
LABELS_KEY = "id2label"
POOLER, MLM_HEAD, NSP_HEAD, CLASSIFIER = "bert.pooler.", "cls.predictions.", "cls.seq_relationship.", "classifier."
CHECKPOINT_NAMES = ("model.pdparams", WEIGHTS_NAME)  # of hub.Trainer, and of model folders
LIBRARY = "paddle_wwm"  # by name: the copy inside an archive has no downloads of its own


@dataclass(frozen=True, kw_only=True)
class Description:
    """What config.json says: sizes, parts that are random, and of a fine-tuned model its task and labels."""

    config: ModelConfig
    untrained: tuple[str, ...]
    task: str | None
    label_map: dict[int, Any] | None


def find_weights(*, given: str | os.PathLike | None, module_folder: Path, name: str | None) -> Path:
    """The model folder to use. Raises HubModuleError naming every way to get one."""
    if given is not None:
        folder = Path(given).expanduser()
        if not (folder / CONFIG_NAME).is_file():
            raise HubModuleError(f"{folder}: holds no model. Give weights=DIR, a folder with config.json, model_state.pdparams and vocab.txt.")
        check_is_ours(folder)
        return folder
    if (module_folder / ASSETS / CONFIG_NAME).is_file():
        return module_folder / ASSETS
    if name is None:
        raise HubModuleError(f"{module_folder}: holds no model, and there is no name to look for. Give weights=DIR. Random weights are never used.")
    from ..download.home import find_stored, home_folder, model_folder  # not with the others: a module with its weights inside needs none of it

    home = home_folder()
    stored = find_stored(name, home=home)
    return stored.folder if stored else _fetch(name, expected=model_folder(name, home=home))


def _fetch(name: str, *, expected: Path) -> Path:
    try:
        download, errors = (importlib.import_module(f"{LIBRARY}.{part}") for part in ("download", "errors"))
    except ImportError:
        raise _no_weights(name, expected=expected, reason="paddle_wwm, which could fetch them, is not installed here.") from None
    try:
        return download.fetch(name)
    except errors.PaddleWWMError as error:
        raise _no_weights(name, expected=expected, reason=f"fetching them failed: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Without the ways that the error goes on with: those for modules follow."""
    return str(error).partition(" Three ways")[0].partition("\n")[0]


def _no_weights(name: str, *, expected: Path, reason: str) -> HubModuleError:
    return HubModuleError(
        f"{name}: this module has no weights inside, none are in {expected}, and {reason}\nRandom weights are never used. Ways to give it some:\n"
        f"  1. hub.Module(…, weights=DIR) with a folder of config.json, model_state.pdparams, vocab.txt and tokenizer_config.json.\n"
        f"  2. On a machine with a network: python scripts/download.py {name}; then copy the folder to {expected}, or set PADDLE_WWM_HOME.\n"
        f"  3. An archive with the weights inside: python scripts/build_hub_modules.py --name {name} --weights DIR, then hub install it."
    )


@contextlib.contextmanager
def pinned(folder: Path) -> Iterator[Path]:
    """The folder under a path that stays its own, even when an installer puts another in its place meanwhile. Errors show the real path."""
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


def read_description(folder: Path) -> Description:
    """Raises CheckpointError or HubModuleError for a config.json that describes no model of ours."""
    values = read_json(folder / CONFIG_NAME)
    task = values.get(TASK_KEY)
    if task is None:
        task = _task_of_architecture(values.get("architectures") or [])
    elif task not in TASKS:
        raise HubModuleError(f"{folder / CONFIG_NAME}: `{TASK_KEY}` must be one of {', '.join(filter(None, TASKS))}, but is {task!r}.")
    labels = values.get(LABELS_KEY)
    has_labels = task is not None and TASKS[task].has_classifier and task != "question-answering" and labels
    return Description(
        config=read_model_config(folder),
        untrained=tuple(values.get(UNTRAINED, ())),
        task=task,
        label_map=label_map_of(labels) if has_labels else None,
    )


def _task_of_architecture(architectures: list[str]) -> str | None:
    """Of a model that PaddleNLP has fine-tuned and saved."""
    fine_tuned = {task.architecture: name for name, task in reversed(TASKS.items()) if task.has_classifier and task.architecture != "BertModel"}
    return next((fine_tuned[architecture] for architecture in architectures if architecture in fine_tuned), None)


def load_network(network: nn.Layer, folder: Path, *, untrained: tuple[str, ...]) -> bool:
    """Set a task's network to the weights of a folder; returns whether its classifier is new. `network.bert.has_pooler` says whether that is trained.

    Raises CheckpointError naming all missing, unexpected and misshaped tensors; HubModuleError when the head of the task's network is missing.
    """
    source, targets = folder / WEIGHTS_NAME, network.state_dict()
    arrays = read_pdparams(source)
    arrays = _with_bert_in_front(arrays)
    needs_mlm_head = any(name.startswith(MLM_HEAD) for name in targets)
    if needs_mlm_head and (MLM_HEAD.rstrip(".") in untrained or not any(name.startswith(MLM_HEAD) for name in arrays)):
        raise HubModuleError(
            f"{source}: fill-mask needs the masked language model's head, which these weights lack (the published ones of the series come "
            "without it). Pretrain further with scripts/pretrain.py --init, or use task=None."
        )
    # the heads of pretraining, and of another model's task, are no part of this network
    arrays = {name: array for name, array in arrays.items() if name in targets or not name.startswith(("cls.", CLASSIFIER))}
    absent = load_arrays(network, arrays, source=source, optional=(CLASSIFIER, POOLER, NSP_HEAD))
    network.bert.has_pooler = POOLER.rstrip(".") not in untrained and not any(name.startswith(POOLER) for name in absent)
    return any(name.startswith(CLASSIFIER) for name in absent)


def _with_bert_in_front(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The names of a bare BertModel, as PaddleNLP saves it, as those of a model that has one."""
    if any(name.startswith("bert.") for name in arrays):
        return dict(arrays)
    return {name if name.startswith(("cls.", CLASSIFIER)) else f"bert.{name}": array for name, array in arrays.items()}


def read_checkpoint(path: str | os.PathLike) -> tuple[Path, Mapping[str, np.ndarray]]:
    """The arrays of a fine-tuned checkpoint: a .pdparams file, or a folder of hub.Trainer's or of a fine-tuned model; as (file, arrays).

    Names are those of the network, without the "model." that a module puts in front. Raises HubModuleError for a path without one.
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
    # ours have "model." in front of all names; PaddleHub's own modules of two towers have "model." without "bert." and a bare classifier
    arrays = {name.removeprefix("model."): array for name, array in arrays.items()}
    return path, _with_bert_in_front(arrays)


def load_checkpoint(network: nn.Layer, path: str | os.PathLike, *, task: str | None) -> None:
    """Set every parameter of a network to a checkpoint's. Raises CheckpointError, nothing changed, where they do not fit each other."""
    path, arrays = read_checkpoint(path)
    try:
        load_arrays(network, arrays, source=path)
    except CheckpointError as error:
        raise CheckpointError(f"{error} The task is {task!r}; was the checkpoint made for another task or number of classes?") from None


def warn_of_new_classifier(task: str | None) -> None:
    """Results of a classifier that nobody trained mean nothing."""
    warnings.warn(
        f"the classifier of {task} is new and random: its results mean nothing until it is trained. Train it, or give load_checkpoint=FILE.",
        stacklevel=4,
    )
