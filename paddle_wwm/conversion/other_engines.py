"""Run an opened model in the classes of transformers and PaddleNLP."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from .. import hub_import as _hub_import  # noqa: F401  # paddlenlp and transformers import huggingface_hub
from ..weights.tensors import to_float32
from ..weights.wrappers import unwrap
from .heads import HeadKind
from .opening import OpenedModel
from .strict import set_strictly

INPUTS = ("input_ids", "token_type_ids", "attention_mask")
Arrays = Mapping[str, np.ndarray]


def _values_with_sizes(model: OpenedModel) -> dict[str, Any]:
    """Return all values of the configuration, with the sizes that it does not state."""
    sizes = dataclasses.asdict(model.config)
    names = ("vocab_size", "max_position_embeddings", "type_vocab_size")
    values = {**model.config_values, **{name: sizes[name] for name in names}}
    if model.head is not None:
        numbers = range(model.head.num_outputs)
        values |= {"id2label": {str(n): str(n) for n in numbers}, "label2id": {str(n): n for n in numbers}}
    return values


def _paddle_state(model: OpenedModel) -> dict[str, Any]:
    """Return the tensors of the files.

    Paddle's own reader is safe here, because `open_model` has found nothing but arrays in the files.
    """
    import paddle

    state: dict[str, Any] = {}
    for file in model.files:
        if file.suffix == ".pdparams":
            values, _, _ = unwrap(paddle.load(str(file)), is_tensor=paddle.is_tensor)
            state |= {name: tensor.astype("float32") for name, tensor in values.items() if paddle.is_tensor(tensor)}
    return state or {
        name: paddle.to_tensor(to_float32(tensor.read(), dtype=tensor.dtype)) for name, tensor in model.tensors.items()
    }


def _prepared(network: Any, state: Mapping[str, Any], *, model: OpenedModel) -> Any:
    """Return a class of PaddleNLP with the tensors of the files, for inference."""
    set_strictly(
        network.state_dict(),
        state,
        put=lambda parameter, tensor: parameter.set_value(tensor),
        model=model,
        name=f"PaddleNLP's {type(network).__name__}",
    )
    network.eval()
    return network


def run_in_paddlenlp(model: OpenedModel, inputs: Arrays) -> dict[str, np.ndarray]:
    """Run a Paddle model in PaddleNLP's Bert class.

    Returns:
        The outputs by the names of `engines.OUTPUTS`.
    """
    import paddle
    from paddlenlp import transformers

    kind = model.head.kind if model.head else None
    network_class = getattr(transformers, kind.architecture if kind else "BertForPretraining")
    network = network_class(transformers.BertConfig.from_dict(_values_with_sizes(model)))
    bert = _prepared(network, _paddle_state(model), model=model)
    ids, types = (paddle.to_tensor(inputs[key]) for key in ("input_ids", "token_type_ids"))
    mask = paddle.to_tensor(inputs["attention_mask"].astype(bool))
    with paddle.no_grad():
        encoded = bert.bert(ids, types, attention_mask=mask, return_dict=True)
        predicted = bert(ids, types, attention_mask=mask, return_dict=True)
    return {
        "last_hidden_state": encoded.last_hidden_state.numpy(),
        "pooler_output": encoded.pooler_output.numpy(),
        **_scores_of(predicted, kind),
    }


def _scores_of(predicted: Any, kind: HeadKind | None) -> dict[str, np.ndarray]:
    """Return what the heads computed, by the names of `engines.OUTPUTS`."""
    if kind is None:
        return {name: predicted[name].numpy() for name in ("prediction_logits", "seq_relationship_logits")}
    if kind is not HeadKind.ANSWERS:
        return {"logits": predicted.logits.numpy()}
    return {"logits": np.stack([predicted.start_logits.numpy(), predicted.end_logits.numpy()], axis=-1)}


def run_in_roberta_class(model: OpenedModel, inputs: Arrays, *, positions_shifted: bool) -> dict[str, np.ndarray]:
    """Run a model in PaddleNLP's Roberta class.

    Args:
        positions_shifted: number positions from 1, as the class does; else from 0, as in pretraining.
    """
    import paddle
    from paddlenlp import transformers
    from paddlenlp.transformers import RobertaForMaskedLM, RobertaModel

    config, state = transformers.RobertaConfig.from_dict(_values_with_sizes(model)), _paddle_state(model)
    has_pooler, has_head = "bert.pooler" not in model.absent, "cls.predictions" not in model.absent
    ids, types = (paddle.to_tensor(inputs[key]) for key in ("input_ids", "token_type_ids"))
    options = {
        "token_type_ids": types,
        "attention_mask": paddle.to_tensor(inputs["attention_mask"].astype(bool)),
        # None: the class numbers positions itself, from 1
        "position_ids": None if positions_shifted else paddle.arange(ids.shape[1]).expand(ids.shape),
        "return_dict": True,
    }

    def without(part: str) -> dict[str, Any]:
        return {name: tensor for name, tensor in state.items() if f"{part}." not in name}

    outputs: dict[str, np.ndarray] = {}
    if model.head is not None:
        network_class = getattr(transformers, model.head.kind.architecture.replace("Bert", "Roberta", 1))
        network = _prepared(network_class(config), state, model=model)
        with paddle.no_grad():
            encoded, predicted = network.roberta(ids, **options), network(ids, **options)
        return {"last_hidden_state": encoded.last_hidden_state.numpy(), **_scores_of(predicted, model.head.kind)}
    with paddle.no_grad():
        encoder = _prepared(RobertaModel(config, add_pooling_layer=has_pooler), without("lm_head"), model=model)
        encoded = encoder(ids, **options)
        outputs["last_hidden_state"] = encoded.last_hidden_state.numpy()
        if has_pooler:
            outputs["pooler_output"] = encoded.pooler_output.numpy()
        if has_head:
            network = _prepared(RobertaForMaskedLM(config), without("pooler"), model=model)
            outputs["prediction_logits"] = network(ids, **options).logits.numpy()
    return outputs


def run_in_transformers(model: OpenedModel, inputs: Arrays) -> dict[str, np.ndarray]:
    """Run a Hugging Face model in transformers' Bert class."""
    import torch
    import transformers

    kind = model.head.kind if model.head else None
    name = kind.architecture if kind else "BertForPreTraining"
    bert = getattr(transformers, name)(transformers.BertConfig.from_dict(_values_with_sizes(model))).float().eval()
    bert.tie_weights()
    state: dict[str, Any] = {}
    for file in model.files:
        state |= _torch_state(file)

    with torch.no_grad():
        set_strictly(
            bert.state_dict(),
            state,
            put=lambda parameter, tensor: parameter.copy_(tensor),
            model=model,
            name=f"transformers' {name}",
        )
        given = {key: torch.from_numpy(np.asarray(inputs[key], np.int64)) for key in INPUTS}
        encoded = bert.bert(**given)
        predicted = bert(**given)
    outputs = {"last_hidden_state": encoded.last_hidden_state.numpy(), **_scores_of(predicted, kind)}
    if encoded.pooler_output is not None:  # some classes have no pooler
        outputs["pooler_output"] = encoded.pooler_output.numpy()
    return outputs


def _torch_state(file: Path) -> dict[str, Any]:
    """Return the tensors of one file, read by safetensors or torch."""
    import torch

    if file.suffix == ".json":  # the index of a model in parts
        return {}
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    values, _, _ = unwrap(torch.load(file, map_location="cpu", weights_only=True), is_tensor=torch.is_tensor)
    return dict(values)
