"""Run an opened model in the class of its own framework.

transformers runs a Hugging Face model and PaddleNLP a Paddle model, if they are installed. Their own readers load
exactly the files that were opened. Every parameter of the class must be in the files, and the class must have every
parameter of the files. This project's BERT runs all other models.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np

from .. import hub_import as _hub_import  # noqa: F401  # paddlenlp and transformers import huggingface_hub
from ..errors import CheckpointError
from ..weights.tensors import to_float32
from ..weights.wrappers import unwrap
from .names import Naming, parameters, tied_parameter
from .opening import OpenedModel
from .sorting import listed
from .spelling import spelling_of

INPUTS = ("input_ids", "token_type_ids", "attention_mask")
# output -> the optional parts that it needs
OUTPUTS = {
    "last_hidden_state": (),
    "pooler_output": ("bert.pooler",),
    "prediction_logits": ("cls.predictions",),
    "seq_relationship_logits": ("bert.pooler", "cls.seq_relationship"),
}
Arrays = Mapping[str, np.ndarray]


def run_model(
    model: OpenedModel, inputs: Arrays, *, positions_shifted: bool = False
) -> tuple[dict[str, np.ndarray], str]:
    """Run a model. Outputs that need an absent part are left out.

    Args:
        inputs: the arrays of `INPUTS`, int64 of shape (batch_size, seq_len).
        positions_shifted: run a model of PaddleNLP's Roberta class with the positions of that class, from 1.

    Returns:
        The outputs by name, all float32, and the name of what ran the model. Shapes: `last_hidden_state`
        (batch_size, seq_len, hidden_size), `pooler_output` (batch_size, hidden_size), `prediction_logits`
        (batch_size, seq_len, vocab_size), `seq_relationship_logits` (batch_size, 2).

    Raises:
        CheckpointError: the inputs do not fit, no framework is installed, or a parameter is missing in the files or in
            the class.
    """
    if (
        int(inputs["input_ids"].max()) >= model.config.vocab_size
        or inputs["input_ids"].shape[1] > model.config.max_position_embeddings
    ):
        raise CheckpointError(
            f"{model.files[0]}: the stored inputs do not fit this model; they are from a model of another size."
        )
    if model.naming is Naming.HUGGING_FACE and _are_installed("torch", "transformers"):
        outputs, engine = _run_in_transformers(model, inputs), "transformers' BertForPreTraining"
    elif model.is_roberta_class and _are_installed("paddle", "paddlenlp"):
        outputs = _run_in_roberta_class(model, inputs, positions_shifted=positions_shifted)
        engine = f"PaddleNLP's RobertaModel with positions from {int(positions_shifted)}"
    elif model.naming is Naming.PADDLE and _are_installed("paddle", "paddlenlp"):
        outputs, engine = _run_in_paddlenlp(model, inputs), "PaddleNLP's BertForPretraining"
    elif _are_installed("paddle"):
        outputs, engine = _run_here(model, inputs), "the BERT of this package"
    else:
        raise CheckpointError(
            f"{model.files[0]}: no framework to run this model is installed; install paddlepaddle, or torch and "
            f"transformers for a Hugging Face folder."
        )
    return {key: outputs[key] for key, parts in OUTPUTS.items() if not set(parts) & set(model.absent)}, engine


def _are_installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(name) for name in packages)


def _set_strictly(
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
    spelled = [spelling_of(names, source=file) for names in (own, given)]
    targets, sources = (
        {
            standard: values[name]
            for name, standard in (spelling.names if spelling else {}).items()
            if tied_parameter(standard, model.naming) is None
        }
        for spelling, values in zip(spelled, (own, given))
    )
    zeros = {item.foreign_name for item in parameters(model.naming, model.config) if item.name in model.filled}
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


def _run_here(model: OpenedModel, inputs: Arrays) -> dict[str, np.ndarray]:
    import paddle

    from ..model.heads import BertForPretraining
    from ..model.weights import load_arrays

    bert = BertForPretraining(model.config)
    arrays = {name: to_float32(tensor.read(), dtype=tensor.dtype) for name, tensor in model.tensors.items()}
    load_arrays(bert, arrays, source=model.files[0], optional=model.absent)
    bert.eval()
    ids, types = (paddle.to_tensor(inputs[key]) for key in ("input_ids", "token_type_ids"))
    mask = paddle.to_tensor(inputs["attention_mask"].astype(bool))
    with paddle.no_grad():
        hidden = bert.bert(ids, types, mask)
        scores, relations = bert(ids, types, mask, paddle.arange(ids.size), True)
        pooled = bert.bert.pooler(hidden[:, 0])
    return {
        "last_hidden_state": hidden.numpy(),
        "pooler_output": pooled.numpy(),
        "prediction_logits": scores.numpy().reshape(*ids.shape, -1),
        "seq_relationship_logits": relations.numpy(),
    }


def _values_with_sizes(model: OpenedModel) -> dict[str, Any]:
    """Return all values of the configuration, with the sizes that it does not state."""
    sizes = dataclasses.asdict(model.config)
    names = ("vocab_size", "max_position_embeddings", "type_vocab_size")
    return {**model.config_values, **{name: sizes[name] for name in names}}


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
    _set_strictly(
        network.state_dict(),
        state,
        put=lambda parameter, tensor: parameter.set_value(tensor),
        model=model,
        name=f"PaddleNLP's {type(network).__name__}",
    )
    network.eval()
    return network


def _run_in_paddlenlp(model: OpenedModel, inputs: Arrays) -> dict[str, np.ndarray]:
    import paddle
    from paddlenlp.transformers import BertConfig, BertForPretraining

    network = BertForPretraining(BertConfig.from_dict(_values_with_sizes(model)))
    bert = _prepared(network, _paddle_state(model), model=model)
    ids, types = (paddle.to_tensor(inputs[key]) for key in ("input_ids", "token_type_ids"))
    mask = paddle.to_tensor(inputs["attention_mask"].astype(bool))
    with paddle.no_grad():
        encoded = bert.bert(ids, types, attention_mask=mask, return_dict=True)
        predicted = bert(ids, types, attention_mask=mask, return_dict=True)
    return {
        "last_hidden_state": encoded.last_hidden_state.numpy(),
        "pooler_output": encoded.pooler_output.numpy(),
        "prediction_logits": predicted.prediction_logits.numpy(),
        "seq_relationship_logits": predicted.seq_relationship_logits.numpy(),
    }


def _run_in_roberta_class(model: OpenedModel, inputs: Arrays, *, positions_shifted: bool) -> dict[str, np.ndarray]:
    import paddle
    from paddlenlp.transformers import RobertaConfig, RobertaForMaskedLM, RobertaModel

    config, state = RobertaConfig.from_dict(_values_with_sizes(model)), _paddle_state(model)
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


def _run_in_transformers(model: OpenedModel, inputs: Arrays) -> dict[str, np.ndarray]:
    import torch
    from transformers import BertConfig, BertForPreTraining

    bert = BertForPreTraining(BertConfig.from_dict(_values_with_sizes(model))).float().eval()
    bert.tie_weights()
    state: dict[str, Any] = {}
    for file in model.files:
        state |= _torch_state(file)

    with torch.no_grad():
        _set_strictly(
            bert.state_dict(),
            state,
            put=lambda parameter, tensor: parameter.copy_(tensor),
            model=model,
            name="transformers' BertForPreTraining",
        )
        given = {key: torch.from_numpy(np.asarray(inputs[key], np.int64)) for key in INPUTS}
        encoded = bert.bert(**given)
        outputs = bert(**given)
    return {
        "last_hidden_state": encoded.last_hidden_state.numpy(),
        "pooler_output": encoded.pooler_output.numpy(),
        "prediction_logits": outputs.prediction_logits.numpy(),
        "seq_relationship_logits": outputs.seq_relationship_logits.numpy(),
    }


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
