"""Compare the outputs of two models, or of a model and stored outputs, on the same inputs.

transformers runs a Hugging Face folder if it is installed. This project's BERT runs all other models. Outputs that
`save_reference` stored replace a framework that is not installed here.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..files import atomic_write
from ..model_config import ModelConfig
from ..weights.tensors import same_bytes, to_float32
from .names import Naming
from .opening import OpenedModel, open_model

TOLERANCE = 1e-5
INPUTS = ("input_ids", "token_type_ids", "attention_mask")
# output -> the optional parts that it needs
OUTPUTS = {
    "last_hidden_state": (),
    "pooler_output": ("bert.pooler",),
    "prediction_logits": ("cls.predictions",),
    "seq_relationship_logits": ("bert.pooler", "cls.seq_relationship"),
}
REFERENCE_ENDING = ".npz"
MAX_LENGTH = 48


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest absolute difference of an output, and its largest absolute value."""

    output: str
    largest: float
    scale: float


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The result of a comparison.

    Args:
        one: the first model, and what ran it.
        other: the second model and what ran it, or the stored outputs.
        num_same: number of tensors with the same bits.
        num_tensors: number of compared tensors; 0 for stored outputs.
    """

    one: str
    other: str
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...]
    num_same: int
    num_tensors: int

    @property
    def largest(self) -> float:
        """The largest difference of all outputs; NaN if one of them is NaN."""
        return float(np.max([item.largest for item in self.differences]))


def make_inputs(config: ModelConfig, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return three texts of random ids, two of them padded, each with two segments.

    Returns:
        The arrays of `INPUTS`, all int64 of shape (3, length).
    """
    rng = np.random.default_rng(seed)
    length = min(MAX_LENGTH, config.max_position_embeddings)
    lengths = np.array([length, max(1, length // 2), max(1, length - 3)])[:, None]
    mask = np.arange(length) < lengths
    ids = np.where(
        mask, rng.integers(min(1, config.vocab_size - 1), config.vocab_size, mask.shape), config.pad_token_id
    )
    types = (mask & (np.arange(length) >= lengths // 2)).astype(np.int64) % config.type_vocab_size
    return {"input_ids": ids.astype(np.int64), "token_type_ids": types, "attention_mask": mask.astype(np.int64)}


def verify(one: str | Path, other: str | Path, *, config: str | Path | None = None) -> Verification:
    """Compare the outputs of two models on the same inputs.

    Instead of one of the models, stored outputs can be given.

    Args:
        one: a model of any format that `convert` reads, or outputs that `save_reference` stored (.npz).
        other: like `one`; at least one of the two must be a model.
        config: a config.json for a model that has none next to its weights.

    Returns:
        The largest absolute difference of every output, and the number of tensors with the same bits.

    Raises:
        CheckpointError: a model cannot be opened or run, or the two models have different sizes.
        ConfigError: both are stored outputs.

    Source:
        1e-5, the tolerance of paddle-wwm verify-conversion, is a common tolerance for float32 ports of BERT.

    Example:
        >>> from paddle_wwm import verify
        >>> result = verify("model", "model")
        >>> result.largest, result.num_same == result.num_tensors
        (0.0, True)
    """
    if is_reference(one) and is_reference(other):
        raise ConfigError("one of the two must be a model, but both are stored outputs (.npz).")
    if is_reference(one):
        one, other = other, one
    first = open_model(one, config=config)
    if is_reference(other):
        stored = read_reference(other)
        expected, second, name = (
            {key: stored[key] for key in OUTPUTS if key in stored},
            None,
            f"{other} (stored outputs)",
        )
        inputs = {key: stored[key] for key in INPUTS}
    else:
        second = open_model(other, config=config)
        inputs = make_inputs(first.config)
        expected, engine = run_model(second, inputs)
        name = f"{other} (run by {engine})"
    actual, engine = run_model(first, inputs)
    common = [key for key in OUTPUTS if key in actual and key in expected]
    for key in common:
        if actual[key].shape != expected[key].shape:
            raise CheckpointError(
                f"{key} has shape {actual[key].shape} for {one}, but {expected[key].shape} for {other}; models of "
                f"different sizes cannot be compared."
            )
    return Verification(
        one=f"{one} (run by {engine})",
        other=name,
        differences=tuple(
            Difference(
                output=key,
                largest=float(np.abs(actual[key] - expected[key]).max()),
                scale=float(np.abs(expected[key]).max()),
            )
            for key in common
        ),
        not_compared=tuple(key for key in OUTPUTS if key not in common),
        num_same=_num_same(first, second) if second is not None else 0,
        num_tensors=len(first.tensors) if second is not None else 0,
    )


def _num_same(one: OpenedModel, other: OpenedModel) -> int:
    return sum(
        name in other.tensors and same_bytes(tensor, other.tensors[name]) for name, tensor in one.tensors.items()
    )


def is_reference(path: str | Path) -> bool:
    """Return True if the path is one of stored outputs (.npz)."""
    return str(path).endswith(REFERENCE_ENDING)


def read_reference(path: str | Path) -> dict[str, np.ndarray]:
    """Return the inputs and outputs that `save_reference` stored, by name.

    Raises:
        CheckpointError: the file cannot be read, or an array is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in (*INPUTS, *OUTPUTS) if key in stored}
    except Exception as error:  # a corrupt archive can raise nearly any exception
        raise CheckpointError(f"{path}: cannot be read as stored outputs: {error}.") from None
    if missing := [key for key in (*INPUTS, "last_hidden_state") if key not in arrays]:
        raise CheckpointError(f"{path}: lacks {', '.join(missing)}; create the file with --save-reference.")
    return arrays


def save_reference(source: str | Path, path: str | Path, *, config: str | Path | None = None) -> str:
    """Run a model and store its inputs and outputs.

    They can be compared on a machine where the framework is not installed.

    Returns:
        The name of what ran the model.
    """
    model = open_model(source, config=config)
    inputs = make_inputs(model.config)
    outputs, engine = run_model(model, inputs)
    with atomic_write(path) as stream:
        np.savez(stream, **inputs, **outputs)
    return engine


def run_model(model: OpenedModel, inputs: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], str]:
    """Run a model. Outputs that need an absent part are left out.

    Args:
        inputs: the arrays of `INPUTS`, int64 of shape (batch_size, seq_len).

    Returns:
        The outputs by name, all float32, and the name of what ran the model. Shapes: `last_hidden_state`
        (batch_size, seq_len, hidden_size), `pooler_output` (batch_size, hidden_size), `prediction_logits`
        (batch_size, seq_len, vocab_size), `seq_relationship_logits` (batch_size, 2).
    """
    if (
        int(inputs["input_ids"].max()) >= model.config.vocab_size
        or inputs["input_ids"].shape[1] > model.config.max_position_embeddings
    ):
        raise CheckpointError(
            f"{model.files[0]}: the stored inputs do not fit this model; they are from a model of another size."
        )
    has_transformers = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    if model.naming is Naming.HUGGING_FACE and has_transformers:
        outputs, engine = _run_by_transformers(model, inputs), "transformers"
    elif importlib.util.find_spec("paddle"):
        outputs, engine = _run_by_paddle(model, inputs), "Paddle"
    else:
        raise CheckpointError(
            f"{model.files[0]}: no framework to run this model is installed; install paddlepaddle, or torch and "
            f"transformers for a Hugging Face folder."
        )
    return {key: outputs[key] for key, parts in OUTPUTS.items() if not set(parts) & set(model.absent)}, engine


def _run_by_paddle(model: OpenedModel, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
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


def _run_by_transformers(model: OpenedModel, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    import torch
    from transformers import BertForPreTraining

    bert = BertForPreTraining.from_pretrained(str(model.files[0].parent)).float().eval()
    with torch.no_grad():
        given = {key: torch.from_numpy(np.asarray(inputs[key], np.int64)) for key in INPUTS}
        encoded = bert.bert(**given)
        outputs = bert(**given)
    return {
        "last_hidden_state": encoded.last_hidden_state.numpy(),
        "pooler_output": encoded.pooler_output.numpy(),
        "prediction_logits": outputs.prediction_logits.numpy(),
        "seq_relationship_logits": outputs.seq_relationship_logits.numpy(),
    }
