"""Find the configuration of a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from ..errors import CheckpointError
from ..files import read_json
from ..model.folder import model_config_from
from ..model_config import ModelConfig

CONFIG_NAMES = ("config.json", "bert_config.json", "model_config.json")  # current name, Google's, older PaddleNLP's


@dataclass(frozen=True, kw_only=True)
class Description:
    """The configuration of a model."""

    config: ModelConfig
    values: Mapping[str, Any]
    path: Path


def read_description(folder: Path, *, config: Path | None) -> Description:
    """Read the configuration of the model in `folder`.

    Args:
        config: used instead of the configuration next to the weights.

    Raises:
        CheckpointError: there is no configuration.
    """
    path = config or next((folder / name for name in CONFIG_NAMES if (folder / name).exists()), None)
    if path is None:
        raise CheckpointError(
            f"{folder}: holds none of {', '.join(CONFIG_NAMES)}. The weights show the sizes of the model, but "
            "not the number of heads: pass the configuration with --config."
        )
    values = read_json(path)
    if isinstance(values.get("init_args"), list) and values["init_args"] and isinstance(values["init_args"][0], dict):
        values = {
            **values["init_args"][0],
            **{key: value for key, value in values.items() if key != "init_args"},
        }  # model_config.json
    return Description(
        config=model_config_from(values, source=path),
        values=values,
        path=path,
    )
