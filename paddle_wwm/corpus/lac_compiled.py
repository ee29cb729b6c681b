"""The compiled kernel as an engine for LAC, with the vector width for this processor."""

from __future__ import annotations

import numpy as np

from .lac_model import LacWeights

# The widest vectors first: the width in floats, and the processor features that it needs, in LLVM's names. With AVX2
# only, 16-wide code is slower than 8-wide code. With neither feature set, the kernel would be slower than Paddle.
WIDTHS: tuple[tuple[int, frozenset[str]], ...] = (
    (16, frozenset({"avx512f", "avx512dq", "avx512vl", "avx512bw", "fma"})),
    (8, frozenset({"avx2", "fma"})),
)


class KernelUnusable(Exception):
    """The compiled kernel cannot be used on this machine; the text is the reason."""


def width_for_this_cpu() -> int:
    """Return the vector width, in floats, for the processor that numba compiles for.

    That is the processor of this machine, unless NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name another.

    Raises:
        KernelUnusable: The processor has no suitable vector instructions.
    """
    from numba.core.registry import cpu_target

    # numba passes this tuple (triple, processor, features) to LLVM, and it is the key of numba's cache
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    present = {feature[1:] for feature in features.split(",") if feature.startswith("+")}
    for width, needed in WIDTHS:
        if needed <= present:
            return width
    raise KernelUnusable("this processor has neither AVX-512 nor AVX2 with FMA")


class CompiledLac:
    """The network compiled by numba (lac_kernel.py). It is thread-safe."""

    def __init__(self, weights: LacWeights, *, width: int | None = None) -> None:
        from .lac_kernel import compiled_tag_texts, pack_weights, rows_of_tile

        self.width = width or width_for_this_cpu()
        self.description = f"compiled kernel, {self.width}-wide"
        self._run = compiled_tag_texts(self.width)
        self._shape = (0,) * self.width, (0,) * rows_of_tile(self.width)
        self._weights = pack_weights(weights, width=self.width)

    def tags(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the tag of every character. int8, shape (num_characters,).

        Args:
            ids: int32, shape (num_characters,), the ids of all texts, concatenated.
            lengths: int64, shape (num_texts,).
        """
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        order = np.argsort(-lengths, kind="stable")
        order = order[: np.count_nonzero(lengths)]
        tags = np.empty(len(ids), np.int8)
        self._run(*self._shape, ids, offsets, order, *self._weights, tags)
        return tags
