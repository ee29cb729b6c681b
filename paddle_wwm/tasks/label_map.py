"""Class numbers and their names."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..errors import HubModuleError

DEFAULT_NUM_CLASSES = 2  # PaddleHub's


def label_map_of(
    label_map: Mapping[Any, Any] | Sequence[Any] | None, *, num_classes: int | None = None
) -> dict[int, Any]:
    """{0: label, 1: label, …} from a map (JSON's keys, texts, are understood) or a list; without one the labels are
    the numbers themselves.

    Raises HubModuleError for numbers that leave gaps, labels that stand twice, and a `num_classes` that says otherwise.
    """
    if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
        raise HubModuleError(f"`num_classes` must be at least 1, but is {num_classes!r}.")
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
        raise HubModuleError(f"`label_map` must give every class a name of its own, but has {names}.")
    if num_classes is not None and num_classes != len(names):
        raise HubModuleError(
            f"`num_classes` is {num_classes}, but `label_map` has {len(names)} labels; give one of the two."
        )
    return dict(enumerate(names))
