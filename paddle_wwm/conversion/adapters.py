"""Merge a LoRA adapter that peft saved (adapter_config.json and its tensors) into the weights of its base model.

The merged matrix is W + scale * B A. The scale is lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora. Tensors that
the adapter has in full (modules_to_save, trained biases) replace those of the base. All other methods are refused.
Source: peft/tuners/lora/layer.py (get_delta_weight), peft/utils/save_and_load.py, peft/utils/other.py.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from ..errors import CheckpointError
from ..files import read_json
from ..weights.opening import WeightsFiles, open_weights
from ..weights.tensors import FLOAT_TYPES, ComputedTensor, Tensor, cast, same_bytes, to_float32, transposed
from .extras import refusal, skip_reason
from .heads import Head, HeadKind, with_labels
from .names import HEAD_NAME, PRETRAINING_HEADS, Naming, Parameter, parameters, tied_parameter
from .opening import ADAPTER_CONFIG_NAME, ADAPTER_WEIGHTS_NAMES, OpenedModel
from .sorting import NEXT_TO_A_HEAD, listed
from .spelling import standard_name_in_adapter

ELSEWHERE = "Merge it in peft (merge_and_unload), save the model, and convert that."
# Keys that the formula does not depend on, or that it uses. Any other key that is set belongs to another method.
_KNOWN = (
    *("peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "init_lora_weights"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save", "bias"),
    *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version"),
    *("lora_dropout", "eva_config", "megatron_core", "qalora_group_size", "runtime_config"),
    "fan_in_fan_out",  # peft itself sets it to false for the linear layers of a BERT
)
_INITIAL = (True, False, None, "gaussian", "eva", "orthogonal")  # the other ones change the weights of the base, too
_KINDS = {"SEQ_CLS": HeadKind.SEQUENCE, "TOKEN_CLS": HeadKind.TOKENS, "QUESTION_ANS": HeadKind.ANSWERS}
_FACTOR = re.compile(r"(.+)\.lora_(embedding_)?([AB])(?:\.default)?(?:\.weight)?")
_PATTERN = re.compile(r"\^?[\w.]+")  # of a module; anything else is a regular expression, which could take forever


@dataclass(frozen=True, kw_only=True)
class _Factors:
    """The two factors of one matrix."""

    a: Tensor
    b: Tensor
    is_embedding: bool
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the matrix in Hugging Face's layout."""
        return (self.a.shape[1], self.b.shape[0]) if self.is_embedding else (self.b.shape[0], self.a.shape[1])


def with_adapter(
    model: OpenedModel, folder: Path, *, drop_unexpected: bool, labels: Sequence[str] | None = None
) -> OpenedModel:
    """Return the model with a LoRA adapter of peft merged into its weights.

    The merged weights are computed when they are read. If the adapter states a task (`task_type`) and has its head, the
    result is a fine-tuned model.

    Args:
        folder: the folder that peft's `save_pretrained` wrote.
        labels: the names of the classes of that head by number; None: placeholders.
        drop_unexpected: leave out tensors of the adapter that are not part of a BERT, such as a trained classifier.

    Raises:
        CheckpointError: the folder is not a LoRA adapter of this model, or uses a method that cannot be merged here.
    """
    values = _read_config(folder)
    weights = open_weights(next((folder / name for name in ADAPTER_WEIGHTS_NAMES if (folder / name).exists()), folder))
    file = weights.files[0]
    factors, whole = _split(weights, values)
    if not drop_unexpected:
        model = _with_head(model, whole, values=values, labels=labels, path=folder / ADAPTER_CONFIG_NAME)
    known = {
        parameter.foreign_name: parameter for parameter in parameters(Naming.HUGGING_FACE, model.config, model.head)
    }
    tensors = dict(model.tensors)
    unexpected: list[str] = []
    for name, pair in factors.items():
        parameter = known.get(f"{name}.weight")
        if parameter is None:
            if tied_parameter(f"{name}.weight", Naming.HUGGING_FACE) or refusal(f"{name}.weight"):
                raise CheckpointError(
                    f"{file}: adapts {name}, which is not a matrix of its own in a BERT, so it cannot be merged."
                )
            unexpected.append(f"{name} (LoRA)")
            continue
        base = _base(parameter, tensors, shape=pair.shape, file=file)
        tensors[parameter.name] = _merged(base, pair, parameter)
    num_replaced = 0
    for name, tensor in whole.items():
        if skip_reason(name, Naming.HUGGING_FACE):
            continue
        if tied := tied_parameter(name, Naming.HUGGING_FACE):
            if tied not in tensors or not same_bytes(tensor, tensors[tied]):
                raise CheckpointError(f"{file}: {name} differs from {tied}, but BERT ties the two.")
        elif parameter := known.get(name):
            _base(parameter, tensors, shape=tensor.shape, file=file)
            tensors[parameter.name] = transposed(tensor) if parameter.is_turned else tensor
            num_replaced += 1
        elif fault := refusal(name):
            raise CheckpointError(f"{file}: {name} belongs to {fault[0]}: {fault[1]}.")
        else:
            unexpected.append(name)
    if unexpected and not drop_unexpected:
        raise CheckpointError(
            f"{file}: has tensors that are not part of a BERT: {listed(unexpected)}. To leave them out, add "
            f"--drop-unexpected."
        )
    num_merged = len(factors) - sum(name.endswith(" (LoRA)") for name in unexpected)
    if not num_merged + num_replaced:
        raise CheckpointError(f"{file}: has no tensor for this model, so there is nothing to merge.")
    note = f"Merged the LoRA adapter {folder.resolve().name}: {num_merged} matrices changed"
    notes = [f"{note}, {num_replaced} tensors replaced." if num_replaced else f"{note}."]
    if "bert.embeddings.word_embeddings" in factors and "cls.predictions" not in model.absent:
        notes.append("The adapter changes the word embeddings, and so the output layer that BERT ties to them.")
    return dataclasses.replace(
        model,
        tensors=tensors,
        files=(*model.files, *weights.files, folder / ADAPTER_CONFIG_NAME),
        unexpected=(*model.unexpected, *unexpected),
        notes=(*model.notes, *notes),
    )


def _with_head(
    model: OpenedModel,
    whole: Mapping[str, Tensor],
    *,
    values: Mapping[str, Any],
    labels: Sequence[str] | None,
    path: Path,
) -> OpenedModel:
    """Return the model with the head that the adapter trained, if it has one."""
    kind = _KINDS.get(str(values.get("task_type")))
    name = "qa_outputs" if kind is HeadKind.ANSWERS else "classifier"
    weight, bias = whole.get(f"{name}.weight"), whole.get(f"{name}.bias")
    if kind is None or model.head is not None or weight is None or bias is None or len(weight.shape) != 2:
        return model
    if kind.reads_pooler and "bert.pooler" in model.absent:
        raise CheckpointError(f"{path}: the head of {kind.task} reads the pooler, which the base model does not have.")
    head, notes = with_labels(Head(kind=kind, num_outputs=weight.shape[0]), values={}, given=labels, path=path)
    tensors = {key: tensor for key, tensor in model.tensors.items() if not key.startswith(PRETRAINING_HEADS)}
    tensors |= {f"{HEAD_NAME}.weight": transposed(weight), f"{HEAD_NAME}.bias": bias}
    left_out = tuple(key for key in model.tensors if key.startswith(PRETRAINING_HEADS))
    return dataclasses.replace(
        model,
        head=head,
        tensors=tensors,
        absent=tuple(part for part in model.absent if not part.startswith(PRETRAINING_HEADS)),
        untrained=tuple(part for part in model.untrained if not part.startswith(PRETRAINING_HEADS)),
        passed_over={**model.passed_over, **({NEXT_TO_A_HEAD: left_out} if left_out else {})},
        notes=(*model.notes, *notes),
    )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG_NAME
    if not path.exists():
        raise CheckpointError(f"{folder}: holds no {ADAPTER_CONFIG_NAME}; pass the folder of an adapter of peft.")
    values = read_json(path)
    method = values.get("peft_type")
    if method != "LORA":
        raise CheckpointError(f"{path}: `peft_type` must be LORA to merge here, but is {method!r:.40}. {ELSEWHERE}")
    if values.get("init_lora_weights") not in _INITIAL:
        initial = values["init_lora_weights"]
        raise CheckpointError(
            f"{path}: `init_lora_weights` is {initial!r:.40}, which changed the weights of the base model, too. "
            f"{ELSEWHERE}"
        )
    if others := [key for key, value in values.items() if value and key not in _KNOWN]:
        raise CheckpointError(
            f"{path}: `{others[0]}` is {values[others[0]]!r:.80}, which plain LoRA does not have. {ELSEWHERE}"
        )
    for key in ("r", "lora_alpha"):
        if type(values.get(key)) not in ((int,) if key == "r" else (int, float)) or not values[key] > 0:
            raise CheckpointError(f"{path}: `{key}` must be a number above 0, but is {values.get(key)!r}.")
    for key in ("rank_pattern", "alpha_pattern"):
        pattern = values.get(key) or {}
        if not isinstance(pattern, dict) or not all(
            _PATTERN.fullmatch(name) and type(value) in (int, float) and value > 0 for name, value in pattern.items()
        ):
            raise CheckpointError(
                f"{path}: `{key}` must map names of modules to numbers above 0; regular expressions are not read. "
                f"{ELSEWHERE}"
            )
    return values


def _split(weights: WeightsFiles, values: Mapping[str, Any]) -> tuple[dict[str, _Factors], dict[str, Tensor]]:
    """Return the factors of each matrix, and the whole tensors, by standard names."""
    file = weights.files[0]
    pairs: dict[str, dict[str, Tensor]] = collections.defaultdict(dict)
    modules: dict[str, tuple[str, bool]] = {}
    whole: dict[str, Tensor] = {}
    for name, tensor in weights.tensors.items():
        if tensor.dtype not in FLOAT_TYPES:
            raise CheckpointError(f"{file}: {name} must hold floating-point numbers, but is {tensor.dtype}.")
        match = _FACTOR.fullmatch(name)
        standard = standard_name_in_adapter(match[1] if match else name)
        place = pairs[standard] if match else whole
        key = match[3] if match else standard
        if key in place:
            raise CheckpointError(f"{file}: {name} is there twice, under two prefixes.")
        place[key] = tensor
        if match:
            modules[standard] = match[1].removeprefix("base_model.model."), bool(match[2])
    factors = {}
    for standard, pair in pairs.items():
        module, is_embedding = modules[standard]
        rank = _by_pattern(module, values.get("rank_pattern"), default=values["r"])
        alpha = _by_pattern(module, values.get("alpha_pattern"), default=values["lora_alpha"])
        shapes = {key: tensor.shape for key, tensor in sorted(pair.items())}
        if (
            set(shapes) != {"A", "B"}
            or any(len(shape) != 2 for shape in shapes.values())
            or {shapes["A"][0], shapes["B"][1]} != {rank}
        ):
            raise CheckpointError(
                f"{file}: {module} must have the factors A of shape ({rank}, …) and B of shape (…, {rank}), but has "
                f"{shapes}."
            )
        scale = alpha / (math.sqrt(rank) if values.get("use_rslora") else rank)
        factors[standard] = _Factors(a=pair["A"], b=pair["B"], is_embedding=is_embedding, scale=scale)
    return factors, whole


def _by_pattern(module: str, pattern: Mapping[str, float] | None, *, default: float) -> float:
    """Return the value of the first name that is `module` or its end.

    A name with ^ must be all of `module`.
    """
    for name, value in (pattern or {}).items():
        if module == name.removeprefix("^") or (not name.startswith("^") and module.endswith(f".{name}")):
            return value
    return default


def _base(parameter: Parameter, tensors: Mapping[str, Tensor], *, shape: tuple[int, ...], file: Path) -> Tensor:
    """Return the tensor that the adapter changes."""
    base = tensors.get(parameter.name)
    if base is None:
        raise CheckpointError(f"{file}: adapts {parameter.foreign_name}, which the base model does not have.")
    own_shape = base.shape[::-1] if parameter.is_turned else base.shape
    if own_shape != shape:
        raise CheckpointError(
            f"{file}: {parameter.foreign_name} has shape {own_shape} in the base model, but {shape} in the adapter."
        )
    return base


def _merged(base: Tensor, factors: _Factors, parameter: Parameter) -> Tensor:
    def merge(array: np.ndarray) -> np.ndarray:
        b, a = (to_float32(tensor.read(), dtype=tensor.dtype) for tensor in (factors.b, factors.a))
        change = (b @ a) * np.float32(factors.scale)
        values = to_float32(array, dtype=base.dtype) if base.dtype != "float64" else array
        return values + (change.T if factors.is_embedding or parameter.is_turned else change)

    wide = "float64" if base.dtype == "float64" else "float32"
    return cast(ComputedTensor(base, merge, dtype=wide, shape=base.shape), base.dtype, name=parameter.foreign_name)
