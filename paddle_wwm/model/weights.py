"""Save and load model folders: config.json, model_state.pdparams, vocab.txt, tokenizer_config.json.

PaddleNLP's Auto classes can open them unchanged.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping

import numpy as np
import paddle

from ..errors import CheckpointError
from ..files import write_json
from ..tokenization.added_words import is_chinese_word
from ..tokenization.vocab import Vocab
from ..weights import WEIGHTS_NAME
from ..weights.pdparams import read_pdparams, write_pdparams
from ..weights.tensors import BFLOAT16, to_float32
from .folder import (
    ADDED_TOKENS_KEY,
    CONFIG_NAME,
    TIED_NAMES,
    TOKENIZER_CONFIG_NAME,
    VOCAB_NAME,
    paddle_config,
    read_model_config,
    tokenizer_config,
    with_bert_in_front,
)
from .heads import BertForPretraining


def save_model(
    directory: Path,
    *,
    model: BertForPretraining,
    vocab: Vocab,
    do_lower_case: bool,
    untrained: tuple[str, ...] = (),
    masters: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a model folder.

    Args:
        untrained: Names of parts that the run did not train. config.json records them.
        masters: 32-bit copies to save instead of 16-bit weights.
    """
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()} | dict(masters or {})
    for name, source in TIED_NAMES.items():
        arrays[name] = arrays[source]
    write_pdparams(directory / WEIGHTS_NAME, arrays)
    write_json(directory / CONFIG_NAME, paddle_config(model.config, untrained=untrained))
    vocab.save(directory / VOCAB_NAME)
    values = tokenizer_config(model.config, do_lower_case=do_lower_case)
    if words := [token for token in vocab.tokens if is_chinese_word(token)]:
        values[ADDED_TOKENS_KEY] = words
    write_json(directory / TOKENIZER_CONFIG_NAME, values)


def load_arrays(
    model: paddle.nn.Layer, arrays: Mapping[str, np.ndarray], *, source: str | Path, optional: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Set the parameters of a model from arrays.

    Args:
        source: Where the arrays come from, for messages.
        optional: Name prefixes of parameters that may be missing.

    Returns:
        The names of the missing optional parameters. They stay unchanged.

    Raises:
        CheckpointError: Tensors are missing, unexpected or misshaped; the message has all of them. Or a tied tensor
            differs from its source.
    """
    targets = model.state_dict()
    for name, tied_to in TIED_NAMES.items():
        if name in arrays and tied_to in arrays and not _same(arrays[name], arrays[tied_to]):
            raise CheckpointError(
                f"{source}: {name} differs from {tied_to}, to which BERT ties it; loading it would lose one of them."
            )
    given = {name: array for name, array in arrays.items() if name not in TIED_NAMES}
    absent = [name for name in targets if name not in given]
    missing = [name for name in absent if not name.startswith(optional or ("\0",))]
    unexpected = [name for name in given if name not in targets]
    misshaped = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(targets[name].shape)}"
        for name in targets
        if name in given and tuple(given[name].shape) != tuple(targets[name].shape)
    ]
    faults = [
        f"{kind}: {', '.join(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshaped", misshaped))
        if names
    ]
    if faults:
        raise CheckpointError(f"{source}: the weights do not fit the model. {'; '.join(faults)}.")
    for name, tensor in targets.items():
        if name in given:
            tensor.set_value(_as_float32(given[name]))
    return tuple(absent)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one is other or (one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


def _as_float32(array: np.ndarray) -> np.ndarray:
    # numpy has no bfloat16: Paddle stores its bits as uint16
    return to_float32(array, dtype=BFLOAT16 if array.dtype == np.uint16 else array.dtype.name)


def load_weights(
    model: BertForPretraining, directory: Path, *, optional: tuple[str, ...] = (), first_layers_only: bool = False
) -> tuple[str, ...]:
    """Set the parameters of a model from a folder.

    The names of a bare BertModel, as PaddleNLP saves it (without "bert."), are accepted.

    Args:
        optional: Name prefixes of parameters that may be missing.
        first_layers_only: Skip layers that the model does not have. RBT3 takes the first three of its parent's.

    Returns:
        The names of the missing optional parameters. They stay unchanged.
    """
    arrays = with_bert_in_front(read_pdparams(directory / WEIGHTS_NAME))
    if first_layers_only:
        arrays = {name: array for name, array in arrays.items() if _layer_of(name) < model.config.num_hidden_layers}
    return load_arrays(model, arrays, source=directory / WEIGHTS_NAME, optional=optional)


def _layer_of(name: str) -> int:
    """Return the encoder layer of a parameter, or -1."""
    found = re.match(r"bert\.encoder\.layers\.(\d+)\.", name)
    return int(found[1]) if found else -1


def load_model(directory: str | Path) -> BertForPretraining:
    """Load the model of a folder. The folder must have every parameter."""
    model = BertForPretraining(read_model_config(directory))
    load_weights(model, Path(directory))
    return model
