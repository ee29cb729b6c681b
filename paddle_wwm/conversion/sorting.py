"""Sort the tensors of a file: parameters of a BERT, what is skipped, what may be dropped, and what is refused."""

from __future__ import annotations

import collections
import dataclasses
import re
from dataclasses import dataclass
from typing import Mapping

import numpy as np

from ..errors import CheckpointError
from ..model_config import ModelConfig
from ..weights.opening import WeightsFiles
from ..weights.tensors import FLOAT_TYPES, ArrayTensor, Tensor, cast, same_bytes, transposed
from .extras import check_buffer, refusal
from .heads import ONLY_THE_ENCODER, Head, HeadKind, is_head
from .names import HEAD_NAME, Naming, Parameter, parameters, tied_parameter
from .spelling import Spelling

MAX_NAMES_TOLD = 8
DECODER_BIAS = "cls.predictions.decoder_bias"
NEXT_TO_A_HEAD = "tensors of pretraining heads, which a fine-tuned model does not use"


@dataclass(frozen=True, kw_only=True)
class SortedTensors:
    """The tensors of a file.

    Args:
        tensors: by their names in Paddle, with their shapes in Paddle.
        unexpected: tensors of other parts, such as a fine-tuned head.
        refused: (what it is, the reason or remedy) -> tensors that change the outputs.
        not_floats: tensors that are no floating-point numbers, and why.
        skipped: reason -> tensors that are not needed.
        filled: parameters that the file does not have and that are zeros.
    """

    tensors: Mapping[str, Tensor]
    unexpected: tuple[str, ...]
    refused: Mapping[tuple[str, str], tuple[str, ...]]
    not_floats: tuple[str, ...]
    skipped: Mapping[str, tuple[str, ...]]
    filled: tuple[str, ...] = ()


def sort_tensors(weights: WeightsFiles, spelling: Spelling, *, kind: HeadKind | None = None) -> SortedTensors:
    """Give the parameters Paddle's names and shapes, and list all other tensors.

    Args:
        kind: the kind of the head of a fine-tuned model. The heads of pretraining are then skipped.

    Raises:
        CheckpointError: a parameter is stored twice, a tied copy differs, or a buffer holds other numbers than a BERT
            computes with.
    """
    naming, file = spelling.naming, str(weights.files[0])
    known = _any_depth(naming, num_tensors=len(weights.tensors), kind=kind)
    tensors: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    tied: list[tuple[str, str, Tensor]] = []
    unexpected, not_floats = [], []
    refused: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    skipped: dict[str, list[str]] = collections.defaultdict(list)
    for name, reason in spelling.skipped.items():
        check_buffer(name, weights.tensors[name], reason=reason, source=file)
        skipped[reason].append(name)
    for name, standard in spelling.names.items():
        tensor = weights.tensors[name]
        if kind is not None and re.match(r"cls[./](predictions|seq_relationship)[./]", standard):
            skipped[NEXT_TO_A_HEAD].append(name)
        elif (source := tied_parameter(standard, naming)) is not None:
            tied.append((name, source, tensor))
        elif standard not in known:
            if (fault := refusal(standard)) is not None:
                refused[fault].append(name)
            else:
                unexpected.append(name)
        elif tensor.dtype not in FLOAT_TYPES:
            not_floats.append(f"{name} ({getattr(tensor, 'why', tensor.dtype)})")
        else:
            parameter = known[standard]
            if parameter.name in tensors:
                raise CheckpointError(
                    f"{file}: {name} and {origins[parameter.name]} are the same parameter of a BERT; "
                    "only one of them can be in a file."
                )
            is_turned = parameter.is_turned and len(tensor.shape) == 2
            tensors[parameter.name] = transposed(tensor) if is_turned else tensor
            origins[parameter.name] = name
    for name, source, tensor in tied:
        if source not in tensors and tensor.dtype in FLOAT_TYPES:
            tensors[source] = tensor
        elif source not in tensors or not same_bytes(tensor, tensors[source]):
            raise CheckpointError(
                f"{file}: {name} differs from {origins.get(source, source)}, but BERT ties the two. "
                "A model with a separate output layer cannot be converted without loss."
            )
        else:
            skipped["tied copies"].append(name)
    return SortedTensors(
        tensors=tensors,
        unexpected=tuple(unexpected),
        refused={fault: tuple(names) for fault, names in refused.items()},
        not_floats=tuple(not_floats),
        skipped={reason: tuple(names) for reason, names in skipped.items()},
    )


def with_bias_of_head(found: SortedTensors) -> SortedTensors:
    """Return the tensors with a bias of 0 for an MLM head without one.

    Old conversions saved such heads. Without a bias, they compute the same as with zeros.
    """
    words = found.tensors.get("bert.embeddings.word_embeddings.weight")
    rest = {f"cls.predictions.{name}" for name in ("transform.weight", "layer_norm.weight")}
    if words is None or DECODER_BIAS in found.tensors or not rest <= found.tensors.keys():
        return found
    zeros = cast(ArrayTensor(np.zeros(words.shape[:1], np.float32)), words.dtype, name=DECODER_BIAS)
    return dataclasses.replace(found, tensors={**found.tensors, DECODER_BIAS: zeros}, filled=(DECODER_BIAS,))


def _any_depth(naming: Naming, *, num_tensors: int, kind: HeadKind | None) -> dict[str, Parameter]:
    """Return the parameters of a BERT of any depth that the tensors could have.

    A layer has 16 tensors.
    """
    config = dataclasses.replace(ModelConfig(), num_hidden_layers=min(num_tensors // 16 + 1, 1000))
    head = Head(kind=kind, num_outputs=0) if kind else None
    return {parameter.foreign_name: parameter for parameter in parameters(naming, config, head)}


def check_fit(
    found: SortedTensors,
    *,
    naming: Naming,
    sizes: ModelConfig,
    head: Head | None,
    absent: tuple[str, ...],
    drop_unexpected: bool,
    what: str,
) -> None:
    """Raise CheckpointError with all tensors that do not fit the BERT of these sizes.

    Args:
        absent: parts that may be missing.
        what: the beginning of the message.
    """
    fitting = parameters(naming, sizes, head)
    expected = {parameter.name: parameter.shape for parameter in fitting}
    # the name of the head's layer in the file, because it differs between the classes of one framework
    shown = {one.name: one.foreign_name if one.name.startswith(f"{HEAD_NAME}.") else one.name for one in fitting}
    may_miss = tuple(f"{part}." for part in absent) or ("\0",)
    told_unexpected = () if drop_unexpected else found.unexpected
    kinds: dict[str, list[str] | tuple[str, ...]] = {
        "missing": [shown[name] for name in expected if name not in found.tensors and not name.startswith(may_miss)],
        **{fault: names for (fault, _), names in found.refused.items()},
        "unexpected": told_unexpected,
        "of layers that the configuration does not have": [name for name in found.tensors if name not in expected],
        "misshaped": [
            f"{shown[name]} {tensor.shape} instead of {expected[name]}"
            for name, tensor in found.tensors.items()
            if name in expected and tensor.shape != expected[name]
        ],
        "not floating-point numbers": found.not_floats,
    }
    faults = {kind: f"{kind}: {listed(names)}" for kind, names in kinds.items() if names}
    if not faults:
        return
    remedies = [f" About the {fault}: {remedy}." for fault, remedy in found.refused]
    if list(faults) == ["unexpected"]:  # in all other cases, the flag alone would not help
        if head is None and any(map(is_head, told_unexpected)):
            remedies.append(" The configuration does not state the task of this head; to convert it, add --task NAME.")
        remedies.append(" To leave out tensors of other parts, such as a fine-tuned head, add --drop-unexpected.")
    elif head is not None and not any(name.startswith(f"{HEAD_NAME}.") for name in found.tensors):
        remedies.append(f" The configuration states the head of {head.kind.value}. {ONLY_THE_ENCODER}")
    raise CheckpointError(f"{what} {'; '.join(faults.values())}.{''.join(remedies)}")


def num_outputs_of(tensors: Mapping[str, Tensor]) -> int:
    """Return the number of outputs of a task's head; 0 if it is missing."""
    found = (tensors.get(f"{HEAD_NAME}.{name}") for name in ("bias", "weight"))
    return next((tensor.shape[-1] for tensor in found if tensor is not None and tensor.shape), 0)


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Return the first names, and the number of the others."""
    rest = len(names) - MAX_NAMES_TOLD
    return ", ".join(names[:MAX_NAMES_TOLD]) + (f" and {rest} more" if rest > 0 else "")
