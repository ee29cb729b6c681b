"""Compare the outputs of two models, or of a model and stored outputs, on the same inputs.

`engines` runs each model in the class of its own framework if that is installed. Outputs that `save_reference` stored
replace a framework that is not installed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..files import atomic_write
from ..model_config import ModelConfig
from ..weights.tensors import same_bytes, to_float32
from .engines import OUTPUTS, run_model
from .layers import with_shifted_positions
from .opening import OpenedModel, open_model, with_command_of_flags
from .other_engines import INPUTS

TOLERANCE = 1e-5
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
        largest_of_tensors: the largest difference of two values of a tensor. The outputs do not show every value: the
            inputs have few of the tokens and positions.
        differing: the tensors with other bits, as far as both models have them.
    """

    one: str
    other: str
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...]
    num_same: int
    num_tensors: int
    largest_of_tensors: float = 0.0
    differing: tuple[str, ...] = ()

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


def verify(
    one: str | Path, other: str | Path, *, config: str | Path | None = None, positions_shifted: bool = False
) -> Verification:
    """Compare the outputs of two models on the same inputs.

    Instead of one of the models, stored outputs can be given.

    Args:
        one: a model of any format that `convert` reads, or outputs that `save_reference` stored (.npz).
        other: like `one`; at least one of the two must be a model.
        config: a config.json to use for both instead of those next to the weights.
        positions_shifted: run a model of PaddleNLP's Roberta class with the positions of that class, from 1.

    Returns:
        The largest absolute difference of every output, and the number of tensors with the same bits.

    Raises:
        CheckpointError: a model cannot be opened or run, a parameter is missing or not known in the class that runs it,
            or the two models have different sizes.
        ConfigError: both are stored outputs, or `positions_shifted` is given and no model is of the Roberta class.

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
    first = _open(one, config=config)
    if positions_shifted:
        _check_positions_are_shifted(first, other, config=config)
    if is_reference(other):
        stored = read_reference(other)
        expected, second, name = (
            {key: stored[key] for key in OUTPUTS if key in stored},
            None,
            f"{other} (stored outputs)",
        )
        inputs = {key: stored[key] for key in INPUTS}
    else:
        second = _open(other, config=config)
        inputs = make_inputs(first.config)
        expected, engine = run_model(second, inputs, positions_shifted=positions_shifted)
        name = f"{other} (run by {engine})"
    actual, engine = run_model(first, inputs, positions_shifted=positions_shifted)
    common = [key for key in OUTPUTS if key in actual and key in expected]
    for key in common:
        if actual[key].shape != expected[key].shape:
            raise CheckpointError(
                f"{key} has shape {actual[key].shape} for {one}, but {expected[key].shape} for {other}; models of "
                f"different sizes cannot be compared."
            )
    if first.is_roberta_class or (second is not None and second.is_roberta_class):
        # PaddleNLP's Roberta class embeds [PAD] as zeros; the mask hides it from all other positions
        seen = inputs["attention_mask"].astype(bool)
        actual, expected = (
            {key: array[seen] if array.ndim == 3 else array for key, array in outputs.items()}
            for outputs in (actual, expected)
        )
    tensors, largest, differing = (
        _compare_tensors(*(_as_compared(model, positions_shifted) for model in (first, second)))
        if second is not None
        else ((), 0.0, ())
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
        num_same=len(tensors) - len(differing),
        num_tensors=len(tensors),
        largest_of_tensors=largest,
        differing=differing,
    )


def _compare_tensors(one: OpenedModel, other: OpenedModel) -> tuple[tuple[str, ...], float, tuple[str, ...]]:
    """Return the common tensors, their largest difference, and those with other bits."""
    common = tuple(name for name in one.tensors if name in other.tensors)
    differing = tuple(name for name in common if not same_bytes(one.tensors[name], other.tensors[name]))
    largest = [0.0]
    for name in differing:
        left, right = (
            to_float32(model.tensors[name].read(), dtype=model.tensors[name].dtype) for model in (one, other)
        )
        if left.shape != right.shape:
            raise CheckpointError(
                f"{name} has shape {left.shape} in {one.files[0]}, but {right.shape} in {other.files[0]}; models of "
                f"different sizes cannot be compared."
            )
        with np.errstate(invalid="ignore"):  # two infinities
            largest.append(float(np.abs(left - right).max()) if not np.array_equal(left, right, equal_nan=True) else 0)
    return common, float(np.max(largest)), differing


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


def save_reference(
    source: str | Path, path: str | Path, *, config: str | Path | None = None, positions_shifted: bool = False
) -> str:
    """Run a model and store its inputs and outputs.

    They can be compared on a machine where the framework is not installed.

    Returns:
        The name of what ran the model.
    """
    model = _open(source, config=config)
    inputs = make_inputs(model.config)
    outputs, engine = run_model(model, inputs, positions_shifted=positions_shifted)
    with atomic_write(path) as stream:
        np.savez(stream, **inputs, **outputs)
    return engine


def _open(source: str | Path, *, config: str | Path | None) -> OpenedModel:
    try:
        return open_model(source, config=config)
    except CheckpointError as error:
        raise with_command_of_flags(error, source=source, own=("--config", "--positions-shifted")) from None


def _as_compared(model: OpenedModel, positions_shifted: bool) -> OpenedModel:
    return with_shifted_positions(model) if positions_shifted and model.is_roberta_class else model


def _check_positions_are_shifted(first: OpenedModel, other: str | Path, *, config: str | Path | None) -> None:
    """Raise ConfigError if no model is of PaddleNLP's Roberta class."""
    if not first.is_roberta_class and (is_reference(other) or not _open(other, config=config).is_roberta_class):
        raise ConfigError("--positions-shifted is for a model of PaddleNLP's Roberta class, but neither of the two is.")
