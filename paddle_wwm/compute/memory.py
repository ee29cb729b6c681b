"""The memory of a tensor as an array: the one place that makes an array of an address."""

from __future__ import annotations

import ctypes

import numpy as np
import paddle


def shared_array(tensor: paddle.Tensor) -> np.ndarray:
    """Return a float32 tensor's memory on the CPU as a flat array, to read and to write.

    It is valid as long as the tensor lives.
    """
    assert tensor.place.is_cpu_place() and tensor.dtype == paddle.float32 and tensor.is_contiguous()
    return np.ctypeslib.as_array((ctypes.c_float * tensor.size).from_address(tensor.data_ptr()))
