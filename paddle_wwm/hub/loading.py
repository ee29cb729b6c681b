"""Load the parts of a module from its model folder: the task with its labels, the network, the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

import paddle.nn as nn

from ..errors import HubModuleError
from ..model.folder import VOCAB_NAME
from ..model.tokenizer_settings import read_do_lower_case
from ..model_config import ModelConfig
from ..tasks.model_folder import label_map_of, load_network, read_description
from ..tasks.task import Task
from ..tasks.task_table import task_class
from ..tokenization.vocab import Vocab, load_vocab
from .weights import pinned


@dataclass(frozen=True, kw_only=True)
class ModuleParts:
    """The parts of a module.

    Attributes:
        has_new_classifier: True if the weights of the classifier are random.
    """

    task: Task
    label_map: dict[int, Any]
    config: ModelConfig
    network: nn.Layer
    vocab: Vocab
    do_lower_case: bool
    has_new_classifier: bool


def load_parts(
    folder: Path,
    *,
    task: str | None,
    label_map: Mapping[Any, Any] | Sequence[Any] | None,
    num_classes: int | None,
    suffix: bool,
) -> ModuleParts:
    """Load the parts of a module for a task; None: the task of the folder.

    Raises:
        HubModuleError: The folder does not fit the task or the labels.
    """
    kind = task_class(task)
    with pinned(folder) as source:
        description = read_description(source)
        if task is None and description.task is not None:
            kind = task_class(description.task)
        # seq-cls and multi-label have the same network: PaddleNLP's folders do not record which task it is
        is_of_task = description.task is not None and task_class(description.task).architecture == kind.architecture
        if kind.has_classifier and description.task is not None and not is_of_task:
            raise HubModuleError(f"{folder}: holds a model of task {description.task!r}, not of {task!r}.")
        own_labels = description.label_map if is_of_task else None
        if own_labels is not None and label_map is not None and len(label_map_of(label_map)) != len(own_labels):
            raise HubModuleError(f"{folder}: has {len(own_labels)} classes, but `label_map` has {len(label_map)}.")
        if label_map is not None and not kind.has_classifier:
            raise HubModuleError(f"`label_map` needs a task that has labels, but the task is {kind.name!r}.")
        labels = label_map_of(own_labels if label_map is None else label_map, num_classes=num_classes)
        task_of_module = kind(labels=tuple(labels.values()), suffix=suffix)
        network = task_of_module.make_network(description.config)
        parts = ModuleParts(
            task=task_of_module,
            label_map=labels,
            config=description.config,
            network=network,
            has_new_classifier=load_network(network, source, untrained=description.untrained),
            vocab=load_vocab(source / VOCAB_NAME),
            do_lower_case=read_do_lower_case(source),
        )
    if len(parts.vocab) != description.config.vocab_size:
        raise HubModuleError(
            f"{folder}: vocab.txt has {len(parts.vocab)} entries, but the model has {description.config.vocab_size}."
        )
    return parts
