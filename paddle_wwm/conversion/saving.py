"""Write an opened BERT into a folder, in the format of one of the targets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Callable, Mapping

from ..files import atomic_write, write_json
from ..model.config_keys import UNTRAINED
from ..model.folder import (
    ADDED_TOKENS_KEY,
    CONFIG_NAME,
    TIED_NAMES,
    TOKENIZER_CONFIG_NAME,
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
from .model_card import CARD_NAME, model_card
from .names import Naming, parameters
from .onnx_export import outputs_in_words, usage_of_onnx, write_onnx
from .opening import OpenedModel
from .sentence_folder import write_sentence_files
from .targets import NAMINGS, READ_BY_TRANSFORMERS, TargetOptions
from .targets import Target as Target
from .tokenizer_json import write_tokenizer_json
from .vocabulary import TOKENIZER_NAME

LABELS_NAME = "labels.json"
CHECKPOINT_PREFIX = "bert_model.ckpt"
GOOGLE_CONFIG_NAME = "bert_config.json"
GOOGLE_LAYER_NORM_EPS = 1e-12  # a constant in Google's code, not a key of bert_config.json


def save_model_files(
    folder: Path,
    model: OpenedModel,
    *,
    target: Target,
    options: TargetOptions = TargetOptions(),  # noqa: B008  (it is frozen)
    on_bytes: Callable[[int], object] = id,
) -> tuple[str, ...]:
    """Write the files of a model into an existing folder.

    Args:
        on_bytes: called with the number of bytes of every block.

    Returns:
        Notes for the user, one sentence each.
    """
    naming = NAMINGS[target]
    tensors = {name: ObservedTensor(tensor, on_bytes) for name, tensor in _under_names(model, naming).items()}
    _SAVERS[target](folder, model, tensors, options)
    values = tokenizer_config(model.config, do_lower_case=model.do_lower_case, settings=model.tokenizer)
    if model.added_tokens and target in READ_BY_TRANSFORMERS:
        values["added_tokens_decoder"] = {
            str(added.id): {"content": token, **added.flags} for token, added in model.added_tokens.items()
        }
    elif model.added_tokens:
        values[ADDED_TOKENS_KEY] = list(model.added_tokens)
    write_json(folder / TOKENIZER_CONFIG_NAME, values)
    if model.vocab is not None:
        model.vocab.save(folder / VOCAB_NAME)
    if target not in READ_BY_TRANSFORMERS:
        return ()
    reason = write_tokenizer_json(folder, model)
    return (f"There is no {TOKENIZER_NAME}: {reason}.",) if reason else ()


def _under_names(model: OpenedModel, naming: Naming) -> dict[str, Tensor]:
    return {
        parameter.foreign_name: transposed(model.tensors[parameter.name])
        if parameter.is_turned
        else model.tensors[parameter.name]
        for parameter in parameters(naming, model.config, model.head)
        if parameter.name in model.tensors
    }


def _save_paddle(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], options: TargetOptions) -> None:
    # the tied copies belong to the heads of pretraining
    tied = {} if model.head else {name: tensors[source] for name, source in TIED_NAMES.items()}
    write_pdparams(folder / WEIGHTS_NAME, {**tensors, **tied})
    _write_paddle_config(folder, model)


def _save_paddlenlp(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], options: TargetOptions) -> None:
    tied = {} if model.head else {name: tensors[source] for name, source in TIED_NAMES.items()}
    write_safetensors(folder / SAFETENSORS_NAME, {**tensors, **tied}, metadata={"format": "np"})
    _write_paddle_config(folder, model)


def _write_paddle_config(folder: Path, model: OpenedModel) -> None:
    values = paddle_config(model.config, untrained=model.untrained)
    write_json(folder / CONFIG_NAME, values | _of_head(model))


def _save_hugging_face(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], options: TargetOptions) -> None:
    write_safetensors(folder / SAFETENSORS_NAME, tensors, metadata={"format": "pt"})
    _write_transformers_config(folder, model)
    usage = f"""from transformers import AutoTokenizer, {(name := _auto_class(model))}

tokenizer, model = AutoTokenizer.from_pretrained(FOLDER), {name}.from_pretrained(FOLDER)"""
    _write_card(folder, model, library="transformers", usage=usage)


def _save_sentence_transformers(
    folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], options: TargetOptions
) -> None:
    write_safetensors(folder / SAFETENSORS_NAME, tensors, metadata={"format": "pt"})
    _write_transformers_config(folder, model)
    length = min(
        model.tokenizer.model_max_length or model.config.max_position_embeddings, model.config.max_position_embeddings
    )
    write_sentence_files(
        folder, model.config, pooling=options.pooling, normalize=options.normalize, max_seq_length=length
    )
    usage = """from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer(FOLDER).encode(["今天天气真好。"])"""
    _write_card(folder, model, library="sentence-transformers", usage=usage)


def _save_onnx(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], options: TargetOptions) -> None:
    write_onnx(folder, model, tensors, task=options.task)
    _write_transformers_config(folder, model)
    if model.head is not None and model.head.labels:
        with atomic_write(folder / LABELS_NAME, "w") as stream:
            json.dump(model.head.labels, stream, ensure_ascii=False, indent=2)
    _write_card(
        folder, model, library="onnx", usage=usage_of_onnx(model), more=outputs_in_words(model, task=options.task)
    )


def _write_card(folder: Path, model: OpenedModel, *, library: str, usage: str, more: str = "") -> None:
    with atomic_write(folder / CARD_NAME, "w") as stream:
        stream.write(model_card(model, library=library, usage=usage, more=more))


def _auto_class(model: OpenedModel) -> str:
    name = model.head.kind.architecture if model.head else _architecture(model)
    return f"AutoModel{name.removeprefix('Bert').removeprefix('Model')}"


def _write_transformers_config(folder: Path, model: OpenedModel) -> None:
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


def _save_tensorflow(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], options: TargetOptions) -> None:
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


_SAVERS: dict[Target, Callable[[Path, OpenedModel, Mapping[str, Tensor], TargetOptions], None]] = {
    Target.PADDLE: _save_paddle,
    Target.PADDLENLP: _save_paddlenlp,
    Target.HUGGING_FACE: _save_hugging_face,
    Target.SENTENCE_TRANSFORMERS: _save_sentence_transformers,
    Target.TENSORFLOW: _save_tensorflow,
    Target.ONNX: _save_onnx,
}
