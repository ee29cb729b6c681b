"""Keep only some layers of a model, shift its positions, and initialise missing tensors."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from ..errors import ConfigError
from ..model_config import ModelConfig
from ..weights.tensors import ArrayTensor, ComputedTensor, Tensor, cast
from .names import Naming, parameters
from .opening import OpenedModel

INITIAL_SEED = 0
_LAYER = re.compile(r"^(bert\.encoder\.layers\.)(\d+)(\..*)$")


def parse_layers(text: str) -> tuple[int, ...]:
    """Return the layer numbers of a text like "0,1,2", "0-2" or "0-2,5".

    Raises:
        ConfigError: the text has another form.
    """
    layers: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", item)
        if match is None:
            raise ConfigError(f"layers must be given like 0,1,2 or 0-2, but are {text!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        layers += range(first, last + 1)
    return tuple(layers)


def with_layers(model: OpenedModel, layers: tuple[int, ...]) -> OpenedModel:
    """Return the model with only these layers, in this order.

    Embeddings, pooler and heads are unchanged.

    Raises:
        ConfigError: the model does not have a layer, or a layer is given twice.
    """
    num_layers = model.config.num_hidden_layers
    if not layers or len(set(layers)) != len(layers) or max(layers) >= num_layers:
        raise ConfigError(
            f"layers must be different numbers from 0 to {num_layers - 1}, but are "
            f"{', '.join(map(str, layers)) or 'none'}."
        )
    new_numbers = {old: new for new, old in enumerate(layers)}
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.tensors.items():
        match = _LAYER.match(name)
        if match is None:
            tensors[name] = tensor
        elif int(match[2]) in new_numbers:
            tensors[f"{match[1]}{new_numbers[int(match[2])]}{match[3]}"] = tensor
    config = dataclasses.replace(model.config, num_hidden_layers=len(layers))
    order = [parameter.name for parameter in parameters(Naming.PADDLE, config, model.head)]
    return dataclasses.replace(model, config=config, tensors={name: tensors[name] for name in order if name in tensors})


def with_shifted_positions(model: OpenedModel) -> OpenedModel:
    """Return the model with its position table shifted by one.

    Position 0 then has the row of position 1. PaddleNLP's Roberta class numbers positions from `pad_token_id` + 1, so a
    model that was fine-tuned in that class needs these rows. One position fewer remains.

    Raises:
        ConfigError: the model is not of that class, or pads with another id than 0.
    """
    if not model.is_roberta_class or model.config.pad_token_id != 0:
        raise ConfigError(
            "--positions-shifted is for a model of PaddleNLP's Roberta class (`model_type` roberta, or names that "
            f"begin with roberta.) with a `pad_token_id` of 0; {model.files[0]} is another model."
        )
    name, num_positions = "bert.embeddings.position_embeddings.weight", model.config.max_position_embeddings - 1
    if num_positions < 1:
        raise ConfigError(f"{model.files[0]}: has one position; none would remain after the shift.")
    table = model.tensors[name]
    shifted = ComputedTensor(table, lambda rows: rows[1:], dtype=table.dtype, shape=(num_positions, *table.shape[1:]))
    note = (
        f"The position table is shifted by one, as PaddleNLP's Roberta class uses it: {num_positions} positions "
        "remain, and longer input is refused."
    )
    return dataclasses.replace(
        model,
        config=dataclasses.replace(model.config, max_position_embeddings=num_positions),
        tensors={**model.tensors, name: shifted},
        notes=(note,) + tuple(text for text in model.notes if "--positions-shifted" not in text),
    )


def with_absent_tensors(model: OpenedModel, *, seed: int = INITIAL_SEED) -> OpenedModel:
    """Return the model with its absent tensors initialised as in BERT.

    Weights are drawn from a normal distribution with standard deviation `initializer_range`, truncated at two standard
    deviations. Biases are 0; LayerNorm has weight 1 and bias 0. The new parts are listed in `untrained`. The same seed
    gives the same values.
    """
    rng = np.random.default_rng(seed)
    dtype = model.tensors["bert.embeddings.word_embeddings.weight"].dtype
    tensors: dict[str, Tensor] = {}
    for parameter in parameters(Naming.PADDLE, model.config, model.head):
        tensor = model.tensors.get(parameter.name)
        if tensor is None:
            tensor = cast(
                _initial(parameter.name, parameter.shape, config=model.config, rng=rng), dtype, name=parameter.name
            )
        tensors[parameter.name] = tensor
    return dataclasses.replace(
        model, tensors=tensors, absent=(), untrained=tuple(dict.fromkeys((*model.untrained, *model.absent)))
    )


def _initial(name: str, shape: tuple[int, ...], *, config: ModelConfig, rng: np.random.Generator) -> Tensor:
    if name.endswith("layer_norm.weight"):
        return ArrayTensor(np.ones(shape, np.float32))
    if len(shape) == 1:
        return ArrayTensor(np.zeros(shape, np.float32))
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return ArrayTensor((values * config.initializer_range).astype(np.float32))
