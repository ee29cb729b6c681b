"""Match the labels that a model or a file of predictions has with the labels of the data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

from ..datasets.dataset import Dataset, Split
from ..datasets.label_names import data_labels_by_name, data_labels_of, in_order
from ..datasets.readers.file import excerpt
from ..datasets.readers.splits import labels_of
from ..errors import ConfigError, DataError
from ..model.config_keys import DATA_LABELS_KEY
from ..model.folder import read_config
from ..tasks.examples import TaskName
from ..tasks.model_folder import read_description

GivenLabels = Mapping[str, str] | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class LabelMatch:
    """The labels of an evaluation.

    Attributes:
        dataset: the data set, with its labels as far as they are known before its file is read.
        names: the labels that the model predicts, by class number. Empty for a file of predictions, and for reading
            comprehension.
        recorded: the labels of the data that the model was fine-tuned on, if its folder has them.
        in_data: the labels of the data by predicted label, if they differ.
    """

    dataset: Dataset
    names: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()
    in_data: Mapping[str, str] = field(default_factory=dict)

    def in_labels_of_data(self, predicted: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Return a prediction with the labels of the data."""
        if isinstance(predicted, str):
            return self.in_data.get(predicted, predicted)
        return tuple(self.in_data.get(label, label) for label in predicted)


def given_labels(dataset: Dataset, *, model: Path | None, given: GivenLabels | None) -> LabelMatch:
    """Return the labels that are known before the file of the split is read.

    Args:
        dataset: the data set.
        model: the model, or None for a file of predictions.
        given: the value of --labels. For a model: the labels of the data in the order of the model's, or the labels of
            the model by label of the data. For predictions: the labels of the data, or the predicted words by label.

    Raises:
        ConfigError: the given labels do not match those of the model or of the data set.
    """
    if dataset.task is TaskName.QUESTION_ANSWERING:
        if given is not None:
            raise ConfigError("--labels is for tasks with labels, but reading comprehension has none; leave it out.")
        return LabelMatch(dataset=dataset)
    names, recorded = ((), ()) if model is None else _labels_of_model(model)
    if given is None:
        # a reader takes -1 for a missing label unless it knows the class
        known = next((labels for labels in (recorded, names) if "-1" in labels), ())
        labels = dataset.labels or tuple(known)
        return LabelMatch(dataset=dataclasses.replace(dataset, labels=labels), names=names, recorded=recorded)
    if model is not None:
        in_data = data_labels_by_name(names, given)
        if not isinstance(given, Mapping) and set(given) == set(recorded) and tuple(given) != recorded:
            raise ConfigError(
                f"--labels must be {','.join(recorded)}, the order in which {model} was trained on them, but is "
                f"{','.join(given)}; for another meaning, give a map."
            )
    else:
        pairs = given.items() if isinstance(given, Mapping) else zip(given, given)
        in_data = {str(name): str(label) for label, name in pairs}
        if len(in_data) != len(given) or len(set(in_data.values())) != len(given):
            raise ConfigError(f"--labels must give each label another word, but is {given}.")
    labels = tuple(in_data.values())
    if dataset.labels and set(labels) != set(dataset.labels):
        raise ConfigError(
            f"--labels must have the labels of {dataset.title}, {', '.join(dataset.labels)}, but has "
            f"{', '.join(labels)}."
        )
    dataset = dataclasses.replace(dataset, labels=dataset.labels or labels)
    return LabelMatch(dataset=dataset, names=names, recorded=recorded, in_data=in_data)


def matched_labels(match: LabelMatch, split: Split, *, model: Path) -> LabelMatch:
    """Return the labels with those of the data, after a split is read.

    Raises:
        DataError: the model cannot predict the labels of the data.
    """
    dataset = match.dataset
    if dataset.task is TaskName.QUESTION_ANSWERING:
        return match
    known = set(dataset.labels) or labels_of(split)
    in_data = match.in_data or data_labels_of(list(match.recorded), names=match.names, labels=known)
    labels = tuple(in_data.get(name, name) for name in match.names)
    if (dataset.labels and set(labels) != known) or known - set(labels):
        where = dataset.title if dataset.labels else split.path
        is_recorded = bool(match.recorded) and match.recorded != match.names
        trained = f" (written {_listed(match.recorded)} in its training data)" if is_recorded else ""
        raise DataError(
            f"{model}: must predict the labels of {where}, {_listed(dataset.labels or in_order(known))}, but predicts "
            f"{_listed(match.names)}{trained}. If they are the same classes in other words, give the labels of the "
            f"data with --labels, in the order of the model's. Rows with another label can be left out with "
            f"--drop-label. Otherwise the model was fine-tuned for another task."
        )
    return dataclasses.replace(
        match, dataset=dataclasses.replace(dataset, labels=dataset.labels or labels), in_data=in_data
    )


def _listed(labels: Sequence[str]) -> str:
    return excerpt(", ".join(labels), limit=300)


def _labels_of_model(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels that a model predicts, and those of its data."""
    names = tuple(map(str, (read_description(folder).label_map or {}).values()))
    recorded = read_config(folder).get(DATA_LABELS_KEY)
    if not isinstance(recorded, list) or len(recorded) != len(names):
        return names, ()
    return names, tuple(map(str, recorded))
