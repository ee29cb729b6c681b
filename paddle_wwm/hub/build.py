"""Build an installable hub module from a model folder: a folder and a reproducible archive.

Both hold the weights and a copy of our code.

    DIST/<name with _>/             module.py  README.md  assets/…  wwm_<hash>/…
                                    LICENSE  NOTICE  provenance.json  SHA256SUMS
    DIST/<name>-<version>.tar       and .tar.sha256

`hub install` parses module.py without running it, so its `moduleinfo` holds literals only. A version has one content: a
build with another content under the same name and version is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..download.wanted import DEFAULT_REVISION
from ..errors import HubModuleError
from ..files import atomic_directory, atomic_write, sha256_of_file, write_json
from ..model.folder import MODEL_FILES
from ..model_config import ModelConfig
from ..variants import Variant
from ..variants.lookup import known_variant
from ..weights import WEIGHTS_NAME
from .archive_files import SUMS_NAME, sums_in_archive, sums_of, write_archive, write_sums
from .checks import Checked, check_model_folder
from .finetuned import FineTuned, model_to_pack
from .licences import CODE_LICENSE_FILE, LICENSE_NAME, LICENSE_OF_WEIGHTS_NAME, licence_of
from .module_info import MODULE_FILE, module_info, read_module_info, with_summary
from .provenance import NOT_RECORDED, NOTICE_NAME, PROVENANCE_NAME, Origin, Provenance, origin_of
from .sources import DEMO, SHARED_IMPORT, folder_name, module_sources, sizes_in_words
from .vendor import ROOM, vendor_into


@dataclass(frozen=True, kw_only=True)
class BuiltModule:
    """A module that was built. `notes` are messages for the user."""

    name: str
    version: str
    directory: Path
    archive: Path
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What a module's folder is made of.

    Attributes:
        source, card: The texts of module.py and README.md.
        provenance: What the module says about itself.
        assets: The model folder to put inside.
    """

    source: str
    card: str
    provenance: Provenance
    assets: Path | None


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
    license: str | Path | None = None,
    replace: bool = False,
) -> BuiltModule:
    """Build a PaddleHub module: a folder and a reproducible archive.

    All checks run before anything is written.

    Args:
        name: a name from the table of models, or a new name for your own module.
        output: the folder for the module's folder, NAME-VERSION.tar and its .sha256 file.
        modules: a folder of module sources (hub_modules/ of a checkout); None: make them from the table of models.
        weights: the model folder to put inside, of any format that `convert` reads. With `checkpoint`: the model that
            was fine-tuned. None: the module searches for weights when it is loaded.
        version: the version of your own module; None: 1.0.0. Models of the table have the package's version plus 3.0.0.
        allow_other_sizes: accept weights whose sizes are not those of the table.
        checkpoint: a fine-tuned model to package.
        task: the task of a fine-tuned model, such as "seq-cls"; None: the task in its config.json.
        label_map: the labels of a fine-tuned model by class number; None: the labels in its config.json.
        license: the licence of your weights: an SPDX expression, or a file with its text; None: "not stated".
        replace: replace a module of the same version that has other content.

    Returns:
        The name and version, the paths of the folder and the archive, the archive's sha256, and notes.

    Raises:
        HubModuleError: the arguments do not fit together, or `output` holds other files, or other content under the
            same version.
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
    if weights is None and checkpoint is None and (task, label_map) != (None, None):
        raise HubModuleError("`task` and `label_map` need a fine-tuned model in `weights` or `checkpoint`.")
    if weights is None and checkpoint is None and variant is None:
        raise HubModuleError(f"{name}: only a model of the table can be built without weights; give --weights DIR.")
    is_taken = variant or name == DEMO or (modules and (modules / folder_name(name)).exists())
    if checkpoint is not None and is_taken:  # weights show only when they are opened whether they are fine-tuned
        raise _name_is_taken(name)
    source, card = module_sources(name, modules=modules, version=version)
    info = module_info(source, path=modules or Path(name))
    archive = output / f"{name}-{info['version']}.tar"
    with model_to_pack(weights, checkpoint=checkpoint, task=task, label_map=label_map) as packed:
        assets, finetuned = packed.folder, packed.finetuned
        notes += packed.notes
        if finetuned and is_taken:
            raise _name_is_taken(name)
        checked = (
            check_model_folder(assets, variant=variant, allow_other_sizes=allow_other_sizes)
            if assets is not None
            else None
        )
        is_published = variant is not None and not (checked and checked.deviations)
        provenance = Provenance(
            name=name,
            version=info["version"],
            config=_config(checked, variant),
            licence=licence_of(license, published=variant if is_published else None),
            origin=_origin(variant, weights=packed.base, checkpoint=checkpoint),
            weights_sha256=None if assets is None else sha256_of_file(assets / WEIGHTS_NAME),
        )
        what = _description(info, variant=variant, is_published=is_published, finetuned=finetuned)
        parts = _Parts(
            source=with_summary(source, provenance.summary(what), path=modules or Path(name)),
            card=card + _inside(checked, provenance=provenance, assets=assets),
            provenance=provenance,
            assets=assets,
        )
        directory = _write_folder(output / folder_name(name), parts, archive=archive, replace=replace)
    with atomic_write(archive) as stream:
        write_archive(directory, stream)
    digest = sha256_of_file(archive)
    with atomic_write(archive.with_suffix(".tar.sha256"), "w") as stream:
        stream.write(f"{digest}  {archive.name}\n")
    if checked and checked.deviations:
        notes += (f"not the real {name}: {'; '.join(checked.deviations)}",)
    return BuiltModule(
        name=name, version=info["version"], directory=directory, archive=archive, sha256=digest, notes=notes
    )


def _name_is_taken(name: str) -> HubModuleError:
    return HubModuleError(f"{name} is the name of a pretrained model; a fine-tuned one needs a name of your own.")


def _resolved(name: str) -> tuple[str, tuple[str, ...]]:
    variant = known_variant(name)
    if variant is None or variant.name == name:
        return name, ()
    return variant.name, (
        f"{name} is another name of {variant.name}; load the module with hub.Module(name={variant.name!r})",
    )


def _config(checked: Checked | None, variant: Variant | None) -> ModelConfig:
    if checked is not None:
        return checked.config
    assert variant is not None  # only a model of the table is built without weights
    return variant.config


def _origin(variant: Variant | None, *, weights: Path | None, checkpoint: Path | None) -> Origin:
    if checkpoint is not None:
        base = origin_of(weights or (checkpoint if checkpoint.is_dir() else checkpoint.parent))
        if weights is None or base.source == NOT_RECORDED:
            return base
        return Origin(source=f"fine-tuned from {base.source}", revision=base.revision, files={})
    if weights is not None:
        return origin_of(weights)
    assert variant is not None  # as above
    return Origin(source=variant.source, revision=DEFAULT_REVISION, files={})


def _description(
    info: dict[str, str], *, variant: Variant | None, is_published: bool, finetuned: FineTuned | None
) -> str:
    """Return the first sentences of the summary."""
    if finetuned is not None:
        return finetuned.description
    if variant is not None and not is_published:
        return f"Not the published {variant.title}, although it has the same name: for tests and experiments only."
    return str(info.get("summary") or f"{info['name']}.")


def _inside(checked: Checked | None, *, provenance: Provenance, assets: Path | None) -> str:
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
        f"Source of the weights: {provenance.origin.source}; revision: {provenance.origin.revision}; licence: "
        f"{provenance.licence.text}. The licence of the code is in `LICENSE`.",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| assets/{file} | `{sha256_of_file(assets / file)}` |" for file in MODEL_FILES),
        "",
    ]
    return "\n".join(lines)


def _write_folder(directory: Path, parts: _Parts, *, archive: Path, replace: bool) -> Path:
    if directory.exists() and not (directory / MODULE_FILE).exists():
        raise HubModuleError(f"{directory}: is not a hub module, so it is not overwritten; choose another --output.")
    with atomic_directory(directory, replace=True) as folder:
        vendored = vendor_into(folder)
        source = parts.source.replace(SHARED_IMPORT, f"from .{vendored}.{ROOM} import BertHubModule")
        (folder / MODULE_FILE).write_text(source, encoding="utf-8")
        (folder / "README.md").write_text(parts.card, encoding="utf-8")
        shutil.copyfile(CODE_LICENSE_FILE, folder / LICENSE_NAME)
        (folder / NOTICE_NAME).write_text(parts.provenance.notice(), encoding="utf-8")
        if parts.provenance.licence.content is not None:
            (folder / LICENSE_OF_WEIGHTS_NAME).write_text(parts.provenance.licence.content, encoding="utf-8")
        if parts.assets is not None:
            (folder / "assets").mkdir()
            for file in MODEL_FILES:
                shutil.copyfile(parts.assets / file, folder / "assets" / file)
        content = hashlib.sha256(sums_of(folder).encode()).hexdigest()
        write_json(folder / PROVENANCE_NAME, parts.provenance.record(content_sha256=content))
        write_sums(folder)
        if not replace:
            _refuse_other_content(folder, directory=directory, archive=archive)
    return directory


def _refuse_other_content(folder: Path, *, directory: Path, archive: Path) -> None:
    """Raise HubModuleError if the output has the version with other content."""
    info, sums, place = read_module_info(folder), _sums(folder), None
    with contextlib.suppress(HubModuleError):  # raised if there is no old folder, or an unreadable one
        if read_module_info(directory)["version"] == info["version"] and _sums(directory) != sums:
            place = directory
    if archive.exists() and sums_in_archive(archive) != sums:
        place = archive
    if place is not None:
        raise HubModuleError(
            f"{place}: holds {info['name']} {info['version']} with other content. One version must always have the "
            f"same content: choose another --version or --output, or add --replace (`replace=True` in Python)."
        )


def _sums(folder: Path) -> str:
    path = folder / SUMS_NAME
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
