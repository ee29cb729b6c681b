"""Set the parameters of a framework's class, all of them and no others."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ..errors import CheckpointError
from .names import parameters, tied_parameter
from .opening import OpenedModel
from .sorting import listed
from .spelling import spelling_of


def set_strictly(
    own: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    put: Callable[[Any, Any], object],
    model: OpenedModel,
    name: str,
) -> None:
    """Set the parameters of a class.

    Args:
        own: the parameters of the class by its names.
        given: the tensors of the files by their names.
        put: called with the parameter and the tensor.
        name: of the class, for messages.

    Raises:
        CheckpointError: a parameter is missing, not known or misshaped. Only `model.absent` parts may be missing.
    """
    file, absent = model.files[0], tuple(f"{part}." for part in model.absent)
    skipped = {name for names in model.passed_over.values() for name in names}
    spelled = [spelling_of(names, source=file) for names in (own, given)]
    targets, sources = (
        {
            standard: values[name]
            for name, standard in (spelling.names if spelling else {}).items()
            if tied_parameter(standard, model.naming) is None and name not in skipped
        }
        for spelling, values in zip(spelled, (own, given))
    )
    zeros = {
        item.foreign_name for item in parameters(model.naming, model.config, model.head) if item.name in model.filled
    }
    sources |= {key: targets[key] * 0 for key in zeros if key in targets}
    faults = {
        "missing in the file": [key for key in targets if key not in sources and not key.startswith(absent or ("\0",))],
        "not known to the class": [key for key in sources if key not in targets],
        "misshaped": [
            f"{key} {tuple(sources[key].shape)} instead of {tuple(targets[key].shape)}"
            for key in targets
            if key in sources and tuple(sources[key].shape) != tuple(targets[key].shape)
        ],
    }
    if problems := [f"{kind}: {listed(names)}" for kind, names in faults.items() if names]:
        raise CheckpointError(f"{file}: cannot be loaded into {name}. {'; '.join(problems)}.")
    for key, target in targets.items():
        if key in sources:
            put(target, sources[key])
