"""numba's compiler with a disk cache that all installed copies of this package share.

numba keeps compiled code next to the source file, so every installed copy of a hub module would compile again, which
takes seconds. Here the cache is a folder of the user. Its name is a hash of the function's source file, of all files of
this package that it imports, and of the versions of numba and llvmlite. numba itself adds the processor, the version of
Python and the types of the arguments.

Loading compiled code runs it. So a folder is used only if no other user can change it (`user_only.py`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import sys
import time
import types
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator
from numba.extending import intrinsic

from .imported_files import all_imported_files
from .user_folders import cache_folder, home_folder
from .user_only import make_user_only

Function = TypeVar("Function", bound=Callable[..., Any])
_njit: Callable[..., Callable[[Any], Any]] = numba.njit  # its type hints do not allow a signature and options together
FOLDER_NAME = "kernels"
KEPT_DAYS = 90  # code of older versions is removed when a new folder is made


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a code generator callable from compiled functions.

    This is `numba.extending.intrinsic` with a type hint. Callers omit the first argument, the typing context.
    """
    return intrinsic(function)


def compiled(*signature: str, **options: Any) -> Callable[[Function], Function]:
    """Return `numba.njit` with a disk cache if there is a folder for it.

    Without a folder that only this user can change, every process compiles again, which takes seconds.
    """

    def compile_function(function: Function) -> Function:
        path = Path(function.__code__.co_filename)
        folder = kernel_folder(path) if path.is_file() else None
        if folder is None:
            return _njit(*signature, **options)(function)
        # The compiled code names its module. All copies of a file use one name, which each process can import.
        name = f"paddle_wwm_kernels_{folder.name}_{path.stem}"
        sys.modules.setdefault(name, types.ModuleType(name))
        copy = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        functools.update_wrapper(copy, function)
        copy.__module__ = name
        dispatcher = _njit(**options)(copy)
        if not hasattr(dispatcher, "_cache"):  # NUMBA_DISABLE_JIT
            return function
        dispatcher._cache = _SharedCache(copy)  # what `cache=True` does, with another class
        for types_of_arguments in signature:
            dispatcher.compile(types_of_arguments)
        if signature:
            dispatcher.disable_compile()
        return dispatcher

    return compile_function


@functools.cache
def kernel_folder(path: Path) -> Path | None:
    """Return the cache folder of a source file, or None if no folder can be used.

    NUMBA_CACHE_DIR has priority; then PADDLE_WWM_HOME, the cache folder of the user, and the folder of this package.
    """
    sources = sorted(
        f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in all_imported_files(path)
    )
    versions = (numba.__version__, llvmlite.__version__)
    key = hashlib.sha256("\n".join((*versions, *sources)).encode()).hexdigest()[:24]
    for base in _cache_folders():
        with contextlib.suppress(OSError):
            folder = base / key
            if not folder.exists():
                _remove_old(base)
            if make_user_only(folder):
                return folder
    return None


def _cache_folders() -> Iterator[Path]:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(given, "paddle_wwm", FOLDER_NAME)
    for folder in (home_folder, cache_folder):
        with contextlib.suppress(RuntimeError):  # the user has no home folder
            yield folder() / FOLDER_NAME
    yield Path(__file__).with_name("__pycache__") / FOLDER_NAME


def _remove_old(base: Path) -> None:
    with contextlib.suppress(OSError):
        for folder in base.iterdir():
            if time.time() - folder.stat().st_mtime > KEPT_DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True)


class _SharedLocator(UserProvidedCacheLocator):
    """Name the folder and the state of the source: the hash in the folder's name."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(kernel_folder(Path(py_file)))

    def get_source_stamp(self) -> str:
        return Path(self._cache_path).name

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _SharedLocator:
        return cls(py_func, py_file)


class _SharedCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_SharedLocator]


class _SharedCache(FunctionCache):
    """numba's cache of one function.

    If a file is damaged or cannot be written, the function is compiled.
    """

    _impl_class = _SharedCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            with contextlib.suppress(OSError):
                self.flush()  # otherwise the damaged file would also prevent `save_overload`
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)
