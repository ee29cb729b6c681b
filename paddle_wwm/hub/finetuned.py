"""Write a fine-tuned checkpoint as a model folder: weights, and the task and labels in config.json."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

from ..conversion.our_form import in_our_form
from ..errors import HubModuleError
from ..model.folder import CONFIG_NAME, model_folder_in
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


@dataclass(frozen=True, kw_only=True)
class Packed:
    """The model folder that goes into a module.

    Attributes:
        folder: The folder; None: the module gets no weights.
        base: The folder of the weights that the user gave, in our form.
        finetuned: The task and the labels of a fine-tuned model.
        notes: Messages for the user.
    """

    folder: Path | None
    base: Path | None = None
    finetuned: FineTuned | None = None
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def model_to_pack(
    weights: Path | None, *, checkpoint: Path | None, task: str | None, label_map: Any
) -> Iterator[Packed]:
    """Yield the model folder that goes into a module.

    Args:
        weights: A model folder of any format, which may be fine-tuned; or the base of the checkpoint.
        checkpoint: A fine-tuned checkpoint.
        task, label_map: Those of the fine-tuned model; None: those in its config.json.

    Raises:
        CheckpointError, HubModuleError: The weights or the checkpoint cannot be used.
    """
    labels = None if label_map is None else [str(name) for name in label_map_of(label_map).values()]
    with contextlib.ExitStack() as stack:
        base, notes = weights, tuple[str, ...]()
        if weights is not None:
            of_weights: dict[str, Any] = {} if checkpoint is not None else {"task": task, "labels": labels}
            ours = stack.enter_context(in_our_form(weights, **of_weights))
            base, notes = ours.folder, ours.notes
            if checkpoint is None and base == model_folder_in(weights) and (task, label_map) != (None, None):
                checkpoint = base  # with another task or other labels
        if checkpoint is None:
            finetuned = None if base is None else _finetuned_in(base)
            folder = base
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            finetuned = write_finetuned_model(folder, checkpoint=checkpoint, base=base, task=task, label_map=label_map)
        yield Packed(
            folder=folder, base=base, finetuned=finetuned, notes=(*notes, *(finetuned.notes if finetuned else ()))
        )


def _finetuned_in(folder: Path) -> FineTuned | None:
    """Return the task and the labels of a model folder; None if it was not fine-tuned."""
    from ..tasks.model_folder import read_description
    from ..tasks.task_table import task_class

    if not (folder / CONFIG_NAME).is_file():
        return None  # `check_model_folder` reports it
    description = read_description(folder)
    if description.task is None:
        return None
    if task_class(description.task).needs_labels and description.label_map is None:
        raise HubModuleError(f"{folder}: the names of its classes are not recorded; give --label-map FILE.")
    return FineTuned(task=description.task, labels=tuple((description.label_map or {}).values()))


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
