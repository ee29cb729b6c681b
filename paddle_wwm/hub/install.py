"""A safe `hub install`. The old module stays usable until the new one has been unpacked, checked and loaded.

The two are then exchanged in one step.

    HUB_HOME/modules/<name with _>/      the same place as PaddleHub's
    HUB_HOME/.paddle_wwm/                locks, modules that are being installed, and recently replaced modules

PaddleHub's own installer removes the old module before it looks at the new one, and takes no lock. For a while, other
processes find no module.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ..archives import is_archive, unpack_archive
from ..errors import ArchiveError, HubModuleError
from ..files import disk_errors_as, locked, sha256_of_file
from ..variants.lookup import known_variant
from .build import SUMS_NAME
from .sources import folder_name, module_info

WORK = ".paddle_wwm"
LOADING_TIMEOUT_S = 900
KEPT_S = 900  # a replaced module is kept so long: other processes may still be loading it
ABANDONED_S = 86_400  # older files of a killed installer are removed
RENAME_EXCHANGE, AT_FDCWD = 2, -100
VENDORED = re.compile(r"\bwwm_[0-9a-f]{12}\b")
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
        notes: Messages for the user.
    """

    name: str
    version: str
    directory: Path
    changed: bool
    notes: tuple[str, ...] = ()


def hub_home() -> Path:
    """Return PaddleHub's home: HUB_HOME, or .paddlehub in the user's home folder."""
    return Path(os.environ.get("HUB_HOME") or "~/.paddlehub").expanduser().absolute()


def install_module(source: str | Path, *, home: Path | None = None, sha256: str | None = None) -> InstalledModule:
    """Safely install a module's folder or archive into PaddleHub's home.

    Any number of processes may install and load modules at the same time. The new module is loaded once in a separate
    process before it replaces the old one. After an error, the old module is unchanged.

    Args:
        source: a module folder, or a zip or tar archive of one.
        home: PaddleHub's home; None: HUB_HOME, or .paddlehub in the user's home folder.
        sha256: the expected checksum of an archive; None: the one in the .sha256 file next to it, if there is one.

    Returns:
        The name and version, the folder, True if anything was changed, and notes for the user.

    Raises:
        HubModuleError: the source is not a module, its checksum is wrong, or it cannot be loaded.
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
    work = home / WORK
    unchanged = "Nothing was changed; the module that was installed before is still there."
    with disk_errors_as(HubModuleError, folder=home, remedy=unchanged):
        for folder in (home / "modules", work / "replaced"):
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work, prefix="new-", ignore_cleanup_errors=True) as staged:
            copy = _stage(source, Path(staged), sha256=sha256)
            info = module_info((copy / "module.py").read_text(encoding="utf-8"), path=source / "module.py")
            name = folder_name(info["name"])
            if not re.fullmatch(r"\w+(?:\.\w+)*", name):
                raise HubModuleError(f"{source}: `name` in module.py cannot be a folder name: {info['name']!r}.")
            _check_sums(copy, source=source)
            (Path(staged) / "trial").mkdir()
            copy = copy.rename(Path(staged) / "trial" / name)
            target = home / "modules" / name
            with locked(work / f"{name}.lock"):
                _remove_old(work)
                changed = not _is_the_same(copy, target)
                if changed:
                    _date_by_content(copy / "module.py")
                    _try_to_load(copy, source=source, home=Path(staged) / "home")
                    _put_in_place(copy, target, replaced=work / "replaced" / f"{name}-{time.time_ns()}")
            notes: tuple[str, ...] = ()
            if (target / "requirements.txt").exists():
                notes = (
                    f"it needs other packages, which were not installed: pip install -r {target / 'requirements.txt'}",
                )
            return InstalledModule(
                name=info["name"], version=info["version"], directory=target, changed=changed, notes=notes
            )


def _stage(source: Path, staged: Path, *, sha256: str | None) -> Path:
    """Copy or unpack the module into `staged`; return its folder. Refuse links."""
    if source.is_dir():
        if not (source / "module.py").is_file():
            raise HubModuleError(f"{source}: holds no module.py, so it is not a hub module.")
        if link := next((path for path in source.rglob("*") if path.is_symlink()), None):
            raise HubModuleError(f"{link}: is a link; a module folder must hold regular files only.")
        return Path(shutil.copytree(source, staged / "copy", ignore=shutil.ignore_patterns("__pycache__")))
    if not source.is_file():
        raise HubModuleError(f"{source}: no such folder or archive.{_hint(str(source))}")
    if not is_archive(source):
        raise ArchiveError(f"{source}: is not a complete zip or tar archive; copy it again.")
    beside = source.with_name(f"{source.name}.sha256")
    if sha256 is None and beside.is_file():
        sha256 = (beside.read_text(encoding="utf-8", errors="replace").split() or [""])[0]
    if sha256 is not None and (found := sha256_of_file(source)) != sha256.lower():
        raise HubModuleError(
            f"{source}: has sha256 {found}, but {sha256} was expected; the file is damaged or a different one. Copy it "
            f"again."
        )
    unpacked = unpack_archive(source, target=staged / "unpacked")
    tops = sorted(path.name for path in unpacked.iterdir())
    if len(tops) != 1 or not (unpacked / tops[0] / "module.py").is_file():
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


def _files_of(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _check_sums(folder: Path, *, source: Path) -> None:
    """Check that the files are those in the module's list of checksums, if any."""
    if not (folder / SUMS_NAME).exists():
        return
    files = _files_of(folder)
    del files[SUMS_NAME]
    stated = _stated_sums(folder)
    wrong = {*files, *stated} - {
        name for name in files if name in stated and sha256_of_file(files[name]) == stated[name]
    }
    if wrong:
        raise HubModuleError(
            f"{source}: differs from its {SUMS_NAME}: {', '.join(sorted(wrong)[:5])}. It is incomplete or was changed; "
            f"build or copy it again."
        )


def _stated_sums(folder: Path) -> dict[str, str]:
    lines = (folder / SUMS_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines if line)}


def _is_the_same(copy: Path, target: Path) -> bool:
    """Return True if every file of the copy is installed already, byte for byte."""
    installed = _files_of(target) if target.is_dir() else {}
    files = _files_of(copy)
    return files.keys() <= installed.keys() and all(
        sha256_of_file(path) == sha256_of_file(installed[name]) for name, path in files.items()
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


def _date_by_content(path: Path) -> None:
    """Set the time of a source file from its content.

    Python uses a .pyc file for any source of the same size and time (in seconds). A process that loads the old module
    may write its .pyc file here.
    """
    second = 1_000_000_000 + int(sha256_of_file(path)[:8], 16) % 500_000_000
    os.utime(path, (second, second))


def _put_in_place(copy: Path, target: Path, *, replaced: Path) -> None:
    """Exchange the folders in one step, so that other processes always find one."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise HubModuleError(f"{target}: is not a folder; move it away.")
    if not target.exists():
        copy.rename(target)
        return
    # Another process may have read the old module.py and not yet imported the code that it names.
    for name in set(VENDORED.findall((target / "module.py").read_text(encoding="utf-8"))):
        if (target / name).is_dir() and not (copy / name).exists():
            shutil.copytree(target / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    if _exchange(copy, target):
        copy.rename(replaced)
        return
    target.rename(replaced)  # no exchange on this system: for a moment the module is missing
    try:
        copy.rename(target)
    except OSError:
        replaced.rename(target)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically; return False if the system cannot do it."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _remove_old(work: Path) -> None:
    now = time.time()
    for path in (work / "replaced").iterdir():
        stamp = path.name.rpartition("-")[2]
        if stamp.isdigit() and now - int(stamp) / 1e9 > KEPT_S:
            shutil.rmtree(path, ignore_errors=True)
    for path in work.glob("new-*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)
