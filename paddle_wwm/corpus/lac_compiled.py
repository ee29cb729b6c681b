"""The compiled kernel as an engine for LAC: the width for this processor, and a check that it gives the words it must
before it is trusted.
"""

from __future__ import annotations

import numpy as np

from .lac_model import LacWeights

# The widest first: the width in floats, and the features that it needs, in LLVM's names. 16-wide code on a processor
# with AVX2 alone is slower than 8-wide code; on one with neither, plain code would be slower than Paddle's.
WIDTHS: tuple[tuple[int, frozenset[str]], ...] = (
    (16, frozenset({"avx512f", "avx512dq", "avx512vl", "avx512bw", "fma"})),
    (8, frozenset({"avx2", "fma"})),
)


class KernelUnusable(Exception):
    """The compiled kernel cannot serve on this machine; the text says why."""


def width_for_this_cpu() -> int:
    """The vector width for the processor that numba compiles for: this machine's, or what NUMBA_CPU_NAME and
    NUMBA_CPU_FEATURES say.
    """
    from numba.core.registry import cpu_target

    # triple, processor, features: what numba gives to LLVM, and the key of its cache
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    present = {feature[1:] for feature in features.split(",") if feature.startswith("+")}
    for width, needed in WIDTHS:
        if needed <= present:
            return width
    raise KernelUnusable("this processor has neither AVX-512 nor AVX2 with FMA")


class CompiledLac:
    """The network compiled by numba (lac_kernel.py). May be used by several threads at once."""

    def __init__(self, weights: LacWeights, *, width: int | None = None) -> None:
        from .lac_kernel import compiled_tag_texts, pack_weights, rows_of_tile

        self.width = width or width_for_this_cpu()
        self.description = f"compiled kernel, {self.width}-wide"
        self._run = compiled_tag_texts(self.width)
        self._shape = (0,) * self.width, (0,) * rows_of_tile(self.width)
        self._weights = pack_weights(weights, width=self.width)

    def tags(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """int8, shape of `ids`: a tag for every character. ids: int32, texts end to end; lengths: int64, one a text."""
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        order = np.argsort(-lengths, kind="stable")
        order = order[: np.count_nonzero(lengths)]
        tags = np.empty(len(ids), np.int8)
        self._run(*self._shape, ids, offsets, order, *self._weights, tags)
        return tags
