"""The memory of tensors: as an array (the one place that makes one of an address), and a gradient's, shared by two."""

from __future__ import annotations

import ctypes
from typing import ClassVar

import numpy as np
import paddle


def shared_array(tensor: paddle.Tensor) -> np.ndarray:
    """Return a float32 tensor's memory on the CPU as a flat array, to read and to write.

    It is valid as long as the tensor lives.
    """
    assert tensor.place.is_cpu_place() and tensor.dtype == paddle.float32 and tensor.is_contiguous()
    return np.ctypeslib.as_array((ctypes.c_float * tensor.size).from_address(tensor.data_ptr()))


class TiedGradient:
    """Where the decoder leaves its gradient of the word embeddings, for the embeddings to add theirs in place: the sum
    of two dense gradients of 21,128 x 768 takes 70 ms of a step, and 130 MB.

    One forward pass, whose decoder has the weights of its embeddings, runs inside `with TiedGradient():`. The decoder's
    backward always comes before the embeddings'.
    """

    current: ClassVar[TiedGradient | None] = None
    value: paddle.Tensor | None = None
    is_awaited = False  # the embeddings say so, when they are computed in a way that takes it

    def __enter__(self) -> None:
        self._outer, TiedGradient.current = TiedGradient.current, self

    def __exit__(self, *_: object) -> None:
        TiedGradient.current = self._outer

    def take(self) -> paddle.Tensor | None:
        """The gradient, once."""
        value, self.value = self.value, None
        return value
