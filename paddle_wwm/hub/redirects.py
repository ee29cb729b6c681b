"""Redirecting modules: hub.Module(name="roberta-wwm-ext") loads the module chinese-roberta-wwm-ext.

PaddleHub finds a module by the name of its folder only. For each other name of a model of the table, a redirecting
module is a folder of that name whose module.py returns the model's own module. `moduleinfo` marks it: its type is
"redirect/NAME". So it is recognised without running it, and nothing else is ever overwritten or removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from packaging.version import Version

from ..errors import HubModuleError
from ..variants import VARIANTS, Variant
from ..variants.lookup import names_of
from .archive_files import write_archive, write_sums
from .licences import CODE_LICENSE_FILE, LICENSE_NAME
from .module_info import MODULE_FILE, read_module_info
from .placing import alone, is_installed, modules_of, put_in_place, take_out
from .provenance import NOTICE_NAME
from .sources import folder_name

MARK = "redirect/"  # and the name of the module, as the `type` in moduleinfo
AUTHOR = "paddle_wwm"
TEMPLATE = '''"""{alias} is another name of the module {name}, which this module loads."""

from pathlib import Path

from paddlehub.env import MODULE_HOME
from paddlehub.module.manager import LocalModuleManager
from paddlehub.module.module import Module as HubModule
from paddlehub.module.module import moduleinfo
from paddlehub.utils.utils import Version

FOLDER = Path(MODULE_HOME) / "{folder}"


@moduleinfo(
    name="{alias}",
    version="{version}",
    type="{mark}{name}",
    author="{author}",
    author_email="",
    summary="Another name of {name}. hub show {name} describes that module.",
)
class Module:
    """Return the module {name}, with the same options."""

    def __new__(cls, **options):
        if not FOLDER.is_dir():
            try:  # as hub.Module does, but only this version: other authors have modules of the same name
                LocalModuleManager().install(name="{name}", version="{version}")
            except Exception as error:
                raise RuntimeError(
                    "{alias} is another name of {name}, which is not installed in " + MODULE_HOME + ". Install it: "
                    "paddle-wwm hub install {name}-{version}.tar, or, from a server that has it: "
                    "hub install {name}=={version}"
                ) from error
        return HubModule.init_with_name(name="{name}", **options)


if FOLDER.is_dir():  # a condition such as hub.Module(name=…, version=…) is about the module that will be loaded
    Module.version = Version(HubModule.load_module_info(str(FOLDER)).version)
'''
NOTICE = """{alias} {version}, a redirecting PaddleHub module made by paddle_wwm

It holds no weights. It loads the module {name}, whose NOTICE names the source and the licence of the weights.
Code: Copyright paddle_wwm developers; licence Apache-2.0, see LICENSE.
"""


@dataclass(frozen=True, kw_only=True)
class Redirect:
    """The redirecting module of another name of a model."""

    alias: str
    name: str
    version: str

    @property
    def filename(self) -> str:
        """The last part of its address."""
        return f"{self.alias}-{self.version}.tar"

    @property
    def summary(self) -> str:
        """What `hub search` shows."""
        return f"Another name of {self.name}."

    @property
    def content(self) -> bytes:
        """The bytes of the archive."""
        stream = io.BytesIO()
        with tempfile.TemporaryDirectory() as temporary:
            write_archive(self.write(Path(temporary)), stream)
        return stream.getvalue()

    @property
    def sha256(self) -> str:
        """The checksum of the archive."""
        return hashlib.sha256(self.content).hexdigest()

    def write(self, parent: Path) -> Path:
        """Write the module into a new folder in `parent`; return the folder."""
        version = str(Version(self.version))  # as PaddleHub reads it, so it cannot end the literal in the template
        values = {"alias": self.alias, "name": self.name, "version": version, "folder": folder_name(self.name)}
        folder = parent / folder_name(self.alias)
        folder.mkdir()
        (folder / MODULE_FILE).write_text(TEMPLATE.format(**values, mark=MARK, author=AUTHOR), encoding="utf-8")
        (folder / NOTICE_NAME).write_text(NOTICE.format(**values), encoding="utf-8")
        shutil.copyfile(CODE_LICENSE_FILE, folder / LICENSE_NAME)
        write_sums(folder)
        return folder


def other_names(variant: Variant) -> tuple[str, ...]:
    """Return the names of a model's redirecting modules.

    They are its names in the table without their owner ("hfl/"), the title also in lower case. Names that cannot be the
    name of a module's folder, such as "BERT-base, Chinese", have none.
    """
    names = [name.rpartition("/")[2] for name in (*names_of(variant), variant.title.lower())]
    by_folder = {folder_name(name): name for name in names if re.fullmatch(r"[A-Za-z0-9_-]+", name)}
    return tuple(name for folder, name in by_folder.items() if folder != folder_name(variant.hub_name))


def target_of_alias(alias: str) -> Variant | None:
    """Return the model with a redirecting module of this name, or None."""
    return next((variant for variant in VARIANTS if alias in other_names(variant)), None)


def redirects_to(folder: Path) -> str | None:
    """Return the module that a redirecting module loads; None: it is not one of ours."""
    if folder.is_symlink() or not (folder / MODULE_FILE).is_file():
        return None
    try:
        info = read_module_info(folder)
    except HubModuleError:
        return None
    if info.get("author") != AUTHOR or not str(info.get("type")).startswith(MARK):
        return None
    return info["type"].removeprefix(MARK)


def redirects_in(home: Path, *, name: str) -> list[Path]:
    """Return the folders of the installed modules that redirect to a module."""
    folders = sorted(path for path in modules_of(home).glob("*") if path.is_dir())
    return [folder for folder in folders if folder_name(redirects_to(folder) or "") == folder_name(name)]


def install_redirects(info: Mapping[str, str], *, home: Path, staged: Path) -> tuple[list[str], list[str]]:
    """Write the redirecting modules of an installed model of the table.

    Args:
        info: The `moduleinfo` of the installed module.
        home: PaddleHub's home.
        staged: A temporary folder on the same disk.

    Returns:
        The names that load the module now, and notes about those that could not be written.
    """
    written: list[str] = []
    notes: list[str] = []
    name = info["name"]
    parent = staged / "redirects"
    parent.mkdir()
    for alias in next((other_names(variant) for variant in VARIANTS if variant.hub_name == name), ()):
        target = modules_of(home) / folder_name(alias)
        with alone(home, target.name):
            if os.path.lexists(target) and target.name not in os.listdir(target.parent):
                continue  # the system ignores case: the folder is the module's own, or that of another name
            if os.path.lexists(target) and redirects_to(target) != name:
                notes.append(f"{alias} is not made another name of the module: {target} is not ours, so it stays")
                continue
            copy = Redirect(alias=alias, name=name, version=info["version"]).write(parent)
            if not is_installed(copy, target):
                put_in_place(copy, home=home)
            written.append(alias)
    return written, notes


def remove_redirect(folder: Path, *, home: Path, staged: Path) -> bool:
    """Remove a redirecting module; return False if another process was faster."""
    with alone(home, folder.name), contextlib.suppress(FileNotFoundError):
        if redirects_to(folder) is not None:
            take_out(folder, staged=staged)
            return True
    return False
