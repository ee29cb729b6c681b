"""Compiled functions work with and without a cache folder, and installed copies of the package share one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import paddle_wwm
from paddle_wwm.compiled import compiled, kernel_folder
from paddle_wwm.user_only import make_user_only

PACKAGE = Path(paddle_wwm.__file__).parent
USE = """
import sys
import numpy as np
from importlib import import_module
kernels = import_module(sys.argv[1] + ".compute.kernels")
print(kernels.mask_bits(np.uint64(3), 4, 8).sum(), sum(kernels.mask_bits.stats.cache_hits.values()))
"""
ANSWER = 1151458


def test_functions_compile_without_a_source_file():
    namespace = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<no file>", "exec"), namespace)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(namespace["twice"])
    assert compiled()(namespace["twice"])(21) == 42
    assert compiled("f8(f8)", error_model="numpy")(namespace["twice"])(1.5) == 3.0


def use_kernel(package: Path, *, cache: Path) -> str:
    """Call a kernel of a copy of the package in a new process; return its result and its number of cache hits."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "PYTHONPATH")}
    environment = {**inherited, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"XDG_CACHE_HOME": str(cache), "PADDLE_WWM_HOME": str(cache / "home"), "HOME": str(cache)}
    command = [sys.executable, "-c", USE, package.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=package.parent, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def copy_of_package(folder: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__", "sample_data")))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Return a cache folder that one copy of the package has filled."""
    folder = tmp_path_factory.mktemp("first")
    assert use_kernel(copy_of_package(folder / "one_copy"), cache=folder / "cache") == f"{ANSWER} 0"
    return folder / "cache"


def test_a_second_copy_under_another_name_uses_the_code_that_the_first_has_compiled(filled, tmp_path):
    assert use_kernel(copy_of_package(tmp_path / "another_copy"), cache=filled) == f"{ANSWER} 1"


def test_a_copy_with_another_version_of_an_imported_file_compiles_again(filled, tmp_path):
    changed = copy_of_package(tmp_path / "changed_copy")
    with open(changed / "random_bits.py", "a") as stream:
        stream.write("\n# changed\n")
    assert use_kernel(changed, cache=filled) == f"{ANSWER} 0"


def test_damaged_files_in_the_cache_are_replaced(filled, tmp_path):
    cache = Path(shutil.copytree(filled, tmp_path / "cache"))
    for path in cache.rglob("*.nb[ic]"):
        path.write_bytes(path.read_bytes()[:-9])
    copy = copy_of_package(tmp_path / "one_copy")
    assert use_kernel(copy, cache=cache) == f"{ANSWER} 0"
    assert use_kernel(copy, cache=cache) == f"{ANSWER} 1"


def test_a_home_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "file").write_text("")
    copy = copy_of_package(tmp_path / "one_copy")
    assert use_kernel(copy, cache=tmp_path / "file" / "cache") == f"{ANSWER} 0"
    assert use_kernel(copy, cache=tmp_path / "file" / "cache") == f"{ANSWER} 1"  # from the folder of the package


def test_code_that_other_users_can_change_is_not_loaded(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    home, cache = tmp_path / "home", tmp_path / "cache"
    monkeypatch.setenv("PADDLE_WWM_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    path = PACKAGE / "compute" / "kernels.py"
    kernel_folder.cache_clear()
    mine = kernel_folder(path)
    assert mine is not None and mine.parent == home / "kernels" and mine.stat().st_mode & 0o777 == 0o700
    home.chmod(0o777)
    kernel_folder.cache_clear()
    assert kernel_folder(path).parent == cache / "paddle_wwm" / "kernels"
    kernel_folder.cache_clear()


def test_a_folder_is_the_users_only_if_no_one_else_can_write_or_replace_it(tmp_path):
    folder = tmp_path / "parent" / "folder"
    assert make_user_only(folder)
    for place, mode, expected in (
        (folder, 0o770, False),
        (folder, 0o755, True),
        (folder.parent, 0o757, False),
        (folder.parent, 0o1777, True),
        (folder.parent, 0o775, True),  # umask 002, with a group of the user's own
    ):
        before = place.stat().st_mode & 0o7777
        place.chmod(mode)
        assert make_user_only(folder) is expected
        place.chmod(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_is_not_used(tmp_path):
    for place in ("folder", "parent"):
        folder = tmp_path / place / "parent" / "folder"
        assert make_user_only(folder)
        os.chown(folder if place == "folder" else folder.parent, 12345, 12345)
        assert not make_user_only(folder)
