"""numba's compiler with a disk cache: next to the source, or else in the user's cache folder."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import numba
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])
_njit: Callable[..., Callable[[Any], Any]] = numba.njit  # its type hints do not allow a signature and options together


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a code generator callable from compiled functions.

    This is `numba.extending.intrinsic` with a type hint. Callers omit the first argument, the typing context.
    """
    return intrinsic(function)


def compiled(*signature: str, **options: Any) -> Callable[[Function], Function]:
    """Return `numba.njit` with a disk cache if a cache folder can be written.

    Without a cache folder, every process compiles again, which takes seconds.
    """

    def compile_function(function: Function) -> Function:
        try:
            return _njit(*signature, cache=True, **options)(function)
        except RuntimeError:  # numba found no writable cache folder
            return _njit(*signature, **options)(function)

    return compile_function
