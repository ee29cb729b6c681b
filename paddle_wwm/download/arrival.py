"""Convert downloaded files into a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from ..conversion.convert import convert
from ..conversion.description import find_config
from ..conversion.result import Conversion
from ..conversion.saving import Target
from ..errors import CheckpointError, DownloadError
from ..files import read_json, write_json
from ..model.config_keys import UNTRAINED
from ..model.folder import CONFIG_NAME, TOKENIZER_CONFIG_NAME
from ..progress import Progress
from ..variants import Variant

MAX_DEPTH = 3
PRETRAINING_HEADS = ("cls.predictions", "cls.seq_relationship")


def find_model_in(folder: Path) -> Path:
    """Return the folder with a model configuration, at most three levels down.

    Raises:
        DownloadError: there is no such folder, or there are several.
    """
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        if found := [path for path in level if find_config(path) is not None]:
            if len(found) > 1:
                raise DownloadError(
                    f"{folder}: holds several models ({', '.join(path.name for path in found)}); pass the "
                    f"folder of one of them."
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
        f"{', '.join(names[:20]) or 'no files'}."
    )


def convert_on_arrival(
    source: Path, *, target: Path, variant: Variant | None, progress: Callable[[Progress], None] | None = None
) -> list[str]:
    """Convert a model folder of any known format into the new folder `target`.

    The head of a fine-tuned model and its labels are kept. A model of the table, and a head that cannot be converted,
    gives the encoder and the heads of pretraining; a note has the reason.

    Returns:
        Notes for the user, one sentence each.

    Raises:
        CheckpointError: a file is corrupt, hostile or not a BERT.
    """
    done, reason = _converted(source, target=target, with_head=variant is None, progress=progress)
    notes = [*([f"Its head is kept: {done.head}."] if done.head else []), *done.notes]
    if done.made_anew:
        notes.append(
            f"The source has no {' and no '.join(done.made_anew)}: the values are random until they are trained; "
            "config.json records this."
        )
    if done.dropped:
        notes.append(
            f"Left out, because they are not part of a BERT with its pretraining heads: "
            f"{', '.join(done.dropped[:8])}{' …' if done.dropped[8:] else ''}."
            f"{f' The reason: {reason}' if reason else ''}"
        )
    return (
        notes
        if variant is None
        else [
            *notes,
            *_with_casing_of(variant, source=source, folder=target),
            *_other_sizes(variant, folder=target),
            *_with_untrained_heads(variant, folder=target),
        ]
    )


def _converted(
    source: Path, *, target: Path, with_head: bool, progress: Callable[[Progress], None] | None
) -> tuple[Conversion, str]:
    """Convert a model, with its head if possible; return why it was left out."""
    reason = ""
    if with_head:
        try:
            return convert(source, target=target, to=Target.PADDLE, progress=progress), ""
        except CheckpointError as error:
            reason = str(error)
    # raises the error again if the reason is not the head
    return convert(source, target=target, to=Target.PADDLE, drop_unexpected=True, progress=progress), reason


def _with_untrained_heads(variant: Variant, *, folder: Path) -> list[str]:
    """List heads without training as untrained, so that fill-mask refuses them."""
    if variant.trained_heads is None:
        return []
    values = read_json(folder / CONFIG_NAME)
    known = list(values.get(UNTRAINED, ()))
    new = [part for part in PRETRAINING_HEADS if part not in (*known, *variant.trained_heads)]
    if not new:
        return []
    write_json(folder / CONFIG_NAME, {**values, UNTRAINED: [*known, *new]})
    return [
        f"The authors of {variant.title} state no trained {' and no trained '.join(new)} for the pretraining tasks of "
        "BERT, so config.json lists them as untrained."
    ]


def _with_casing_of(variant: Variant, *, source: Path, folder: Path) -> list[str]:
    """Set do_lower_case from the table of models if the files do not state it.

    The conversion only guesses it from the vocabulary. Returns a note if the files and the table differ.
    """
    path = (source if source.is_dir() else source.parent) / TOKENIZER_CONFIG_NAME
    stated = read_json(path).get("do_lower_case") if path.exists() else None
    if isinstance(stated, bool):
        return (
            []
            if stated is variant.do_lower_case
            else [
                f"The files state do_lower_case {stated}, but the table of models has {variant.do_lower_case}; "
                "the value of the files is used."
            ]
        )
    values = read_json(folder / TOKENIZER_CONFIG_NAME)
    if values.get("do_lower_case") is not variant.do_lower_case:
        write_json(folder / TOKENIZER_CONFIG_NAME, {**values, "do_lower_case": variant.do_lower_case})
    return []


def _other_sizes(variant: Variant, *, folder: Path) -> list[str]:
    """Return a note if the sizes differ from those in the table of models.

    The user can store an own model, or by mistake a wrong file, under the name of a published model.
    """
    values = read_json(folder / CONFIG_NAME)
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    expected = {name: getattr(variant.config, name) for name in names}
    different = [
        f"{name} {values.get(name)} instead of {size}" for name, size in expected.items() if values.get(name) != size
    ]
    return [f"The sizes are not those of {variant.name}: {', '.join(different)}."] if different else []
