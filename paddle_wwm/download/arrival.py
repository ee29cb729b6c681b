"""What has arrived, made a model folder of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ..conversion.convert import convert
from ..conversion.description import CONFIG_NAMES
from ..conversion.saving import Target
from ..errors import DownloadError
from ..files import read_json, write_json
from ..model.folder import CONFIG_NAME, TOKENIZER_CONFIG_NAME
from ..progress import Progress
from ..variants import Variant

MAX_DEPTH = 3


def find_model_in(folder: Path) -> Path:
    """The folder, at most three levels down, that holds a model's configuration. Raises DownloadError when there is
    none, or several.
    """
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        if found := [path for path in level if any((path / name).is_file() for name in CONFIG_NAMES)]:
            if len(found) > 1:
                raise DownloadError(
                    f"{folder}: holds several models ({', '.join(path.name for path in found)}); give the "
                    f"folder of one."
                )
            return found[0]
        level = sorted(
            path
            for parent in level
            for path in parent.iterdir()
            if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
        )
    names = sorted(path.name for path in folder.iterdir())
    raise DownloadError(
        f"{folder}: holds no model: neither config.json nor bert_config.json; it has "
        f"{', '.join(names[:20]) or 'nothing'}."
    )


def convert_on_arrival(
    source: Path, *, target: Path, variant: Variant | None, progress: Callable[[Progress], None] | None = None
) -> list[str]:
    """Convert a model folder of any known format into the new folder `target`; returns what the user should know, in
    sentences.

    Raises CheckpointError for files that are torn, hostile or no BERT.
    """
    done = convert(source, target=target, to=Target.PADDLE, drop_unexpected=True, progress=progress)
    notes = list(done.notes)
    if done.made_anew:
        notes.append(
            f"The source has no {' and no '.join(done.made_anew)}: random until trained, as config.json records."
        )
    if done.dropped:
        notes.append(
            f"Left out, as no part of a BERT with its pretraining heads: "
            f"{', '.join(done.dropped[:8])}{' …' if done.dropped[8:] else ''}."
        )
    return (
        notes
        if variant is None
        else [*notes, *_with_casing_of(variant, source=source, folder=target), *_other_sizes(variant, folder=target)]
    )


def _with_casing_of(variant: Variant, *, source: Path, folder: Path) -> list[str]:
    """The table knows whether a model is cased, where its files do not say; a vocabulary only suggests it."""
    path = (source if source.is_dir() else source.parent) / TOKENIZER_CONFIG_NAME
    stated = read_json(path).get("do_lower_case") if path.exists() else None
    if isinstance(stated, bool):
        return (
            []
            if stated is variant.do_lower_case
            else [f"Its files say do_lower_case {stated}, the table of models {variant.do_lower_case}."]
        )
    values = read_json(folder / TOKENIZER_CONFIG_NAME)
    if values.get("do_lower_case") is not variant.do_lower_case:
        write_json(folder / TOKENIZER_CONFIG_NAME, {**values, "do_lower_case": variant.do_lower_case})
    return []


def _other_sizes(variant: Variant, *, folder: Path) -> list[str]:
    """In which sizes a model is not the one of the table: the name may have been given to a model of the user's own,
    or to a wrong file.
    """
    values = read_json(folder / CONFIG_NAME)
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    expected = {name: getattr(variant.config, name) for name in names}
    different = [
        f"{name} {values.get(name)} instead of {size}" for name, size in expected.items() if values.get(name) != size
    ]
    return [f"Its sizes are not those of {variant.name}: {', '.join(different)}."] if different else []
