"""Build an installable hub module from a model folder: a folder and a reproducible archive.

Both hold the weights and a copy of our code.

    DIST/<name with _>/             module.py  README.md  SHA256SUMS  assets/…  wwm_<hash>/…
    DIST/<name>-<version>.tar       and .tar.sha256

`hub install` parses module.py without running it, so its `moduleinfo` holds literals only.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HubModuleError
from ..files import atomic_directory, atomic_write, sha256_of_file
from ..model.folder import MODEL_FILES
from ..variants.lookup import known_variant
from .checks import Checked, check_model_folder
from .finetuned import write_finetuned_model
from .sources import SHARED_IMPORT, folder_name, module_info, module_sources, sizes_in_words
from .vendor import ROOM, vendor_into

SUMS_NAME = "SHA256SUMS"


@dataclass(frozen=True, kw_only=True)
class BuiltModule:
    """A module that was built. `notes` are messages for the user."""

    name: str
    version: str
    directory: Path
    archive: Path
    sha256: str
    notes: tuple[str, ...] = ()


def build_module(
    *,
    name: str,
    output: Path,
    modules: Path | None = None,
    weights: Path | None = None,
    version: str | None = None,
    allow_other_sizes: bool = False,
    checkpoint: Path | None = None,
    task: str | None = None,
    label_map: Any = None,
) -> BuiltModule:
    """Build a PaddleHub module: a folder and a reproducible archive.

    All checks run before anything is written.

    Args:
        name: a name from the table of models, or a new name for your own module.
        output: the folder for the module's folder, NAME-VERSION.tar and its .sha256 file.
        modules: a folder of module sources (hub_modules/ of a checkout); None: make them from the table of models.
        weights: the model folder to put inside. With `checkpoint`: the model that was fine-tuned. None: the module
            searches for weights when it is loaded.
        version: the version of your own module; None: 1.0.0.
        allow_other_sizes: accept weights whose sizes are not those of the table.
        checkpoint: a fine-tuned model to package.
        task: the checkpoint's task, such as "seq-cls"; None: the task in its config.json.
        label_map: the checkpoint's labels by class number; None: the labels in its config.json.

    Returns:
        The name and version, the paths of the folder and the archive, the archive's sha256, and notes.

    Raises:
        HubModuleError: the arguments do not fit together, or `output` holds other files.
        CheckpointError: the weights cannot be used.

    Source:
        PaddleHub's module format: https://github.com/PaddlePaddle/PaddleHub.

    Example:
        >>> from pathlib import Path
        >>> from paddle_wwm import build_module
        >>> built = build_module(name="my-bert", weights=Path("model"), output=Path("dist"))
        >>> built.archive.name, built.version
        ('my-bert-1.0.0.tar', '1.0.0')
    """
    name, notes = _resolved(name)
    variant = known_variant(name)
    if checkpoint is not None and (variant or (modules is not None and (modules / folder_name(name)).exists())):
        raise HubModuleError(f"{name} is the name of a pretrained model; a fine-tuned one needs a name of your own.")
    if checkpoint is None and (task, label_map) != (None, None):
        raise HubModuleError("`task` and `label_map` need a fine-tuned `checkpoint`.")
    if weights is None and checkpoint is None and variant is None:
        raise HubModuleError(f"{name}: only a model of the table can be built without weights; give --weights DIR.")
    with tempfile.TemporaryDirectory() as temporary:
        assets, summary = weights, None
        if checkpoint is not None:
            assets = Path(temporary)
            task = write_finetuned_model(assets, checkpoint=checkpoint, base=weights, task=task, label_map=label_map)
            summary = f"A Chinese BERT, fine-tuned for {task}."
        source, card = module_sources(name, modules=modules, version=version, summary=summary)
        checked = (
            check_model_folder(assets, variant=variant, allow_other_sizes=allow_other_sizes)
            if assets is not None
            else None
        )
        info = module_info(source, path=modules or Path(name))
        directory = _write_folder(
            output / folder_name(name), source=source, card=card + _inside(checked, assets=assets), assets=assets
        )
    archive = output / f"{name}-{info['version']}.tar"
    _write_archive(directory, archive)
    digest = sha256_of_file(archive)
    with atomic_write(archive.with_suffix(".tar.sha256"), "w") as stream:
        stream.write(f"{digest}  {archive.name}\n")
    if checked and checked.deviations:
        notes += (f"not the real {name}: {'; '.join(checked.deviations)}",)
    return BuiltModule(
        name=name, version=info["version"], directory=directory, archive=archive, sha256=digest, notes=notes
    )


def _resolved(name: str) -> tuple[str, tuple[str, ...]]:
    variant = known_variant(name)
    if variant is None or variant.name == name:
        return name, ()
    return variant.name, (
        f"{name} is another name of {variant.name}; load the module with hub.Module(name={variant.name!r})",
    )


def _inside(checked: Checked | None, *, assets: Path | None) -> str:
    """Return the end of the card: a description of the weights inside."""
    if checked is None or assets is None:
        return "\n## Inside this archive\n\nNo weights. They are searched for when the module is loaded, see above.\n"
    lines = ["", "## Inside this archive", "", f"Weights of {sizes_in_words(checked.config)}.", ""]
    if checked.deviations:
        lines += [
            (
                f"**Not the published model**, although it has the same name: {'; '.join(checked.deviations)}. "
                f"For tests and experiments only."
            ),
            "",
        ]
    lines += [
        "| file | sha256 |",
        "|---|---|",
        *(f"| assets/{file} | `{sha256_of_file(assets / file)}` |" for file in MODEL_FILES),
        "",
    ]
    return "\n".join(lines)


def _write_folder(directory: Path, *, source: str, card: str, assets: Path | None) -> Path:
    if directory.exists() and not (directory / "module.py").exists():
        raise HubModuleError(f"{directory}: is not a hub module, so it is not overwritten; choose another --output.")
    with atomic_directory(directory, replace=True) as folder:
        vendored = vendor_into(folder)
        (folder / "module.py").write_text(
            source.replace(SHARED_IMPORT, f"from .{vendored}.{ROOM} import BertHubModule"), encoding="utf-8"
        )
        (folder / "README.md").write_text(card, encoding="utf-8")
        if assets is not None:
            (folder / "assets").mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(assets / file, folder / "assets" / file)
        sums = [
            f"{sha256_of_file(path)}  {path.relative_to(folder).as_posix()}\n"
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        (folder / SUMS_NAME).write_text("".join(sums), encoding="utf-8")
    return directory


def _write_archive(directory: Path, archive: Path) -> None:
    """Write an archive whose bytes depend on the content only.

    It has one top folder, files sorted by name, no times and no owners.
    """
    with atomic_write(archive) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [directory, *sorted(directory.rglob("*"))]:
            entry = tarfile.TarInfo(path.relative_to(directory.parent).as_posix())
            entry.mode = 0o755 if path.is_dir() else 0o644
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = path.stat().st_size
                with open(path, "rb") as source:
                    tar.addfile(entry, source if entry.size else io.BytesIO())
