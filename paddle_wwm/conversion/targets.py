"""The targets of a conversion, and the form that a model needs for each."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

from ..errors import CheckpointError
from .heads import ONLY_THE_ENCODER
from .layers import with_absent_tensors
from .names import OPTIONAL_PARTS, PRETRAINING_HEADS, Naming
from .opening import OpenedModel

POOLER = "bert.pooler."


class Target(enum.Enum):
    """The framework of a converted model.

    PADDLE is for Paddle, PaddleNLP and PaddleHub, PADDLENLP for PaddleNLP with safetensors, HUGGING_FACE for
    transformers, TENSORFLOW for Google's code.
    """

    PADDLE = "paddle"
    PADDLENLP = "paddlenlp"
    HUGGING_FACE = "huggingface"
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    TENSORFLOW = "tensorflow"
    ONNX = "onnx"


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Options of single targets.

    Args:
        task: of ONNX: "fill-mask" for the scores of words; None: the head of the model, or its hidden states.
        pooling: of sentence-transformers: "mean", "cls" or "max".
        normalize: of sentence-transformers: divide every vector by its length.
    """

    task: str | None = None
    pooling: str = "mean"
    normalize: bool = False


# the framework whose names and shapes a target needs
NAMINGS = {
    Target.PADDLE: Naming.PADDLE,
    Target.PADDLENLP: Naming.PADDLE,
    Target.HUGGING_FACE: Naming.HUGGING_FACE,
    Target.SENTENCE_TRANSFORMERS: Naming.HUGGING_FACE,
    Target.TENSORFLOW: Naming.TENSORFLOW,
    Target.ONNX: Naming.PADDLE,
}
# transformers reads these; the others use only the settings that the tokenizer of this package has, too
READ_BY_TRANSFORMERS = (Target.HUGGING_FACE, Target.SENTENCE_TRANSFORMERS, Target.ONNX)


def for_target(model: OpenedModel, target: Target) -> OpenedModel:
    """Return the model in the form that the target needs.

    The classes of PaddleNLP and of this project need every part, so absent parts are initialised for them.

    Raises:
        CheckpointError: the target cannot hold a setting of the tokenizer.
    """
    if target not in READ_BY_TRANSFORMERS:
        model.tokenizer.check_ours(model.files[0].parent)
    if model.head is not None and not model.head.kind.has_foreign_class and target not in (Target.PADDLE, Target.ONNX):
        raise CheckpointError(
            f"{model.files[0]}: no class of {target.value} has the head of {model.head.kind.value}; it can be "
            f"converted with --to {Target.PADDLE.value} and --to {Target.ONNX.value} only. {ONLY_THE_ENCODER}"
        )
    if target in (Target.PADDLE, Target.PADDLENLP):
        return with_absent_tensors(model)
    if target is Target.SENTENCE_TRANSFORMERS:
        return _only_encoder(model)
    return _without_unused_pooler(model) if target in READ_BY_TRANSFORMERS else model


def _only_encoder(model: OpenedModel) -> OpenedModel:
    """Return the model without heads, for vectors of texts."""
    if model.head is not None:
        raise CheckpointError(
            f"{model.files[0]}: sentence-transformers has no place for the head of {model.head.kind.value}. "
            f"{ONLY_THE_ENCODER}"
        )
    kept = {name: tensor for name, tensor in model.tensors.items() if not name.startswith(PRETRAINING_HEADS)}
    if len(kept) == len(model.tensors):
        return model
    parts = [part for part in OPTIONAL_PARTS if part.startswith(PRETRAINING_HEADS) and part not in model.absent]
    note = f"The heads of pretraining ({', '.join(parts)}) were left out: vectors of texts do not need them."
    absent = tuple(dict.fromkeys((*model.absent, *parts)))
    untrained = tuple(part for part in model.untrained if not part.startswith(PRETRAINING_HEADS))
    return dataclasses.replace(model, tensors=kept, absent=absent, untrained=untrained, notes=(*model.notes, note))


def _without_unused_pooler(model: OpenedModel) -> OpenedModel:
    """Return the model without a pooler if transformers' class of its head has none."""
    if model.head is None or model.head.kind.reads_pooler or not model.head.kind.has_foreign_class:
        return model
    kept = {name: tensor for name, tensor in model.tensors.items() if not name.startswith(POOLER)}
    if len(kept) == len(model.tensors):
        return model
    note = f"The pooler was left out: transformers' {model.head.kind.architecture} has none, and its head reads none."
    untrained = tuple(part for part in model.untrained if not POOLER.startswith(part))
    return dataclasses.replace(model, tensors=kept, untrained=untrained, notes=(*model.notes, note))
