"""Matrix products by the oneDNN library in Paddle's own wheel.

Paddle's CPU wheel contains and loads libdnnl (oneDNN, Apache-2.0), which exports its whole C interface. It has products
of bfloat16 numbers for processors with AMX or AVX512_BF16, which Paddle does not offer outside of its inference engine.
The file belongs to one wheel, so nothing here may be needed: `missing` returns why it cannot be used. It checks the
version, and the results of a product.

Operands are arrays of any strides with 2 to 4 axes; their memory is used in place. bfloat16 numbers are the bits in
uint16 arrays. Sums are float32. Notes for readers:

- oneDNN compiles a program for each combination of shapes, strides and types ("primitive", about 1 ms). A call with a
  known combination costs 8 us. Every thread keeps its own primitives, since they hold the addresses of a call.
- oneDNN runs its threads by libgomp, whose number of threads belongs to the calling thread. Paddle's products run by
  another library (libiomp5), so Paddle's number must be set here.

Source: oneDNN's C interface, dnnl.h of version 3 (https://uxlfoundation.github.io/oneDNN).
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import math
import os
import threading
import weakref
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import paddle

from ..errors import TrainingError

_PATH = "libs/libdnnl.so.3"  # below the folder of the package paddle
_MAJOR = 3
_MOST_PRIMITIVES = 512  # per thread
_CPU, _SUCCESS = 1, 0
_BF16_CODE, _F32_CODE = 2, 3  # dnnl_data_type_t
_SOURCE, _WEIGHTS, _BIAS, _TARGET = 1, 33, 41, 17  # DNNL_ARG_...
_BF16_BIT = 0x80  # of dnnl_cpu_isa_t: AVX512_BF16, which AMX includes
_AMX_BIT = 0x800
_CODES = {np.dtype(np.float32): _F32_CODE, np.dtype(np.uint16): _BF16_CODE}
_TOLERANCE = 1e-3
_Handle = ctypes.c_void_p
_Dims = ctypes.c_int64 * 12


class _Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)]


class _Argument(ctypes.Structure):
    _fields_ = [("place", ctypes.c_int), ("memory", _Handle)]


_P = ctypes.POINTER(_Handle)
_FUNCTIONS: dict[str, list[Any]] = {
    "dnnl_engine_create": [_P, ctypes.c_int, ctypes.c_size_t],
    "dnnl_stream_create": [_P, _Handle, ctypes.c_uint],
    "dnnl_memory_desc_create_with_strides": [_P, ctypes.c_int, _Dims, ctypes.c_int, _Dims],
    "dnnl_memory_desc_destroy": [_Handle],
    "dnnl_memory_create": [_P, _Handle, _Handle, ctypes.c_void_p],
    "dnnl_memory_set_data_handle": [_Handle, ctypes.c_void_p],
    "dnnl_memory_destroy": [_Handle],
    "dnnl_primitive_attr_create": [_P],
    "dnnl_primitive_attr_destroy": [_Handle],
    "dnnl_primitive_attr_set_post_ops": [_Handle, _Handle],
    "dnnl_post_ops_create": [_P],
    "dnnl_post_ops_append_sum": [_Handle, ctypes.c_float, ctypes.c_int32, ctypes.c_int],
    "dnnl_post_ops_destroy": [_Handle],
    "dnnl_matmul_primitive_desc_create": [_P, _Handle, _Handle, _Handle, _Handle, _Handle, _Handle],
    "dnnl_primitive_desc_destroy": [_Handle],
    "dnnl_primitive_create": [_P, _Handle],
    "dnnl_primitive_destroy": [_Handle],
    "dnnl_primitive_execute": [_Handle, _Handle, ctypes.c_int, ctypes.POINTER(_Argument)],
}


class OneDnnError(TrainingError):
    """oneDNN refused a call."""


def gemm(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, *, bias: np.ndarray | None = None, accumulate: bool = False
) -> None:
    """Write a @ b (+ bias) to `out`, or add it to `out`.

    Args:
        a, b, out: float32 or the bits of bfloat16 (uint16), of any strides, shapes (…, m, k), (…, k, n) and (…, m, n)
            with at most two leading axes.
        bias: float32 (n,), or None.
        accumulate: add to `out` instead of replacing it.

    Raises:
        OneDnnError: oneDNN cannot compute it, for example because the processor has no bfloat16.
    """
    if not (a.size and b.size):
        empty_product(out, bias=bias, accumulate=accumulate)
        return
    layouts = tuple(_layout(array) for array in (a, b, out))
    product = _threads().find(layouts, bias is not None, accumulate)
    addresses = [array.ctypes.data for array in ((a, b, out) if bias is None else (a, b, out, bias))]
    product.run(addresses)


def empty_product(out: np.ndarray, *, bias: np.ndarray | None, accumulate: bool) -> None:
    """Compute `gemm` for operands without numbers: a sum of nothing is 0.

    They occur in a micro-batch without predictions.
    """
    if not accumulate:
        out[...] = 0
    if bias is not None and out.size:
        assert out.dtype == np.float32
        out += bias


@functools.cache
def missing() -> str:
    """Return why oneDNN cannot be used in this process, or "" if it can."""
    try:
        library = _library()
        version = library.dnnl_version().contents
        if version.major != _MAJOR:
            return f"{_path()} is oneDNN {version.major}.{version.minor}, but only version {_MAJOR} is known"
        found = _difference(np.float32)
    except (OSError, AttributeError, OneDnnError) as error:
        return f"the oneDNN of Paddle's wheel cannot be used ({error})"
    if not found < _TOLERANCE:
        return f"products of {_path()} differ from Paddle's by {found:.3g}"
    return ""


@functools.cache
def missing_bfloat16() -> str:
    """Return why there are no products of bfloat16 numbers, or "" if there are."""
    if missing():
        return missing()
    if not instructions() & _BF16_BIT:
        return "this processor has neither AMX nor AVX512_BF16"
    try:
        found = _difference(np.uint16)
    except OneDnnError as error:
        return f"oneDNN refused a product of bfloat16 numbers ({error})"
    return "" if found < _TOLERANCE else f"products of bfloat16 numbers differ from Paddle's by {found:.3g}"


def instructions() -> int:
    """Return the instructions that oneDNN uses, as bits of dnnl_cpu_isa_t."""
    return int(_library().dnnl_get_effective_cpu_isa())


def has_amx() -> bool:
    """Return True if products of bfloat16 numbers run on AMX's matrix units."""
    return not missing_bfloat16() and bool(instructions() & _AMX_BIT)


def version() -> str:
    """Return the version of the library in Paddle's wheel."""
    found = _library().dnnl_version().contents
    return f"{found.major}.{found.minor}.{found.patch}"


def _difference(dtype: type) -> float:
    """Return the largest difference from Paddle's product.

    It is relative to the largest number of the product.
    """
    numbers = np.random.default_rng(0).standard_normal((2, 48, 48)).astype(np.float32)
    numbers = (numbers.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)  # exact in bfloat16
    given = numbers if dtype is np.float32 else (numbers.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    out = np.empty((48, 48), np.float32)
    gemm(given[0], given[1].T, out)
    expected = paddle.matmul(*map(paddle.to_tensor, numbers), transpose_y=True).numpy()
    return float(np.abs(out - expected).max() / np.abs(expected).max())


def _path() -> Path:
    spec = importlib.util.find_spec("paddle")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / _PATH


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_path()))  # Paddle has loaded this file, so this is another handle of the same library
    for name, arguments in _FUNCTIONS.items():
        function = getattr(library, name)
        function.argtypes, function.restype, function.errcheck = arguments, ctypes.c_int, _checked(name)
    library.dnnl_version.restype = ctypes.POINTER(_Version)
    return library


def _checked(name: str) -> Callable[[int, Any, Any], int]:
    def check(status: int, function: Any, arguments: Any) -> int:
        if status != _SUCCESS:
            raise OneDnnError(f"{name} returned status {status}")
        return status

    return check


def _make(name: str, *arguments: Any) -> _Handle:
    """Call a function whose first argument receives a new object."""
    handle = _Handle()
    getattr(_library(), name)(ctypes.byref(handle), *arguments)
    return handle


@functools.cache
def _engine() -> _Handle:
    return _make("dnnl_engine_create", _CPU, 0)


Layout = tuple[tuple[int, ...], tuple[int, ...], int]


def _layout(array: np.ndarray) -> Layout:
    """Return the shape, the strides in elements and the type."""
    size = array.itemsize
    return array.shape, tuple(stride // size for stride in array.strides), _CODES[array.dtype]


def _description(layout: Layout) -> _Handle:
    shape, strides, code = layout
    name = "dnnl_memory_desc_create_with_strides"
    return _make(name, len(shape), _Dims(*shape), code, _Dims(*strides))


class _Product:
    """A product of fixed shapes, strides and types."""

    def __init__(self, layouts: Sequence[Layout], *, has_bias: bool, accumulates: bool, stream: _Handle) -> None:
        library, self._stream = _library(), stream
        shape = layouts[2][0]
        places = [_SOURCE, _WEIGHTS, _TARGET]
        if has_bias:
            ones = (1,) * (len(shape) - 1)
            layouts = [*layouts, ((*ones, shape[-1]), (*(math.prod(shape[-1:]) for _ in ones), 1), _F32_CODE)]
            places.append(_BIAS)
        descriptions = [_description(layout) for layout in layouts]
        attributes = _make("dnnl_primitive_attr_create")
        if accumulates:
            operations = _make("dnnl_post_ops_create")
            library.dnnl_post_ops_append_sum(operations, 1.0, 0, 0)
            library.dnnl_primitive_attr_set_post_ops(attributes, operations)
            library.dnnl_post_ops_destroy(operations)
        source, weights, target, *bias = descriptions
        parts = (source, weights, bias[0] if bias else None, target, attributes)
        description = _make("dnnl_matmul_primitive_desc_create", _engine(), *parts)
        self._primitive = _make("dnnl_primitive_create", description)
        self._memories = [_make("dnnl_memory_create", item, _engine(), None) for item in descriptions]
        self._arguments = (_Argument * len(places))(*map(_Argument, places, self._memories))
        library.dnnl_primitive_desc_destroy(description)
        library.dnnl_primitive_attr_destroy(attributes)
        for item in descriptions:
            library.dnnl_memory_desc_destroy(item)
        weakref.finalize(self, _destroy, self._primitive, self._memories)

    def run(self, addresses: Sequence[int]) -> None:
        """Compute the product of the arrays at these addresses: a, b, out and the bias."""
        library = _library()
        for memory, address in zip(self._memories, addresses):
            library.dnnl_memory_set_data_handle(memory, address)
        library.dnnl_primitive_execute(self._primitive, self._stream, len(self._arguments), self._arguments)


def _destroy(primitive: _Handle, memories: Sequence[_Handle]) -> None:
    _library().dnnl_primitive_destroy(primitive)
    for memory in memories:
        _library().dnnl_memory_destroy(memory)


class _Local(threading.local):
    """What a thread keeps: a stream and its primitives."""

    def __init__(self) -> None:
        stream = _make("dnnl_stream_create", _engine(), 1)
        number = int(os.environ["OMP_NUM_THREADS"])  # import paddle sets it to 1 unless it has a value
        _library().omp_set_num_threads(ctypes.c_int(number))

        @functools.lru_cache(maxsize=_MOST_PRIMITIVES)
        def find(layouts: tuple[Layout, ...], has_bias: bool, accumulates: bool) -> _Product:
            return _Product(layouts, has_bias=has_bias, accumulates=accumulates, stream=stream)

        self.find = find


@functools.cache
def _threads() -> _Local:
    return _Local()
