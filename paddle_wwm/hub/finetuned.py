"""A fine-tuned checkpoint as a model folder: its network's weights, its task and its labels in config.json."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..conversion.pdparams import write_pdparams
from ..errors import HubModuleError
from ..files import write_json
from ..model.folder import CONFIG_NAME, TOKENIZER_CONFIG_NAME, UNTRAINED, VOCAB_NAME, WEIGHTS_NAME, read_json, tokenizer_config
from .labels import label_map_of


def write_finetuned_model(folder: Path, *, checkpoint: Path, base: Path | None, task: str | None, label_map: Any) -> str:
    """Write the model folder of a checkpoint of hub.Trainer's or of a fine-tuned model folder into `folder`; returns the task.

    `base` has config.json and the vocabulary where the checkpoint lies without them. Raises HubModuleError for what is missing or does not fit.
    """
    from .tasks import task_class
    from .weights import LABELS_KEY, TASK_KEY, load_checkpoint, read_description

    source = base or (checkpoint if checkpoint.is_dir() else checkpoint.parent)
    if not (source / CONFIG_NAME).is_file():
        raise HubModuleError(f"{source}: has no {CONFIG_NAME}; name the model that the checkpoint was fine-tuned from with --weights DIR.")
    description = read_description(source)
    task = task or description.task
    if task is None:
        raise HubModuleError(f"{checkpoint}: does not say what it was fine-tuned for; give --task seq-cls (or another task).")
    kind = task_class(task)
    needs_labels = kind.has_classifier and task != "question-answering"
    if needs_labels and label_map is None and description.label_map is None:
        raise HubModuleError(f"{checkpoint}: does not say what its classes are called; give --label-map FILE.")
    labels = label_map_of(description.label_map if label_map is None else label_map) if needs_labels else {}
    network = kind(label_map=labels).make_network(description.config)
    load_checkpoint(network, checkpoint, task=task)
    write_pdparams(folder / WEIGHTS_NAME, {name: tensor.numpy() for name, tensor in network.state_dict().items()})
    values = {name: value for name, value in read_json(source / CONFIG_NAME).items() if name != UNTRAINED}
    values |= {"architectures": [kind.architecture], TASK_KEY: task}
    if needs_labels:
        values[LABELS_KEY] = {str(number): label for number, label in labels.items()}
        values["label2id"] = {str(label): number for number, label in labels.items()}
    if task == "multi-label":
        values["problem_type"] = "multi_label_classification"
    write_json(folder / CONFIG_NAME, values)
    shutil.copyfile(source / VOCAB_NAME, folder / VOCAB_NAME)
    if (source / TOKENIZER_CONFIG_NAME).is_file():
        shutil.copyfile(source / TOKENIZER_CONFIG_NAME, folder / TOKENIZER_CONFIG_NAME)
    else:
        write_json(folder / TOKENIZER_CONFIG_NAME, tokenizer_config(description.config, do_lower_case=True))
    return task


def read_label_file(path: Path) -> Any:
    """Labels from JSON ({"0": "no", …} or a list) or from a text file, one a line. Raises HubModuleError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HubModuleError(f"{path}: cannot be read as a label map: {error}.") from None
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError as error:
            raise HubModuleError(f"{path}: not valid JSON: {error}.") from None
    return text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
