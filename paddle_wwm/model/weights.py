"""Model folders: config.json, model_state.pdparams, vocab.txt, tokenizer_config.json. PaddleNLP's Auto classes open them as they are."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Mapping

import numpy as np
import paddle

from ..config import ModelConfig
from ..conversion.pdparams import read_pdparams, write_pdparams
from ..errors import CheckpointError
from ..files import write_json
from ..tokenization.vocab import Vocab
from .heads import TIED_NAMES, BertForPretraining

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model_state.pdparams"
VOCAB_NAME = "vocab.txt"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
MODEL_FILES = (CONFIG_NAME, WEIGHTS_NAME, VOCAB_NAME, TOKENIZER_CONFIG_NAME)


def save_model(
    directory: Path,
    *,
    model: BertForPretraining,
    vocab: Vocab,
    do_lower_case: bool,
    untrained: tuple[str, ...] = (),
    masters: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a model folder. `untrained` names parts that the run did not train; config.json records them.

    masters: 32-bit copies that take the place of 16-bit weights.
    """
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()} | dict(masters or {})
    for name, source in TIED_NAMES.items():
        arrays[name] = arrays[source]
    write_pdparams(directory / WEIGHTS_NAME, arrays)
    config = {"architectures": ["BertForPretraining"], "model_type": "bert", **dataclasses.asdict(model.config), "pool_act": "tanh"}
    if untrained:
        config["untrained_parameters"] = list(untrained)
    write_json(directory / CONFIG_NAME, config)
    vocab.save(directory / VOCAB_NAME)
    tokenizer_config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": do_lower_case,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": model.config.max_position_embeddings,
    }
    write_json(directory / TOKENIZER_CONFIG_NAME, tokenizer_config)


def read_model_config(directory: str | Path) -> ModelConfig:
    """The sizes of the model in a folder. Keys that do not concern the sizes are passed over."""
    values = read_json(Path(directory) / CONFIG_NAME)
    if values.get("model_type", "bert") != "bert":
        raise CheckpointError(f"{directory}/{CONFIG_NAME}: `model_type` must be bert, but is {values['model_type']!r}.")
    known = {item.name for item in dataclasses.fields(ModelConfig)}
    try:
        return ModelConfig(**{name: value for name, value in values.items() if name in known})
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{directory}/{CONFIG_NAME}: {error}") from None


def read_json(path: Path) -> dict:
    """A JSON object. Raises CheckpointError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; a model folder holds {', '.join(MODEL_FILES)}.") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: must hold a JSON object.")
    return value


def load_arrays(model: paddle.nn.Layer, arrays: Mapping[str, np.ndarray], *, source: str | Path, optional: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Set a model's parameters; returns the names of `optional` prefixes' parameters that the source lacks.

    Raises CheckpointError naming all missing, unexpected and misshaped tensors at once.
    """
    targets = model.state_dict()
    given = {name: array for name, array in arrays.items() if name not in TIED_NAMES}
    absent = [name for name in targets if name not in given]
    missing = [name for name in absent if not name.startswith(optional or ("\0",))]
    unexpected = [name for name in given if name not in targets]
    misshaped = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(targets[name].shape)}"
        for name in targets
        if name in given and tuple(given[name].shape) != tuple(targets[name].shape)
    ]
    faults = [f"{kind}: {', '.join(names)}" for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshaped", misshaped)) if names]
    if faults:
        raise CheckpointError(f"{source}: the weights do not fit the model. {'; '.join(faults)}.")
    for name, tensor in targets.items():
        if name in given:
            tensor.set_value(_as_float32(given[name]))
    return tuple(absent)


def _as_float32(array: np.ndarray) -> np.ndarray:
    # numpy has no bfloat16: Paddle stores its bits as uint16
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array.astype(np.float32)


def load_weights(
    model: BertForPretraining, directory: Path, *, optional: tuple[str, ...] = (), first_layers_only: bool = False
) -> tuple[str, ...]:
    """Set a model to the weights of a folder; returns the parameters under `optional` prefixes that it lacks, which stay as they were.

    The names of a bare BertModel, as PaddleNLP saves it (without "bert." in front), are understood. first_layers_only: layers beyond the
    model's are left out, as RBT3 takes the first three of its parent's.
    """
    arrays = read_pdparams(directory / WEIGHTS_NAME)
    if not any(name.startswith("bert.") for name in arrays):
        arrays = {f"bert.{name}": array for name, array in arrays.items()}
    if first_layers_only:
        arrays = {name: array for name, array in arrays.items() if _layer_of(name) < model.config.num_hidden_layers}
    return load_arrays(model, arrays, source=directory / WEIGHTS_NAME, optional=optional)


def _layer_of(name: str) -> int:
    """Which layer of the encoder a parameter belongs to; -1: none."""
    found = re.match(r"bert\.encoder\.layers\.(\d+)\.", name)
    return int(found[1]) if found else -1


def load_model(directory: str | Path) -> BertForPretraining:
    """The model of a folder, every parameter from its file."""
    model = BertForPretraining(read_model_config(directory))
    load_weights(model, Path(directory))
    return model
