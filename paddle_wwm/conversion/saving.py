"""Write an opened BERT into a folder, in the format of Paddle, Hugging Face or TensorFlow."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Any, Callable, Mapping

from ..files import write_json
from ..model.folder import (
    CONFIG_NAME,
    TIED_NAMES,
    TOKENIZER_CONFIG_NAME,
    UNTRAINED,
    VOCAB_NAME,
    paddle_config,
    tokenizer_config,
)
from ..weights import SAFETENSORS_NAME, WEIGHTS_NAME
from ..weights.pdparams import write_pdparams
from ..weights.safetensors import write_safetensors
from ..weights.tensorflow import write_tensorflow
from ..weights.tensors import ObservedTensor, Tensor, transposed
from .heads import PROBLEM_KEY, SINGLE_LABEL, HeadKind
from .layers import with_absent_tensors
from .names import Naming, parameters
from .opening import OpenedModel
from .vocabulary import ADDED_TOKENS_KEY

POOLER = "bert.pooler."
CHECKPOINT_PREFIX = "bert_model.ckpt"
GOOGLE_CONFIG_NAME = "bert_config.json"
GOOGLE_LAYER_NORM_EPS = 1e-12  # a constant in Google's code, not a key of bert_config.json


class Target(enum.Enum):
    """The framework of a converted model.

    PADDLE is for Paddle, PaddleNLP and PaddleHub, HUGGING_FACE for transformers, TENSORFLOW for Google's code.
    """

    PADDLE = "paddle"
    HUGGING_FACE = "huggingface"
    TENSORFLOW = "tensorflow"


def for_target(model: OpenedModel, target: Target) -> OpenedModel:
    """Return the model in the form that the target needs.

    The classes of PaddleNLP and of this project need every part, so absent parts are initialised for them.

    Raises:
        CheckpointError: the target cannot hold a setting of the tokenizer.
    """
    if target is not Target.HUGGING_FACE:
        model.tokenizer.check_ours(model.files[0].parent)
    if target is Target.PADDLE:
        return with_absent_tensors(model)
    return _without_unused_pooler(model) if target is Target.HUGGING_FACE else model


def _without_unused_pooler(model: OpenedModel) -> OpenedModel:
    """Return the model without a pooler if transformers' class of its head has none."""
    if model.head is None or model.head.kind.reads_pooler:
        return model
    kept = {name: tensor for name, tensor in model.tensors.items() if not name.startswith(POOLER)}
    if len(kept) == len(model.tensors):
        return model
    note = f"The pooler was left out: transformers' {model.head.kind.architecture} has none, and its head reads none."
    untrained = tuple(part for part in model.untrained if not POOLER.startswith(part))
    return dataclasses.replace(model, tensors=kept, untrained=untrained, notes=(*model.notes, note))


def save_model_files(
    folder: Path, model: OpenedModel, *, target: Target, on_bytes: Callable[[int], object] = id
) -> None:
    """Write the files of a model into an existing folder.

    Args:
        on_bytes: called with the number of bytes of every block.
    """
    tensors = _under_names(model, Naming(target.value))
    _SAVERS[target](folder, model, {name: ObservedTensor(tensor, on_bytes) for name, tensor in tensors.items()})
    values = tokenizer_config(model.config, do_lower_case=model.do_lower_case, settings=model.tokenizer)
    if model.added_tokens and target is Target.HUGGING_FACE:
        values["added_tokens_decoder"] = {
            str(added.id): {"content": token, **added.flags} for token, added in model.added_tokens.items()
        }
    elif model.added_tokens:
        values[ADDED_TOKENS_KEY] = list(model.added_tokens)
    write_json(folder / TOKENIZER_CONFIG_NAME, values)
    if model.vocab is not None:
        model.vocab.save(folder / VOCAB_NAME)


def _under_names(model: OpenedModel, naming: Naming) -> dict[str, Tensor]:
    return {
        parameter.foreign_name: transposed(model.tensors[parameter.name])
        if parameter.is_turned
        else model.tensors[parameter.name]
        for parameter in parameters(naming, model.config, model.head)
        if parameter.name in model.tensors
    }


def _save_paddle(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor]) -> None:
    # the tied copies belong to the heads of pretraining
    tied = {} if model.head else {name: tensors[source] for name, source in TIED_NAMES.items()}
    write_pdparams(folder / WEIGHTS_NAME, {**tensors, **tied})
    values = paddle_config(model.config, untrained=model.untrained)
    write_json(folder / CONFIG_NAME, values | _of_head(model))


def _save_hugging_face(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor]) -> None:
    write_safetensors(folder / SAFETENSORS_NAME, tensors, metadata={"format": "pt"})
    values: dict[str, Any] = {
        "architectures": [_architecture(model)],
        "model_type": "bert",
        **dataclasses.asdict(model.config),
    }
    if len(model.dtypes) == 1:
        values["torch_dtype"] = model.dtypes[0]
    if model.head is not None and model.head.kind is HeadKind.SEQUENCE:
        values[PROBLEM_KEY] = SINGLE_LABEL
    write_json(folder / CONFIG_NAME, _with_untrained(values | _of_head(model), model))


def _of_head(model: OpenedModel) -> dict[str, Any]:
    return model.head.config_values() if model.head is not None else {}


def _architecture(model: OpenedModel) -> str:
    """Return the class of transformers that has exactly the parts of this model."""
    if "cls.predictions" in model.absent:
        return "BertModel"
    return "BertForMaskedLM" if "cls.seq_relationship" in model.absent else "BertForPreTraining"


def _save_tensorflow(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor]) -> None:
    write_tensorflow(folder / CHECKPOINT_PREFIX, tensors)
    (folder / "checkpoint").write_text(
        f'model_checkpoint_path: "{CHECKPOINT_PREFIX}"\nall_model_checkpoint_paths: "{CHECKPOINT_PREFIX}"\n'
    )
    values = dataclasses.asdict(model.config)
    if model.config.layer_norm_eps == GOOGLE_LAYER_NORM_EPS:
        del values["layer_norm_eps"]
    if model.config.pad_token_id == 0:
        del values["pad_token_id"]
    write_json(folder / GOOGLE_CONFIG_NAME, _with_untrained(values | _of_head(model), model))


def _with_untrained(values: Mapping[str, Any], model: OpenedModel) -> dict[str, Any]:
    return {**values, **({UNTRAINED: list(model.untrained)} if model.untrained else {})}


_SAVERS: dict[Target, Callable[[Path, OpenedModel, Mapping[str, Tensor]], None]] = {
    Target.PADDLE: _save_paddle,
    Target.HUGGING_FACE: _save_hugging_face,
    Target.TENSORFLOW: _save_tensorflow,
}
