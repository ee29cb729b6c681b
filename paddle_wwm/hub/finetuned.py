"""Write a fine-tuned checkpoint as a model folder: weights, and the task and labels in config.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HubModuleError
from ..model.folder import CONFIG_NAME
from ..tasks.model_folder import label_map_of

SHOWN_LABELS = 10


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """A fine-tuned checkpoint that was written as a model folder.

    Attributes:
        task: Its task.
        labels: The labels by class number; empty: the task has none.
    """

    task: str
    labels: tuple[Any, ...]

    @property
    def description(self) -> str:
        """What the model is, in one sentence."""
        shown = ", ".join(map(str, self.labels[:SHOWN_LABELS])) + (" …" if len(self.labels) > SHOWN_LABELS else "")
        labels = f", {len(self.labels)} labels: {shown}" if self.labels else ""
        return f"A BERT, fine-tuned for {self.task}{labels}."

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages for the user."""
        if self.labels and all(str(label).isdecimal() for label in self.labels):
            return (
                f"its labels are only numbers ({', '.join(map(str, self.labels[:SHOWN_LABELS]))}), so predict returns "
                f"numbers; name them with --label-map, such as --label-map bad,good",
            )
        return ()


def write_finetuned_model(
    folder: Path, *, checkpoint: Path, base: Path | None, task: str | None, label_map: Any
) -> FineTuned:
    """Write a fine-tuned checkpoint as a model folder; return its task and labels.

    Args:
        folder: The folder to write.
        checkpoint: A checkpoint of hub.Trainer, or a fine-tuned model folder.
        base: The folder with config.json and the vocabulary; None: the checkpoint's own folder.
        task: The task; None: the one in config.json.
        label_map: The labels by class number; None: those in config.json.

    Raises:
        HubModuleError: Something is missing or does not fit.
    """
    from ..tasks.model_folder import read_description, write_finetuned
    from ..tasks.task_table import task_class
    from .weights import load_checkpoint

    source = base or (checkpoint if checkpoint.is_dir() else checkpoint.parent)
    if not (source / CONFIG_NAME).is_file():
        raise HubModuleError(
            f"{source}: has no {CONFIG_NAME}; name the model that the checkpoint was fine-tuned from with "
            f"--weights DIR."
        )
    description = read_description(source)
    task = task or description.task
    if task is None:
        raise HubModuleError(
            f"{checkpoint}: the task it was fine-tuned for is not recorded; give --task seq-cls (or another task)."
        )
    kind = task_class(task)
    needs_labels = kind.needs_labels
    if needs_labels and label_map is None and description.label_map is None:
        raise HubModuleError(f"{checkpoint}: the names of its classes are not recorded; give --label-map FILE.")
    labels = (
        label_map_of(description.label_map if label_map is None else label_map)
        if needs_labels
        else description.label_map or {}
    )
    network = kind(labels=tuple(labels.values())).make_network(description.config)
    load_checkpoint(network, checkpoint, task=task)
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    write_finetuned(folder, arrays=arrays, source=source, task=task, label_map=labels)
    return FineTuned(task=task, labels=tuple(labels.values()))


def read_label_file(path: Path) -> Any:
    """Read labels from JSON ({"0": "no", …} or a list) or text, one label per line.

    Raises:
        HubModuleError: The file cannot be read.
    """
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
