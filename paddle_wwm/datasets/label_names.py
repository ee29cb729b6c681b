"""Names for the labels of data files: words instead of 0 and 1, so that a fine-tuned model predicts words.

Reading, training and scoring use the labels of the files. Only the model folder has the names, as its label map.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, Sequence

from ..errors import ConfigError

_ENTITY_LABEL = re.compile("O|[BIMES]-.+")


def only_numbers(labels: Sequence[str]) -> bool:
    """Return True if all labels are numbers, which mean nothing to a reader."""
    return bool(labels) and all(label.removeprefix("-").isdecimal() for label in labels)


def is_entity_label(label: str) -> bool:
    """Return True for O, and for B-, I-, M-, E- or S- before a type."""
    return _ENTITY_LABEL.fullmatch(label) is not None


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels by class number: numbers by size, words by alphabet."""
    found = sorted(labels)
    return tuple(sorted(found, key=int) if only_numbers(found) else found)


def names_of_labels(
    labels: Sequence[str], given: Mapping[str, str] | Sequence[str], *, is_ordered: bool, flag: str = "--label-names"
) -> tuple[str, ...]:
    """Return the name of each label.

    Args:
        labels: the labels in the data files, by class number.
        given: names by label; or a list of names, in the order of the labels.
        is_ordered: False if the labels are in alphabetical order because nothing else is known. A list then belongs to
            the numbers in their order; for labels that are words it would be a guess.
        flag: the flag that gave the names, for errors.

    Raises:
        ConfigError: labels and names do not match one to one.
    """
    shown = ", ".join(labels)
    if not labels:
        raise ConfigError(f"{flag} is for tasks with labels, but this task has none; leave it out.")
    if isinstance(given, str) or not isinstance(given, (Mapping, Sequence)):
        raise ConfigError(f"{flag} must be a list of names or a map, but is {given!r}.")
    if isinstance(given, Mapping):
        by_label = {str(label): name for label, name in given.items()}
        if by_label.keys() != set(labels) or len(by_label) != len(given):
            raise ConfigError(
                f"{flag} must name each label of the data once, {shown}, but names {', '.join(by_label)}."
            )
    else:
        if not is_ordered and not only_numbers(labels):
            raise ConfigError(
                f"{flag} must be a map here, because the labels of the data are words: "
                f'{{"{labels[0]}": "…", …}} with {shown}.'
            )
        if len(given) != len(labels):
            raise ConfigError(
                f"{flag} must have {len(labels)} names, for {shown}, but has {len(given)}: "
                f"{', '.join(map(str, given))}."
            )
        by_label = dict(zip(labels, given))
    names = tuple(by_label[label] for label in labels)
    if not all(isinstance(name, str) and name.strip() for name in names) or len(set(names)) != len(names):
        raise ConfigError(f"{flag} must have a different word for each label, but has {list(names)}.")
    if any(name != label and name in labels for name, label in zip(names, labels)):
        raise ConfigError(
            f"{flag} must not give a label the name of another one, but names {shown} {', '.join(names)}."
        )
    return names


def data_labels_of(recorded: Any, *, names: Sequence[str], labels: set[str]) -> dict[str, str]:
    """Return the labels of data files by the names that a model predicts.

    Args:
        recorded: the value of `finetuning_labels` in the model's config.json, or None.
        names: the labels that the model predicts.
        labels: the labels in the data, as far as they are known.

    Returns:
        An empty map if the model predicts the labels of the data already.
    """
    if not isinstance(recorded, list) or len(recorded) != len(names) or labels <= set(names):
        return {}
    by_name = dict(zip(names, map(str, recorded)))
    return by_name if labels <= set(by_name.values()) else {}


def data_labels_by_name(names: Sequence[str], given: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return the labels of data files by the names that a model predicts.

    Args:
        names: the labels that the model predicts, by class number.
        given: the labels in the data files, in the order of `names`; or the names by label.

    Raises:
        ConfigError: the labels do not match the names one to one.
    """
    if not isinstance(given, Mapping):
        return dict(zip(names, names_of_labels(names, given, is_ordered=True, flag="--labels")))
    by_name = {str(name): str(label) for label, name in given.items()}
    if set(by_name) != set(names) or len(by_name) != len(given):
        raise ConfigError(
            f"--labels must give a label of the data to each label that the model predicts, {', '.join(names)}, but "
            f"gives {', '.join(f'{label} = {name}' for label, name in given.items())}."
        )
    return by_name
