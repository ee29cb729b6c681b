"""The names of the classes in a config.json: id2label and label2id."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError

ID2LABEL, LABEL2ID = "id2label", "label2id"
PLACEHOLDER = "LABEL_{}"  # of transformers and PaddleNLP
MAX_SHOWN = 8


def placeholder_labels(count: int) -> tuple[str, ...]:
    """Return the names that transformers gives to classes without names."""
    return tuple(PLACEHOLDER.format(number) for number in range(count))


def stated_labels(values: Mapping[str, Any], *, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels in the order of their numbers, and notes for the user.

    `id2label` decides, as in the pipelines of transformers. Without it, `label2id` is used. There are no labels if
    neither is stated: transformers leaves out its default, two placeholders.

    Raises:
        CheckpointError: the numbers are not 0, 1, 2, …, a name occurs twice or is empty, or both keys give the same
            names other numbers.
    """
    by_id = _by_number(values, ID2LABEL, path=path) if values.get(ID2LABEL) else {}
    by_name = _by_number(values, LABEL2ID, path=path) if values.get(LABEL2ID) else {}
    labels = by_id or by_name
    if not labels:
        return (), ()
    key = ID2LABEL if by_id else LABEL2ID
    if sorted(labels) != list(range(len(labels))):
        raise CheckpointError(
            f"{path}: `{key}` must number the labels 0, 1, 2, … without gaps, but has {_shown(sorted(labels))}."
        )
    names = tuple(labels[number] for number in range(len(labels)))
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise CheckpointError(f"{path}: `{key}` must give every class another name, but has {_shown(twice)} twice.")
    if not by_id or not by_name or by_id == by_name:
        return names, ()
    if set(by_name.values()) == set(names):
        raise CheckpointError(
            f"{path}: `{ID2LABEL}` and `{LABEL2ID}` give the same labels other numbers ({_shown(list(names))} against "
            f"{_shown([by_name[number] for number in sorted(by_name)])}); correct the wrong one."
        )
    return names, (f"`{LABEL2ID}` in {path.name} has other names than `{ID2LABEL}`; the latter were used.",)


def _by_number(values: Mapping[str, Any], key: str, *, path: Path) -> dict[int, str]:
    """Return the labels of id2label or label2id by their numbers."""
    stated = values[key]
    if not isinstance(stated, dict):
        raise CheckpointError(f"{path}: `{key}` must be an object, but is {str(stated)[:60]!r}.")
    pairs = stated.items() if key == ID2LABEL else ((number, name) for name, number in stated.items())
    found: dict[int, str] = {}
    for number, name in pairs:
        text = str(number)
        if isinstance(number, bool) or not re.fullmatch("[0-9]{1,9}", text):
            raise CheckpointError(
                f"{path}: `{key}` must give whole numbers from 0 to the labels, but has {text[:40]!r} for "
                f"{str(name)[:40]!r}. It has the form "
                + ('{"0": "no", "1": "yes"}.' if key == ID2LABEL else '{"no": 0, "yes": 1}.')
            )
        if isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name):
            raise CheckpointError(f"{path}: `{key}` must name class {text}, but the name is {str(name)[:40]!r}.")
        if int(text) in found:
            raise CheckpointError(f"{path}: `{key}` has class {int(text)} twice.")
        found[int(text)] = str(name)
    return found


def _shown(names: list[Any]) -> str:
    return ", ".join(map(str, names[:MAX_SHOWN])) + (" …" if names[MAX_SHOWN:] else "")
