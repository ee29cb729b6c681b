"""Find the configuration of a source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Mapping

from ..errors import CheckpointError
from ..files import read_json
from ..model.config_keys import check_config_keys, without_ignored
from ..model.folder import model_config_from
from ..model_config import ModelConfig

CONFIG_NAMES = ("config.json", "bert_config.json", "model_config.json")  # current name, Google's, older PaddleNLP's
# The Python formula of transformers computes the same as its built-in one.
ACTIVATIONS = {"gelu_python": "gelu"}
MAX_CONFIG_BYTES = 1 << 20


def find_config(folder: Path) -> Path | None:
    """Return the configuration of the model in a folder, or None.

    A file with another name than `CONFIG_NAMES`, such as lert_config.json or bert_config_rbt3.json, counts if it is the
    only one that states the number of attention heads.
    """
    for name in CONFIG_NAMES:
        if (folder / name).exists():
            return folder / name
    others = [path for path in sorted(folder.glob("*config*.json")) if _describes_a_model(path)]
    return others[0] if len(others) == 1 else None


def _describes_a_model(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES:
        return False
    try:
        return "num_attention_heads" in read_json(path)
    except CheckpointError:
        return False


@dataclass(frozen=True, kw_only=True)
class Description:
    """The configuration of a model."""

    config: ModelConfig
    values: Mapping[str, Any]
    path: Path
    notes: tuple[str, ...]


def read_description(folder: Path, *, config: Path | None, ignored_keys: Collection[str] = ()) -> Description:
    """Read the configuration of the model in `folder`.

    Args:
        config: used instead of the configuration next to the weights.
        ignored_keys: keys of the configuration that are read as if they were absent.

    Raises:
        CheckpointError: there is no configuration, or it has a key that changes the outputs or is unknown.
    """
    path = config or find_config(folder)
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
    notes = tuple(
        f"`{name}` = {json.dumps(values[name], ensure_ascii=False)} in {path.name} was ignored (--ignore-config-key)."
        for name in ignored_keys
        if name in values
    )
    values = without_ignored(values, ignored_keys)
    check_config_keys(values, source=path)
    if (same := ACTIVATIONS.get(str(values.get("hidden_act")))) is not None:
        values = {**values, "hidden_act": same}
    return Description(
        config=model_config_from(values, source=path),
        values=values,
        path=path,
        notes=notes,
    )
