"""Open a source of any known format as a BERT with Paddle's parameter names.

Nothing is dropped, filled or renamed silently. All tensors that do not fit are reported in one error. The opened model
lists what is absent, and counts what was skipped.
"""

from __future__ import annotations

import collections
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError
from ..files import read_json
from ..model.folder import TOKENIZER_CONFIG_NAME, UNTRAINED
from ..model_config import ModelConfig
from ..tokenization.vocab import load_vocab
from ..weights.opening import WeightsFiles, open_weights
from ..weights.tensors import FLOAT_TYPES, Tensor, same_bytes, transposed
from .description import read_description
from .names import OPTIONAL_PARTS, Naming, naming_of, parameters, passed_over, standard_name, tied_parameter

MAX_NAMES_TOLD = 8


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """A BERT whose tensors are still in their files.

    Args:
        tensors: by their names in Paddle, with their shapes in Paddle. Those of `absent` parts are missing.
        absent: parts that the source does not have.
        untrained: parts with random values, as recorded in the configuration of the source.
        passed_over: reason -> number of tensors that were skipped.
        unexpected: tensors that were left out because of `drop_unexpected`.
    """

    description: str
    naming: Naming
    files: tuple[Path, ...]
    config: ModelConfig
    tensors: Mapping[str, Tensor]
    absent: tuple[str, ...]
    untrained: tuple[str, ...]
    passed_over: Mapping[str, int]
    unexpected: tuple[str, ...]
    vocab: Path | None
    do_lower_case: bool
    notes: tuple[str, ...]

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The data types of the tensors, sorted."""
        return tuple(sorted({tensor.dtype for tensor in self.tensors.values()}))

    @property
    def num_parameters(self) -> int:
        """Number of parameters. Tied copies are not counted."""
        return sum(tensor.num_values for tensor in self.tensors.values())


def open_model(
    source: str | Path,
    *,
    config: str | Path | None = None,
    vocab: str | Path | None = None,
    drop_unexpected: bool = False,
) -> OpenedModel:
    """Open a TensorFlow checkpoint or a Hugging Face, PaddleNLP or paddle_wwm folder.

    Archives are unpacked by `convert`, not here.

    Args:
        config: a configuration to use instead of the one next to the weights.
        vocab: a vocabulary to use instead of the one next to the weights.
        drop_unexpected: leave out tensors that are not part of a BERT with its pretraining heads, such as a
            fine-tuned classifier.

    Raises:
        CheckpointError: the source cannot be read or is not a BERT. One message lists all missing, unexpected and
            misshaped tensors.
    """
    weights = open_weights(source)
    naming = naming_of(weights.tensors)
    description = read_description(
        weights.folder, config=Path(config) if config else None, vocab=Path(vocab) if vocab else None
    )
    if naming is None:
        some = _listed(sorted(weights.tensors)[:MAX_NAMES_TOLD])
        raise CheckpointError(
            f"{weights.files[0]}: the tensors must have the names of a BERT in Paddle, Hugging Face or TensorFlow, "
            f"but are {some}."
        )
    notes = _check_kind(weights, naming, description.values, path=description.path)
    if description.config.num_hidden_layers > len(weights.tensors):
        raise CheckpointError(
            f"{description.path}: states {description.config.num_hidden_layers:,} layers, but "
            f"{weights.files[0]} has only {len(weights.tensors):,} tensors."
        )
    sizes = _with_sizes_of_tensors(description.config, weights, naming, given=description.values)
    found = _standardised(weights, naming)
    expected = {parameter.name: parameter for parameter in parameters(naming, sizes)}
    absent = tuple(part for part in OPTIONAL_PARTS if not any(name.startswith(f"{part}.") for name in found.tensors))
    missing = [
        name
        for name in expected
        if name not in found.tensors and not name.startswith(tuple(f"{part}." for part in absent) or ("\0",))
    ]
    surplus = [name for name in found.tensors if name not in expected]
    misshaped = [
        f"{name} {tensor.shape} instead of {expected[name].shape}"
        for name, tensor in found.tensors.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    told_unexpected = [] if drop_unexpected else found.unexpected
    kinds = {
        "missing": missing,
        "unexpected": told_unexpected,
        "of layers that the configuration does not have": surplus,
        "misshaped": misshaped,
        "not floating-point numbers": found.not_floats,
    }
    faults = [f"{kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if faults:
        hint = (
            " To leave out tensors of other parts, such as a fine-tuned head, add --drop-unexpected."
            if told_unexpected
            else ""
        )
        raise CheckpointError(
            f"{source}: the weights do not fit the BERT that {description.path} describes. {'; '.join(faults)}.{hint}"
        )
    _check_vocab(description.vocab, sizes)
    return OpenedModel(
        description=f"{weights.format} with {_OWNERS[naming]} names",
        naming=naming,
        files=weights.files,
        config=sizes,
        tensors={name: found.tensors[name] for name in expected if name in found.tensors},
        absent=absent,
        untrained=tuple(part for part in description.values.get(UNTRAINED, ()) if isinstance(part, str)),
        passed_over=found.passed_over,
        unexpected=tuple(found.unexpected),
        vocab=description.vocab,
        do_lower_case=_do_lower_case(weights.folder, description.vocab),
        notes=notes,
    )


_OWNERS = {Naming.PADDLE: "Paddle's", Naming.HUGGING_FACE: "Hugging Face's", Naming.TENSORFLOW: "Google's"}


def _listed(names: list[str]) -> str:
    rest = len(names) - MAX_NAMES_TOLD
    return ", ".join(names[:MAX_NAMES_TOLD]) + (f" and {rest} more" if rest > 0 else "")


def _check_kind(weights: WeightsFiles, naming: Naming, values: Mapping[str, Any], *, path: Path) -> tuple[str, ...]:
    """Raise CheckpointError if the model is not a BERT; return notes for the user."""
    kind = values.get("model_type", "bert")
    if kind == "roberta" and (naming is not Naming.PADDLE or values.get("type_vocab_size", 2) == 1):
        raise CheckpointError(
            f"{path}: `model_type` is roberta: a RoBERTa model (other positions, one token type, another vocabulary) "
            "is not a BERT and cannot be converted. "
            "The RoBERTa-wwm-ext and RBT models are BERT models: use their files with `model_type` bert."
        )
    if kind not in ("bert", "roberta"):
        raise CheckpointError(f"{path}: `model_type` must be bert, but is {kind!r}.")
    if values.get("position_embedding_type", "absolute") != "absolute":
        raise CheckpointError(
            f"{path}: `position_embedding_type` must be absolute, but is {values['position_embedding_type']!r}."
        )
    if kind == "roberta" or any(name.startswith("roberta.") for name in weights.tensors):
        return (
            "PaddleNLP's Roberta class numbers positions from 1, but these weights were trained with positions from "
            "0. The converted model numbers positions from 0, so its outputs are those of the Bert class, not of "
            "PaddleNLP's Roberta class.",
        )
    return ()


def _with_sizes_of_tensors(
    config: ModelConfig, weights: WeightsFiles, naming: Naming, *, given: Mapping[str, Any]
) -> ModelConfig:
    """Return the config, with sizes from the weights where its file states none.

    The defaults of other programs differ, so the defaults of `ModelConfig` could be wrong.
    """
    places = {
        "vocab_size": "bert.embeddings.word_embeddings.weight",
        "max_position_embeddings": "bert.embeddings.position_embeddings.weight",
        "type_vocab_size": "bert.embeddings.token_type_embeddings.weight",
    }
    names = {parameter.name: parameter.foreign_name for parameter in parameters(naming, config)}
    shapes = {standard_name(name, naming): tensor.shape for name, tensor in weights.tensors.items()}
    read_off = {
        key: shapes[names[name]][0] for key, name in places.items() if not given.get(key) and shapes.get(names[name])
    }
    return dataclasses.replace(
        config,
        vocab_size=read_off.get("vocab_size", config.vocab_size),
        max_position_embeddings=read_off.get("max_position_embeddings", config.max_position_embeddings),
        type_vocab_size=read_off.get("type_vocab_size", config.type_vocab_size),
    )


@dataclass(frozen=True, kw_only=True)
class _Standardised:
    tensors: dict[str, Tensor]
    unexpected: list[str]
    not_floats: list[str]
    passed_over: dict[str, int]


def _standardised(weights: WeightsFiles, naming: Naming) -> _Standardised:
    """Sort the tensors: give them Paddle's names and shapes, or list or skip them.

    Raises:
        CheckpointError: a parameter is stored twice, or a tied copy differs.
    """
    any_depth = dataclasses.replace(ModelConfig(), num_hidden_layers=max(1, _num_layers(weights.tensors)))
    known = {parameter.foreign_name: parameter for parameter in parameters(naming, any_depth)}
    tensors: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    tied: list[tuple[str, str, Tensor]] = []
    unexpected, not_floats = [], []
    counts: collections.Counter[str] = collections.Counter()
    for name, tensor in weights.tensors.items():
        standard = standard_name(name, naming)
        if (reason := passed_over(name, naming)) is not None:
            counts[reason] += 1
        elif (source := tied_parameter(standard, naming)) is not None:
            tied.append((name, source, tensor))
        elif standard not in known:
            unexpected.append(name)
        elif tensor.dtype not in FLOAT_TYPES:
            not_floats.append(f"{name} ({getattr(tensor, 'why', tensor.dtype)})")
        else:
            parameter = known[standard]
            if parameter.name in tensors:
                raise CheckpointError(
                    f"{weights.files[0]}: {name} and {origins[parameter.name]} are the same parameter of a BERT; "
                    "only one of them can be in a file."
                )
            is_turned = parameter.is_turned and len(tensor.shape) == 2
            tensors[parameter.name] = transposed(tensor) if is_turned else tensor
            origins[parameter.name] = name
    for name, source, tensor in tied:
        if source not in tensors and tensor.dtype in FLOAT_TYPES:
            tensors[source] = tensor
        elif source not in tensors or not same_bytes(tensor, tensors[source]):
            raise CheckpointError(
                f"{weights.files[0]}: {name} differs from {origins.get(source, source)}, but BERT ties the two. "
                "A model with a separate output layer cannot be converted without loss."
            )
        else:
            counts["tied copies"] += 1
    return _Standardised(tensors=tensors, unexpected=unexpected, not_floats=not_floats, passed_over=dict(counts))


def _num_layers(names: Mapping[str, Tensor]) -> int:
    """Return an upper bound of the number of layers. An encoder layer has 16 tensors."""
    return min(len(names) // 16 + 1, 1000)


def _check_vocab(vocab: Path | None, config: ModelConfig) -> None:
    if vocab is not None and len(load_vocab(vocab)) != config.vocab_size:
        raise CheckpointError(
            f"{vocab}: has {len(load_vocab(vocab)):,} entries, but the word embeddings have {config.vocab_size:,}; "
            "pass the vocabulary of these weights with --vocab."
        )


def _do_lower_case(folder: Path, vocab: Path | None) -> bool:
    """Return True if the model is uncased.

    tokenizer_config.json states it; without that, a vocabulary without capital letters is uncased.
    """
    path = folder / TOKENIZER_CONFIG_NAME
    stated = read_json(path).get("do_lower_case") if path.exists() else None
    if isinstance(stated, bool):
        return stated
    if vocab is None:
        return True
    capitals = sum(token != token.lower() for token in load_vocab(vocab).tokens if not token.startswith(("[", "<")))
    return capitals == 0
