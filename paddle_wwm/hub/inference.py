"""A network as a function from arrays to one array. `predict` calls it for every batch.

There are two kinds, with the same results (to 1e-5):

    dygraph    the layers themselves: no preparation, no copy of the weights, any device
    exported   a static program in paddle.inference with oneDNN, on the CPU: a tenth faster in fp32, 1.9 to 3.8 times
               as fast in bf16. Making it takes one to three seconds and a second copy of the weights, so in fp32 it is
               made only for large amounts of text.

An exported program holds a copy of the layers and weights. Before each use they are compared by a checksum (4 ms for
20M weights). If training or loading has changed them, the program is made again. For layers with hooks no stored
program is used, so that the hooks run.
"""

from __future__ import annotations

import copy
import inspect
import os
import tempfile
import threading
import warnings
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
import paddle.nn as nn

from ..compute.choice import exact, is_watched
from ..cpu import use_fast_matmul
from ..errors import HubModuleError
from ..tasks.programs import dygraph_program
from ..tasks.task import Program

PRECISIONS = ("fp32", "bf16")
MIN_CALL_TOKENS = 4096  # for smaller calls, the checksum costs more than the program saves
EXPORT_AFTER_TOKENS = 32_768
# Shapes for which oneDNN keeps prepared weights, 28 MB per layer of 768 and shape. More need memory and gain nothing.
ONEDNN_SHAPES = 1
# Compiled operations that oneDNN keeps. With its default of 1,024, 840 texts took 270 MB more (3 layers x 768), at the
# same speed.
ONEDNN_OPERATIONS = 64
BF16_FLAGS = ("avx512_bf16", "amx_bf16")
_DTYPES: dict[str, Literal["bool"]] = {"attention_mask": "bool"}
_SHAPES = {"flat_positions": [None]}


class Programs:
    """The programs of one network, made on first use."""

    def __init__(self, network: nn.Layer) -> None:
        self._network = network
        self._exported: dict[str, tuple[int, Program]] = {}
        self._num_tokens_seen = 0
        use_fast_matmul()

    def __deepcopy__(self, memo: dict) -> Programs:
        """Copy the network only; the copy makes its own programs."""
        return Programs(copy.deepcopy(self._network, memo))

    def get(self, *, precision: str, num_tokens: int, on_gpu: bool = False) -> Program:
        """Return the program for a call of `num_tokens` tokens.

        Raises:
            HubModuleError: The precision is unknown, or this machine does not support it.
        """
        check_precision(precision, on_gpu=on_gpu)
        if on_gpu or (precision == "fp32" and num_tokens < MIN_CALL_TOKENS):
            return dygraph_program(self._network)
        if any(is_watched(layer) for layer in self._network.sublayers(include_self=True)):
            # a program that was exported earlier does not call the hooks
            return (
                dygraph_program(self._network)
                if precision == "fp32"
                else exported_program(self._network, precision=precision)
            )
        self._num_tokens_seen += num_tokens
        checksum = weights_checksum(self._network)
        known, program = self._exported.get(precision, (None, None))
        if program is not None and known == checksum:
            return program
        self._exported.pop(precision, None)
        if precision == "fp32" and known is None and self._num_tokens_seen < EXPORT_AFTER_TOKENS:
            return dygraph_program(self._network)
        program = exported_program(self._network, precision=precision)
        self._exported[precision] = (checksum, program)
        return program


def use_device(use_gpu: bool) -> None:
    """Compute on the GPU or on the CPU from now on.

    Raises:
        HubModuleError: This Paddle has no GPU support.
    """
    if use_gpu and not paddle.is_compiled_with_cuda():
        raise HubModuleError("`use_gpu` is set, but this Paddle is built for the CPU only; install paddlepaddle-gpu.")
    paddle.set_device("gpu" if use_gpu else "cpu")


def exported_program(network: nn.Layer, *, precision: str) -> Program:
    """Return a paddle.inference program of the network, with its current weights."""
    from paddle import inference

    # oneDNN reads this when it compiles for the first time
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(ONEDNN_OPERATIONS))
    names = list(inspect.signature(type(network).forward).parameters)[1:]
    wrapped = (_OfBatchAtPositions if "flat_positions" in names else _OfBatch)(network)
    spec = [
        paddle.static.InputSpec(_SHAPES.get(name, [None, None]), _DTYPES.get(name, "int64"), name) for name in names
    ]
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_") as folder:
        stem = str(Path(folder) / "program")
        # Paddle's own operators: ours are Python functions, which a program cannot contain
        with exact(), warnings.catch_warnings(), paddle.no_grad():
            warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")
            paddle.jit.save(paddle.jit.to_static(wrapped, input_spec=spec, full_graph=True), stem)
        config = inference.Config(f"{stem}.json", f"{stem}.pdiparams")
        config.disable_gpu()
        config.disable_glog_info()
        config.set_cpu_math_library_num_threads(
            int(paddle.get_flags("FLAGS_paddle_num_threads")["FLAGS_paddle_num_threads"])
        )
        config.enable_mkldnn()
        config.set_mkldnn_cache_capacity(ONEDNN_SHAPES)
        if precision == "bf16":
            config.enable_mkldnn_bfloat16()
        predictor = inference.create_predictor(config)
    inputs = {name: predictor.get_input_handle(name) for name in predictor.get_input_names()}
    [output] = (predictor.get_output_handle(name) for name in predictor.get_output_names())
    lock = threading.Lock()  # a predictor has one set of inputs and outputs for all threads

    def run(*arrays: np.ndarray) -> np.ndarray:
        with lock:
            for name, array in zip(names, arrays):
                inputs[name].copy_from_cpu(np.ascontiguousarray(array))
            predictor.run()
            return output.copy_to_cpu()

    return run


class _OfBatch(nn.Layer):
    """A wrapper for to_static, which changes the layer that it is given.

    to_static also needs one named parameter per input.
    """

    def __init__(self, network: nn.Layer) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(
        self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor, attention_mask: paddle.Tensor
    ) -> paddle.Tensor:
        return self.network(input_ids, token_type_ids, attention_mask)


class _OfBatchAtPositions(_OfBatch):
    def forward(  # type: ignore[override]
        self,
        input_ids: paddle.Tensor,
        token_type_ids: paddle.Tensor,
        attention_mask: paddle.Tensor,
        flat_positions: paddle.Tensor,
    ) -> paddle.Tensor:
        return self.network(input_ids, token_type_ids, attention_mask, flat_positions)


def weights_checksum(network: nn.Layer) -> int:
    """Return a checksum of the layers' types and of all parameters.

    The bits of each row are added up first. This takes a sixth of the time of a checksum of every byte, and a change of
    any number changes the result.
    """
    checksum = zlib.crc32(repr([type(layer) for layer in network.sublayers()]).encode())
    for name, tensor in network.state_dict().items():
        array = np.ascontiguousarray(np.from_dlpack(tensor.detach()))  # not numpy(): that would copy
        if array.ndim > 1 and array[0].nbytes % 8 == 0:
            array = array.reshape(len(array), -1).view(np.uint64).sum(axis=1, dtype=np.uint64)
        checksum = zlib.crc32(array.reshape(-1).view(np.uint8).data, zlib.crc32(name.encode(), checksum))
    return checksum


def check_precision(precision: str, *, on_gpu: bool = False) -> None:
    """Check that a precision is known and that this machine supports it.

    Raises:
        HubModuleError: It is unknown, or the machine lacks the instructions.
    """
    if precision not in PRECISIONS:
        raise HubModuleError(f"`precision` must be one of {', '.join(PRECISIONS)}, but is {precision!r}.")
    if precision == "bf16" and (on_gpu or not has_bf16()):
        raise HubModuleError(
            f"precision='bf16' needs a CPU with {' or '.join(BF16_FLAGS)}; use precision='fp32' on this machine."
        )


def has_bf16() -> bool:
    """Return True if the CPU has bfloat16 instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return any(flag in flags for flag in BF16_FLAGS)
