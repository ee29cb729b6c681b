"""numba's compiler, with what it has compiled kept on disk where that can be: beside the source, or else in the user's
cache folder.
"""

from __future__ import annotations

from typing import Any, Callable

import numba


def compiled(*signature: str, **options: Any) -> Callable[[Callable], Callable]:
    """As `numba.njit` with a cache; where no folder for one can be written, every process compiles anew, which takes
    seconds.
    """

    def compile_function(function: Callable) -> Callable:
        try:
            return numba.njit(*signature, cache=True, **options)(function)
        except RuntimeError:  # numba's words for: no folder for the cache
            return numba.njit(*signature, **options)(function)

    return compile_function
