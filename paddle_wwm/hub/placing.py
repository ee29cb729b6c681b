"""Put module folders into PaddleHub's home, and take them out, while other processes load modules.

    HUB_HOME/modules/<name with _>/      the same place as PaddleHub's
    HUB_HOME/.paddle_wwm/                locks, modules that are being installed, and recently replaced modules

A new folder and the old one are exchanged in one step, so that other processes always find one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Iterator

from ..errors import HubModuleError
from ..files import locked, sha256_of_file

WORK = ".paddle_wwm"
KEPT_S = 900  # a replaced module is kept so long: other processes may still be loading it
ABANDONED_S = 86_400  # older files of a killed installer are removed
RENAME_EXCHANGE, AT_FDCWD = 2, -100
VENDORED = re.compile(r"\bwwm_[0-9a-f]{12}\b")


def modules_of(home: Path) -> Path:
    """Return the folder of the installed modules."""
    return home / "modules"


@contextlib.contextmanager
def staging(home: Path) -> Iterator[Path]:
    """Make the folders of a home, and yield a temporary folder in it."""
    work = home / WORK
    for folder in (modules_of(home), work / "replaced"):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work, prefix="new-", ignore_cleanup_errors=True) as staged:
        yield Path(staged)


@contextlib.contextmanager
def alone(home: Path, folder: str) -> Iterator[None]:
    """Hold the lock of a module's folder, so that only one process changes it."""
    with locked(home / WORK / f"{folder}.lock"):
        yield


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of a module by their path in its folder, without compiled code."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def is_installed(copy: Path, target: Path) -> bool:
    """Return True if every file of the copy is installed already, byte for byte."""
    installed = files_of(target) if target.is_dir() else {}
    files = files_of(copy)
    return files.keys() <= installed.keys() and all(
        sha256_of_file(path) == sha256_of_file(installed[name]) for name, path in files.items()
    )


def put_in_place(copy: Path, *, home: Path) -> None:
    """Move a complete copy of a module into the home.

    An old folder of the same name is replaced in one step.

    Raises:
        HubModuleError: The place is taken by something that is not a module.
    """
    target = modules_of(home) / copy.name
    if target.is_symlink() or (target.exists() and not (target / "module.py").is_file()):
        raise HubModuleError(f"{target}: is not the folder of a module; move it away.")
    _date_by_content(copy / "module.py")
    if not target.exists():
        copy.rename(target)
        return
    # Another process may have read the old module.py and not yet imported the code that it names.
    for name in set(VENDORED.findall((target / "module.py").read_text(encoding="utf-8", errors="replace"))):
        if (target / name).is_dir() and not (copy / name).exists():
            shutil.copytree(target / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    replaced = home / WORK / "replaced" / f"{copy.name}-{time.time_ns()}"
    if _exchange(copy, target):
        copy.rename(replaced)
        return
    target.rename(replaced)  # no exchange on this system: for a moment the module is missing
    try:
        copy.rename(target)
    except OSError:
        replaced.rename(target)
        raise


def take_out(target: Path, *, staged: Path) -> None:
    """Remove a module's folder: other processes see all of it or nothing."""
    out = target.rename(staged / target.name)
    shutil.rmtree(out)


def remove_old(home: Path) -> None:
    """Remove modules that were replaced long ago, and files of killed installers."""
    work, now = home / WORK, time.time()
    for path in (work / "replaced").iterdir():
        stamp = path.name.rpartition("-")[2]
        if stamp.isdigit() and now - int(stamp) / 1e9 > KEPT_S:
            shutil.rmtree(path, ignore_errors=True)
    for path in work.glob("new-*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


def _date_by_content(path: Path) -> None:
    """Set the time of a source file from its content.

    Python uses a .pyc file for any source of the same size and time (in seconds). A process that loads the old module
    may write its .pyc file here.
    """
    second = 1_000_000_000 + int(sha256_of_file(path)[:8], 16) % 500_000_000
    os.utime(path, (second, second))


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
