"""What describes the model in a source: its sizes and its vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError
from ..files import read_json
from ..model.folder import VOCAB_NAME, model_config_from
from ..model_config import ModelConfig

CONFIG_NAMES = ("config.json", "bert_config.json", "model_config.json")  # today's, Google's, older PaddleNLP's


@dataclass(frozen=True, kw_only=True)
class Description:
    """config.json or what stands for it, and the vocabulary, if there is one."""

    config: ModelConfig
    values: Mapping[str, Any]
    path: Path
    vocab: Path | None


def read_description(folder: Path, *, config: Path | None, vocab: Path | None) -> Description:
    """The sizes of a source's model. `config` and `vocab` take the place of the files beside the weights."""
    path = config or next((folder / name for name in CONFIG_NAMES if (folder / name).exists()), None)
    if path is None:
        raise CheckpointError(
            f"{folder}: holds none of {', '.join(CONFIG_NAMES)}. The sizes could be guessed from the weights, "
            f"but not the number of heads: "
            "name the configuration with --config."
        )
    values = read_json(path)
    if isinstance(values.get("init_args"), list) and values["init_args"] and isinstance(values["init_args"][0], dict):
        values = {
            **values["init_args"][0],
            **{key: value for key, value in values.items() if key != "init_args"},
        }  # model_config.json
    if vocab is not None and not vocab.exists():
        raise CheckpointError(f"{vocab}: no such vocabulary.")
    beside = folder / VOCAB_NAME
    return Description(
        config=model_config_from(values, source=path),
        values=values,
        path=path,
        vocab=vocab or (beside if beside.exists() else None),
    )
