"""The files that make a folder of transformers a model of sentence-transformers: modules.json and the pooling."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ConfigError
from ..files import atomic_write, write_json
from ..model_config import ModelConfig

POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
POOLING_FOLDER, NORMALIZE_FOLDER = "1_Pooling", "2_Normalize"
_MODULES = "sentence_transformers.models"


def check_pooling(pooling: str) -> None:
    """Raise ConfigError for an unknown pooling."""
    if pooling not in POOLINGS:
        raise ConfigError(f"`pooling` must be one of {', '.join(POOLINGS)}, but is {pooling!r}.")


def write_sentence_files(
    folder: Path, config: ModelConfig, *, pooling: str, normalize: bool, max_seq_length: int
) -> None:
    """Write the files next to those of transformers.

    Args:
        pooling: "mean" (of all tokens, [CLS] and [SEP] included), "cls" or "max".
        normalize: divide every vector by its length.
        max_seq_length: longer texts are cut.
    """
    parts = [
        ("", "Transformer"),
        (POOLING_FOLDER, "Pooling"),
        *([(NORMALIZE_FOLDER, "Normalize")] if normalize else []),
    ]
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_MODULES}.{name}"}
        for number, (path, name) in enumerate(parts)
    ]
    with atomic_write(folder / "modules.json", "w") as stream:
        json.dump(modules, stream, indent=2)
    # texts are lowered by the tokenizer, so do_lower_case of this file stays false
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_seq_length, "do_lower_case": False})
    (folder / POOLING_FOLDER).mkdir()
    modes = {f"pooling_mode_{mode}": name == pooling for name, mode in POOLINGS.items()}
    write_json(
        folder / POOLING_FOLDER / "config.json",
        {"word_embedding_dimension": config.hidden_size, **modes, "pooling_mode_mean_sqrt_len_tokens": False},
    )
    if normalize:
        (folder / NORMALIZE_FOLDER).mkdir()
