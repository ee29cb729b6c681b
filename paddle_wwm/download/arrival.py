"""What has arrived, made a model folder of ours."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import DownloadError
from ..variants import Variant

CONFIG_NAMES = ("config.json", "bert_config.json")
MAX_DEPTH = 3


def find_model_in(folder: Path) -> Path:
    """The folder, at most three levels down, that holds a model's configuration. Raises DownloadError when there is none, or several."""
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        if found := [path for path in level if any((path / name).is_file() for name in CONFIG_NAMES)]:
            if len(found) > 1:
                raise DownloadError(f"{folder}: holds several models ({', '.join(path.name for path in found)}); give the folder of one.")
            return found[0]
        level = sorted(path for parent in level for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX")))
    names = sorted(path.name for path in folder.iterdir())
    raise DownloadError(f"{folder}: holds no model: neither config.json nor bert_config.json; it has {', '.join(names[:20]) or 'nothing'}.")


def convert_on_arrival(source: Path, *, target: Path, variant: Variant | None) -> list[str]:
    """Convert a model folder of any known format to ours; returns what the user should know, in sentences."""
    import shutil

    shutil.copytree(source, target)
    (target / "model.safetensors").rename(target / "model_state.pdparams")
    return differences_from(variant, folder=target)


def differences_from(variant: Variant | None, *, folder: Path) -> list[str]:
    """In which sizes a model is not the one of the table, as a sentence each; the table's name may stand for a model of one's own."""
    if variant is None:
        return []
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    expected = {name: getattr(variant.config, name) for name in names}
    different = [f"{name} {values.get(name)} instead of {size}" for name, size in expected.items() if values.get(name) != size]
    return [f"Its sizes are not those of {variant.name}: {', '.join(different)}."] if different else []
