"""Read and write the files of a model folder other than the weights, without Paddle."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Mapping, TypeVar

from ..errors import CheckpointError
from ..files import read_json
from ..model_config import ModelConfig
from ..weights import INNER_FOLDERS, PATTERNS, WEIGHTS_NAME
from .config_keys import SIZES, UNTRAINED, check_config_keys
from .tokenizer_settings import TOKENIZER_CONFIG_NAME as TOKENIZER_CONFIG_NAME
from .tokenizer_settings import TokenizerSettings

CONFIG_NAME = "config.json"
VOCAB_NAME = "vocab.txt"
MODEL_FILES = (CONFIG_NAME, WEIGHTS_NAME, VOCAB_NAME, TOKENIZER_CONFIG_NAME)
# In tokenizer_config.json. With it, PaddleNLP finds tokens of vocab.txt in text before it splits it; it refuses an
# added_tokens.json with tokens of vocab.txt, and counts those of added_tokens_decoder twice.
ADDED_TOKENS_KEY = "additional_special_tokens"
# PaddleNLP's classes list the tied decoder also under these names, so files have it twice. They are never loaded.
TIED_NAMES = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.decoder_bias",
}
CLASSIFIER, KIND_CLASSIFIER = "classifier.", "kind_classifier."
HEAD_PREFIXES = ("cls.", CLASSIFIER, KIND_CLASSIFIER)  # prefixes of the parameters of all heads
Value = TypeVar("Value")


def paddle_config(config: ModelConfig, *, untrained: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return config.json as PaddleNLP's classes and this library read it."""
    values = {
        "architectures": ["BertForPretraining"],
        "model_type": "bert",
        **dataclasses.asdict(config),
        "pool_act": "tanh",
    }
    return {**values, UNTRAINED: list(untrained)} if untrained else values


def tokenizer_config(
    config: ModelConfig,
    *,
    do_lower_case: bool,
    settings: TokenizerSettings = TokenizerSettings(),  # noqa: B008  (it is frozen)
) -> dict[str, Any]:
    """Return tokenizer_config.json for PaddleNLP, transformers and this library.

    Args:
        settings: Its other settings, and its `model_max_length` if that is below the number of positions.
    """
    max_positions = config.max_position_embeddings
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": do_lower_case,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": min(settings.model_max_length or max_positions, max_positions),
        **settings.others,
    }


def with_bert_in_front(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Put "bert." before the names of a bare BertModel, as PaddleNLP saves it.

    Names are unchanged if any of them has "bert." already.
    """
    if any(name.startswith("bert.") for name in tensors):
        return dict(tensors)
    return {name if name.startswith(HEAD_PREFIXES) else f"bert.{name}": tensor for name, tensor in tensors.items()}


def model_folder_in(path: Path) -> Path:
    """Return the model folder of a run or of a hub module.

    Other paths are returned unchanged.
    """
    places = (path, *(path / inner for inner in INNER_FOLDERS))
    return next((place for place in places if (place / CONFIG_NAME).is_file()), path)


def foreign_weights(directory: str | Path) -> str | None:
    """Return what other weights than ours a path has, in words.

    None: it is a folder of ours, or has no weights that are recognised.
    """
    directory = Path(directory)
    if (directory / WEIGHTS_NAME).exists():
        return None
    if directory.is_file():
        return "is a file" if directory.suffix in (".zip", ".bin", ".safetensors", ".index") else None
    found = next((path.name for pattern in PATTERNS for path in sorted(directory.glob(pattern))), None)
    return f"holds {found}" if found else None


def check_is_ours(directory: str | Path) -> None:
    """Check that a folder holds Paddle weights.

    Raises:
        CheckpointError: It does not. For other weights, the message has the command that converts them.
    """
    directory = Path(directory)
    if (directory / WEIGHTS_NAME).exists():
        return
    if (foreign := foreign_weights(directory)) is not None:
        raise CheckpointError(
            f"{directory}: {foreign}, not {WEIGHTS_NAME}. "
            f"Convert it first: paddle-wwm convert {directory} NEW_FOLDER --to paddle"
        )
    raise _no_file(directory / WEIGHTS_NAME)


def model_config_from(values: Mapping[str, Any], *, source: str | Path) -> ModelConfig:
    """Return the sizes in the values of a config.json.

    Raises:
        CheckpointError: A size is invalid, or another key has a value that changes the outputs (`config_keys`).
    """
    check_config_keys(values, source=source, may_be_unknown=True)
    sizes = {name: value for name, value in values.items() if name in SIZES}
    if sizes.get("pad_token_id", 0) is None:
        del sizes["pad_token_id"]  # transformers and PaddleNLP allow null: no row of the embeddings is for padding
    try:
        return ModelConfig(**sizes)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{source}: {error}") from None


def read_config(directory: str | Path) -> dict[str, Any]:
    """Read all values of the config.json of a model folder."""
    path = Path(directory) / CONFIG_NAME
    if not path.exists():
        raise _no_file(path)
    return read_json(path)


def _no_file(path: Path) -> CheckpointError:
    return CheckpointError(f"{path}: no such file; a model folder holds {', '.join(MODEL_FILES)}.")


def read_model_config(directory: str | Path) -> ModelConfig:
    """Read the sizes of the model in a folder."""
    path = Path(directory) / CONFIG_NAME
    values = read_config(directory)
    if values.get("model_type", "bert") != "bert":
        raise CheckpointError(f"{path}: `model_type` must be bert, but is {values['model_type']!r}.")
    return model_config_from(values, source=path)
