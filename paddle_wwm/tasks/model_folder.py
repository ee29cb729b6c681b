"""The folder of a fine-tuned model: a model folder whose config.json also names the task and its classes.

    config.json  "finetuning_task": "seq-cls"    a name of `task_table.TASKS`
                 "id2label": {"0": "no", …}      the classes; for question-answering the kinds of answers, if any
                 "architectures": […]            the class of PaddleNLP that can load the folder

Random weights are never used silently.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import paddle.nn as nn

from ..errors import HubModuleError
from ..files import write_json
from ..model.config_keys import ANSWER_KINDS, LABELS_KEY, TASK_KEY, UNTRAINED
from ..model.folder import (
    CLASSIFIER,
    CONFIG_NAME,
    HEAD_PREFIXES,
    KIND_CLASSIFIER,
    TOKENIZER_CONFIG_NAME,
    VOCAB_NAME,
    read_config,
    read_model_config,
    tokenizer_config,
    with_bert_in_front,
)
from ..model.weights import load_arrays
from ..model_config import ModelConfig
from ..weights import WEIGHTS_NAME
from ..weights.pdparams import read_pdparams, write_pdparams
from .options import checked
from .task_table import TASKS, task_names

DEFAULT_NUM_CLASSES = 2  # PaddleHub's
POOLER, MLM_HEAD, NSP_HEAD = "bert.pooler.", "cls.predictions.", "cls.seq_relationship."


@dataclass(frozen=True, kw_only=True)
class Description:
    """The contents of config.json.

    Attributes:
        config: the sizes of the model.
        untrained: the parts of the model that are random.
        task: the task of a fine-tuned model, or None.
        label_map: the labels of a fine-tuned model by number, or None.
    """

    config: ModelConfig
    untrained: tuple[str, ...]
    task: str | None
    label_map: dict[int, Any] | None


def read_description(folder: Path) -> Description:
    """Read config.json.

    Raises:
        CheckpointError, HubModuleError: it does not describe a model that this package can load.
    """
    values = read_config(folder)
    task = values.get(TASK_KEY)
    if task is None:
        task = _task_of_architecture(values.get("architectures") or [])
    elif task not in TASKS:
        raise HubModuleError(
            f"{folder / CONFIG_NAME}: `{TASK_KEY}` must be one of {', '.join(task_names())}, but is {task!r}."
        )
    labels = values.get(LABELS_KEY)
    label_map = label_map_of(labels) if task is not None and labels and _has_labels(task, labels) else None
    return Description(
        config=read_model_config(folder), untrained=tuple(values.get(UNTRAINED, ())), task=task, label_map=label_map
    )


def _has_labels(task: str, labels: Any) -> bool:
    # PaddleNLP writes placeholder labels even for reading comprehension
    are_kinds = isinstance(labels, dict) and tuple(labels.values()) == ANSWER_KINDS
    return TASKS[task].has_classifier and (TASKS[task].needs_labels or are_kinds)


def _task_of_architecture(architectures: list[str]) -> str | None:
    """Return the task of a model that PaddleNLP has fine-tuned and saved."""
    # several tasks share a class of PaddleNLP; the first one is used: seq-cls, not multi-label
    found = (
        task.name
        for architecture in architectures
        for task in TASKS.values()
        if task.has_classifier and task.architecture == architecture != "BertModel"
    )
    return next(found, None)


def load_network(network: nn.Layer, folder: Path, *, untrained: tuple[str, ...], with_classifier: bool = True) -> bool:
    """Load the weights of a folder into a task's network.

    `network.bert.has_pooler` becomes True if the pooler is trained, otherwise False.

    Args:
        network: made by `Task.make_network`.
        folder: the model folder.
        untrained: `Description.untrained` of the folder.
        with_classifier: False ignores the folder's classifier.

    Returns:
        True if the network's classifier is random, because the folder has none or it was ignored.

    Raises:
        CheckpointError: tensors are missing, unexpected or misshaped; the message names all of them.
        HubModuleError: the weights have no masked-LM head, but the task needs it.
    """
    source, targets = folder / WEIGHTS_NAME, network.state_dict()
    arrays = with_bert_in_front(read_pdparams(source))
    needs_mlm_head = any(name.startswith(MLM_HEAD) for name in targets)
    if needs_mlm_head and (MLM_HEAD.rstrip(".") in untrained or not any(name.startswith(MLM_HEAD) for name in arrays)):
        raise HubModuleError(
            f"{source}: fill-mask needs the masked language model's head, which these weights lack (the "
            "published weights of the series have no head). Pretrain further with paddle-wwm pretrain --init, or "
            "use task=None."
        )
    # this network has neither the heads of pretraining nor those of another task
    arrays = {name: array for name, array in arrays.items() if name in targets or not name.startswith(HEAD_PREFIXES)}
    if not with_classifier:
        arrays = {name: array for name, array in arrays.items() if not name.startswith((CLASSIFIER, KIND_CLASSIFIER))}
    absent = load_arrays(network, arrays, source=source, optional=(CLASSIFIER, KIND_CLASSIFIER, POOLER, NSP_HEAD))
    network.bert.has_pooler = POOLER.rstrip(".") not in untrained and not any(
        name.startswith(POOLER) for name in absent
    )
    return any(name.startswith((CLASSIFIER, KIND_CLASSIFIER)) for name in absent)


def write_finetuned(
    folder: Path,
    *,
    arrays: Mapping[str, np.ndarray],
    source: Path,
    task: str,
    label_map: Mapping[int, Any],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write the model folder of a fine-tuned network.

    Args:
        folder: an empty folder.
        arrays: the network's state.
        source: the model folder that fine-tuning started from; its sizes and vocabulary are copied.
        task: the name of the task.
        label_map: the labels by number; empty if the task has no labels.
        notes: more entries for config.json.
    """
    write_pdparams(folder / WEIGHTS_NAME, dict(arrays))
    left_out = (UNTRAINED, TASK_KEY, LABELS_KEY, "label2id", "problem_type")
    values = {name: value for name, value in read_config(source).items() if name not in left_out}
    values |= {"architectures": [TASKS[task].architecture], TASK_KEY: task, **(notes or {})}
    trains_pooler = TASKS[task](labels=tuple(label_map.values())).reads_pooler
    if POOLER.rstrip(".") in read_config(source).get(UNTRAINED, ()) and not trains_pooler:
        values[UNTRAINED] = [POOLER.rstrip(".")]
    if label_map:
        values[LABELS_KEY] = {str(number): label for number, label in label_map.items()}
        values["label2id"] = {str(label): number for number, label in label_map.items()}
    if task == "multi-label":
        values["problem_type"] = "multi_label_classification"
    write_json(folder / CONFIG_NAME, values)
    shutil.copyfile(source / VOCAB_NAME, folder / VOCAB_NAME)
    if (source / TOKENIZER_CONFIG_NAME).is_file():
        shutil.copyfile(source / TOKENIZER_CONFIG_NAME, folder / TOKENIZER_CONFIG_NAME)
    else:
        write_json(folder / TOKENIZER_CONFIG_NAME, tokenizer_config(read_model_config(source), do_lower_case=True))


def label_map_of(
    label_map: Mapping[Any, Any] | Sequence[Any] | None, *, num_classes: int | None = None
) -> dict[int, Any]:
    """Return {0: label, 1: label, …}.

    Without a `label_map` the labels are the numbers.

    Args:
        label_map: a map from numbers (or their texts, as in JSON) to labels, or a list of labels.
        num_classes: the number of classes, if it is given.

    Raises:
        HubModuleError: the numbers have gaps, a label occurs twice, or `num_classes` does not match.
    """
    try:
        num_classes = checked(num_classes=num_classes)["num_classes"]
    except ValueError as error:
        raise HubModuleError(str(error)) from None
    if label_map is None:
        return {number: number for number in range(DEFAULT_NUM_CLASSES if num_classes is None else num_classes)}
    if isinstance(label_map, (str, bytes)) or not isinstance(label_map, (Mapping, Sequence)):
        raise HubModuleError(
            f"`label_map` must map class numbers to labels, such as {{0: 'no', 1: 'yes'}}, but is "
            f"{type(label_map).__name__}."
        )
    pairs = list(label_map.items() if isinstance(label_map, Mapping) else enumerate(label_map))
    try:
        labels = {int(number): label for number, label in pairs}
    except (TypeError, ValueError):
        raise HubModuleError(
            "`label_map` must have class numbers as keys and labels as values, such as {0: 'no', 1: 'yes'}."
        ) from None
    if not labels or len(labels) != len(pairs) or sorted(labels) != list(range(len(labels))):
        raise HubModuleError(
            f"`label_map` must number the labels 0, 1, 2, … without gaps, but has {sorted(map(str, dict(pairs)))}."
        )
    names = [labels[number] for number in range(len(labels))]
    if not all(isinstance(name, (str, int)) for name in names) or len(set(names)) != len(names):
        raise HubModuleError(f"`label_map` must give every class a different name, but has {names}.")
    if num_classes is not None and num_classes != len(names):
        raise HubModuleError(
            f"`num_classes` is {num_classes}, but `label_map` has {len(names)} labels; give only one of the two."
        )
    return dict(enumerate(names))
