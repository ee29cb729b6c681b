"""What lies in a model folder beside the weights, read and written without Paddle: config.json, vocab.txt,
tokenizer_config.json.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..config import ModelConfig
from ..errors import CheckpointError

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model_state.pdparams"
VOCAB_NAME = "vocab.txt"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"
MODEL_FILES = (CONFIG_NAME, WEIGHTS_NAME, VOCAB_NAME, TOKENIZER_CONFIG_NAME)
UNTRAINED = (
    "untrained_parameters"  # in config.json: the parts whose values are random, by the beginnings of their names
)
FOREIGN_WEIGHTS = (
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*.bin",
    "*.ckpt.index",
    "*.pdparams.index.json",
)


def paddle_config(config: ModelConfig, *, untrained: tuple[str, ...] = ()) -> dict[str, Any]:
    """config.json as PaddleNLP's classes and ours read it."""
    values = {
        "architectures": ["BertForPretraining"],
        "model_type": "bert",
        **dataclasses.asdict(config),
        "pool_act": "tanh",
    }
    return {**values, UNTRAINED: list(untrained)} if untrained else values


def tokenizer_config(config: ModelConfig, *, do_lower_case: bool) -> dict[str, Any]:
    """tokenizer_config.json as PaddleNLP, transformers and we read it."""
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": do_lower_case,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
        "model_max_length": config.max_position_embeddings,
    }


def read_json(path: Path) -> dict:
    """A JSON object. Raises CheckpointError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; a model folder holds {', '.join(MODEL_FILES)}.") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: must hold a JSON object.")
    return value


def check_is_ours(directory: str | Path) -> None:
    """Raises CheckpointError where a folder holds no Paddle weights; where it holds others, with the command that
    converts them.
    """
    directory = Path(directory)
    if (directory / WEIGHTS_NAME).exists():
        return
    foreign = next((path.name for pattern in FOREIGN_WEIGHTS for path in sorted(directory.glob(pattern))), None)
    if foreign is not None or (directory.is_file() and directory.suffix in (".zip", ".bin", ".safetensors", ".index")):
        raise CheckpointError(
            f"{directory}: {f'holds {foreign}' if foreign else 'is a file'}, not {WEIGHTS_NAME}. "
            f"Convert it first: paddle-wwm convert {directory} NEW_FOLDER --to paddle"
        )
    raise CheckpointError(f"{directory / WEIGHTS_NAME}: no such file; a model folder holds {', '.join(MODEL_FILES)}.")


def model_config_from(values: dict[str, Any], *, source: str | Path) -> ModelConfig:
    """The sizes in a config.json's object; keys that do not concern them are passed over."""
    known = {item.name for item in dataclasses.fields(ModelConfig)}
    try:
        return ModelConfig(**{name: value for name, value in values.items() if name in known})
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{source}: {error}") from None


def read_model_config(directory: str | Path) -> ModelConfig:
    """The sizes of the model in a folder."""
    path = Path(directory) / CONFIG_NAME
    values = read_json(path)
    if values.get("model_type", "bert") != "bert":
        raise CheckpointError(f"{path}: `model_type` must be bert, but is {values['model_type']!r}.")
    return model_config_from(values, source=path)
