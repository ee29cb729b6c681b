"""A safe `hub install`. The old module stays usable until the new one has been unpacked, checked and loaded.

The two are then exchanged in one step, see `placing`. A model of the table can be loaded by its other names, too, see
`redirects`.

PaddleHub's own installer removes the old module before it looks at the new one, and takes no lock. For a while, other
processes find no module.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..archives import is_archive, unpack_archive
from ..errors import ArchiveError, HubModuleError
from ..files import check_sha256, check_sha256_file, disk_errors_as
from ..paddlehub_requests import hub_home
from ..variants.lookup import known_variant
from .archive_files import check_sums
from .module_info import MODULE_FILE, read_module_info
from .placing import alone, files_of, is_installed, modules_of, put_in_place, remove_old, staging
from .redirects import install_redirects, redirects_to
from .sources import folder_name

LOADING_TIMEOUT_S = 900
# Loads the copy like hub.Module(directory=…), in a separate process with a separate HUB_HOME. A module with weights
# inside must also run.
TRIAL = """
import sys
from paddlehub.module.module import Module
kind = Module.load(sys.argv[1])
if sys.argv[2] == "whole":
    module = kind()
    if hasattr(module, "get_embedding"):
        module.get_embedding([["\\u597d"]])
"""


@dataclass(frozen=True, kw_only=True)
class InstalledModule:
    """An installed module.

    Attributes:
        changed: False if the same module was installed already.
        other_names: Other names that load the module: each has a redirecting module.
        notes: Messages for the user.
    """

    name: str
    version: str
    directory: Path
    changed: bool
    other_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def install_module(
    source: str | Path, *, home: Path | None = None, sha256: str | None = None, replace: bool = False
) -> InstalledModule:
    """Safely install a module's folder or archive into PaddleHub's home.

    Any number of processes may install and load modules at the same time. The new module is loaded once in a separate
    process before it replaces the old one. After an error, the old module is unchanged. A model of the table also gets
    a redirecting module for each of its other names, so that hub.Module(name="roberta-wwm-ext") loads it.

    Args:
        source: a module folder, or a zip or tar archive of one; or the name of an installed model of the table, to
            write its redirecting modules.
        home: PaddleHub's home; None: HUB_HOME, or .paddlehub in the user's home folder.
        sha256: the expected checksum of an archive; None: the one in the .sha256 file next to it, if there is one.
        replace: replace an installed module of the same version that has other content.

    Returns:
        The name and version, the folder, True if anything was changed, the other names, and notes for the user.

    Raises:
        HubModuleError: the source is not a module, its checksum is wrong, it cannot be loaded, or other content is
            installed under its version.
        ArchiveError: the archive is damaged or unsafe.

    Source:
        The layout of PaddleHub's home: https://github.com/PaddlePaddle/PaddleHub.

    Example:
        >>> from pathlib import Path
        >>> from paddle_wwm import build_module, install_module
        >>> built = build_module(name="my-bert", weights=Path("model"), output=Path("dist"))
        >>> installed = install_module(built.archive, home=Path("hub"))
        >>> installed.name, installed.changed
        ('my-bert', True)
    """
    source, home = Path(source).expanduser(), home or hub_home()
    unchanged = "Nothing was changed; the module that was installed before is still there."
    with disk_errors_as(HubModuleError, folder=home, remedy=unchanged), staging(home) as staged:
        variant = known_variant(str(source)) if not os.path.lexists(source) else None
        installed = modules_of(home) / folder_name(variant.hub_name) if variant else None
        if installed is not None and (installed / MODULE_FILE).is_file():
            target, changed = installed, False
        else:
            copy = _stage(source, staged, sha256=sha256)
            name = folder_name(read_module_info(copy)["name"])
            if not re.fullmatch(r"\w+(?:\.\w+)*", name):
                raise HubModuleError(f"{source}: `name` in module.py cannot be a folder name: {name!r}.")
            check_sums(copy, files=files_of(copy), source=source)
            (staged / "trial").mkdir()
            copy = copy.rename(staged / "trial" / name)
            target = modules_of(home) / name
            with alone(home, name):
                remove_old(home)
                changed = not is_installed(copy, target)
                if changed:
                    if not replace:
                        _refuse_other_content(copy, target, source=source)
                    _try_to_load(copy, source=source, home=staged / "home")
                    put_in_place(copy, home=home)
        info = read_module_info(target)
        other_names, notes = install_redirects(info, home=home, staged=staged)
    if (target / "requirements.txt").exists():
        notes.append(f"it needs other packages, which were not installed: pip install -r {target / 'requirements.txt'}")
    return InstalledModule(
        name=info["name"],
        version=info["version"],
        directory=target,
        changed=changed,
        other_names=tuple(other_names),
        notes=tuple(notes),
    )


def _stage(source: Path, staged: Path, *, sha256: str | None) -> Path:
    """Copy or unpack the module into `staged`; return its folder. Refuse links."""
    if source.is_dir():
        if not (source / MODULE_FILE).is_file():
            raise HubModuleError(f"{source}: holds no module.py, so it is not a hub module.")
        if link := next((path for path in source.rglob("*") if path.is_symlink()), None):
            raise HubModuleError(f"{link}: is a link; a module folder must hold regular files only.")
        return Path(shutil.copytree(source, staged / "copy", ignore=shutil.ignore_patterns("__pycache__")))
    if not source.is_file():
        raise HubModuleError(f"{source}: no such folder or archive.{_hint(str(source))}")
    if source.suffix == ".sha256":  # a pattern such as NAME.tar* takes it, too
        raise HubModuleError(f"{source}: is the checksum of an archive; install the archive, {source.with_suffix('')}.")
    if not is_archive(source):
        raise ArchiveError(f"{source}: is not a complete zip or tar archive; copy it again.")
    if sha256 is not None:
        check_sha256(source, sha256, error=HubModuleError)
    else:
        check_sha256_file(source, error=HubModuleError)
    unpacked = unpack_archive(source, target=staged / "unpacked")
    tops = sorted(path.name for path in unpacked.iterdir())
    if len(tops) != 1 or not (unpacked / tops[0] / MODULE_FILE).is_file():
        found = ", ".join(tops[:5]) or "nothing"
        raise HubModuleError(
            f"{source}: a module archive holds one folder with module.py in it, but this one holds {found}."
        )
    return unpacked / tops[0]


def _hint(name: str) -> str:
    variant = known_variant(name)
    if variant is None:
        return ""
    other = "" if variant.name == name else f" ({name} is another name of {variant.name}.)"
    return (
        f" It is the name of a model: build its module first with paddle-wwm hub build --name "
        f"{variant.name}, and install that.{other}"
    )


def _refuse_other_content(copy: Path, target: Path, *, source: Path) -> None:
    """Raise HubModuleError if the version is installed with other content."""
    if not (target / MODULE_FILE).is_file() or redirects_to(target) is not None:
        return
    new = read_module_info(copy)
    try:
        old = read_module_info(target)
    except HubModuleError:
        return  # it cannot be loaded, so nothing is lost
    if new["version"] == old["version"]:
        raise HubModuleError(
            f"{source}: {new['name']} {new['version']} is installed in {target} with other content. One version must "
            f"always have the same content: build the new one with another --version, or add --replace "
            f"(`replace=True` in Python)."
        )


def _try_to_load(copy: Path, *, source: Path, home: Path) -> None:
    whole = "whole" if (copy / "assets" / "config.json").is_file() else "code"
    environment = {**os.environ, "HUB_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "GLOG_minloglevel": "2"}
    try:
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", TRIAL, str(copy), whole],
            env=environment, cwd=copy.parent, capture_output=True, text=True, errors="replace", timeout=LOADING_TIMEOUT_S,  # noqa: E501
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise HubModuleError(f"{source}: did not load within {LOADING_TIMEOUT_S} s; nothing was changed.") from None
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise HubModuleError(
            f"{source}: does not load here: {reason}\nNothing was changed; the module that was installed "
            f"before is still there."
        )
