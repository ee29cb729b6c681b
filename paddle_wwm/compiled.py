"""numba's compiler, with what it has compiled kept on disk where that can be: beside the source, or else in the user's
cache folder.
"""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import numba
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])
_njit: Callable[..., Callable[[Any], Any]] = numba.njit  # its own types know no signature beside options


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a writer of machine code an instruction of compiled functions, as `numba.extending.intrinsic` does: callers
    leave out the first argument, the typing context.
    """
    return intrinsic(function)


def compiled(*signature: str, **options: Any) -> Callable[[Function], Function]:
    """As `numba.njit` with a cache; where no folder for one can be written, every process compiles again, which
    takes seconds.
    """

    def compile_function(function: Function) -> Function:
        try:
            return _njit(*signature, cache=True, **options)(function)
        except RuntimeError:  # numba's words for: no folder for the cache
            return _njit(*signature, **options)(function)

    return compile_function
