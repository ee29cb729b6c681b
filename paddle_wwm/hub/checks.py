"""Checks of a model folder before it is packed into a module: sizes, vocabulary, every tensor."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..conversion.names import Naming, parameters
from ..errors import CheckpointError, HubModuleError
from ..model.folder import (
    CONFIG_NAME,
    HEAD_PREFIXES,
    VOCAB_NAME,
    check_is_ours,
    read_model_config,
    with_bert_in_front,
)
from ..model.tokenizer_settings import read_do_lower_case
from ..model_config import SERIES_VOCAB_SIZE, ModelConfig
from ..tokenization.vocab import load_vocab
from ..variants import Variant
from ..weights import WEIGHTS_NAME
from ..weights.pdparams import open_pdparams

SIZES = (
    *(
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size",
    ),
    *("hidden_act", "layer_norm_eps"),
)
SERIES_VOCAB_SHA256 = "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c"
OPTIONAL = (*HEAD_PREFIXES, "bert.pooler.")  # a model may have these besides the encoder, or lack them


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A model folder that may go into a module.

    Attributes:
        deviations: Its differences from the variant whose name the module gets.
    """

    config: ModelConfig
    deviations: tuple[str, ...]


def check_model_folder(folder: Path, *, variant: Variant | None, allow_other_sizes: bool) -> Checked:
    """Check a model folder before it is packed.

    Raises:
        CheckpointError: The folder does not hold a complete model.
        HubModuleError: The model does not match the variant.
    """
    check_is_ours(folder)
    config = read_model_config(folder)
    vocab = load_vocab(folder / VOCAB_NAME)
    do_lower_case = read_do_lower_case(folder)
    if len(vocab) != config.vocab_size:
        raise HubModuleError(
            f"{folder}: vocab.txt has {len(vocab)} entries, but vocab_size in config.json is {config.vocab_size}."
        )
    _check_tensors(folder / WEIGHTS_NAME, config)
    deviations = (
        _deviations(variant, config=config, vocab_sha256=vocab.sha256, do_lower_case=do_lower_case) if variant else []
    )
    if variant and deviations and not allow_other_sizes:
        raise HubModuleError(
            f"{folder}: is not {variant.name}: {'; '.join(deviations)}. Choose another --name. For tests and small "
            f"experiments, --allow-other-sizes accepts this name, and the card says so."
        )
    return Checked(config=config, deviations=tuple(deviations))


def _deviations(variant: Variant, *, config: ModelConfig, vocab_sha256: str, do_lower_case: bool) -> list[str]:
    wanted, found = dataclasses.asdict(variant.config), dataclasses.asdict(config)
    deviations = [f"{name} is {found[name]}, not {wanted[name]}" for name in SIZES if found[name] != wanted[name]]
    if do_lower_case != variant.do_lower_case:
        deviations.append(f"do_lower_case is {do_lower_case}, not {variant.do_lower_case}")
    if variant.config.vocab_size == SERIES_VOCAB_SIZE and vocab_sha256 != SERIES_VOCAB_SHA256:
        deviations.append(f"vocab.txt has sha256 {vocab_sha256[:12]}…, not {SERIES_VOCAB_SHA256[:12]}…")
    return deviations


def _check_tensors(path: Path, config: ModelConfig) -> None:
    """Check that the encoder's tensors exist, with their shapes and finite values."""
    tensors = with_bert_in_front(open_pdparams(path))
    expected = {parameter.name: tuple(parameter.shape) for parameter in parameters(Naming.PADDLE, config)}
    missing = [name for name in expected if name not in tensors and not name.startswith(OPTIONAL)]
    unexpected = [name for name in tensors if name not in expected and not name.startswith(OPTIONAL)]
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    misshaped = [
        f"{name} {found[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    faults = [
        f"{kind}: {', '.join(names[:8])}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshaped", misshaped))
        if names
    ]
    if faults:
        raise CheckpointError(f"{path}: the weights do not fit {CONFIG_NAME}. {'; '.join(faults)}.")
    for name, tensor in tensors.items():
        values = tensor.read()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; the run that wrote it failed.")
