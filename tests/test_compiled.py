"""Compiled functions work with and without a cache folder."""

from __future__ import annotations

import numba
import pytest

from paddle_wwm.compiled import compiled


def test_functions_compile_without_a_cache_folder():
    namespace = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<no file>", "exec"), namespace)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(namespace["twice"])
    assert compiled()(namespace["twice"])(21) == 42
    assert compiled("f8(f8)", error_model="numpy")(namespace["twice"])(1.5) == 3.0
