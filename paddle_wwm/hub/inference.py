"""A network as a function from arrays to one array. `predict` calls it for every batch.

There are two kinds, with the same results (to 1e-5):

    dygraph    the layers themselves: no preparation, no copy of the weights, any device
    exported   a static program in paddle.inference with oneDNN, on the CPU: a tenth faster in fp32, 1.9 to 3.8 times
               as fast in bf16. Making it takes two to four seconds and a second copy of the weights, so in fp32 it is
               made only for large amounts of text.

An exported program holds a copy of the layers and weights. Before each use they are compared by a checksum (4 ms for
20M weights). If training or loading has changed them, the weights are copied again. For layers with hooks no stored
program is used, so that the hooks run.

Any number of threads may use one module or several. No flag and no mode of Paddle is changed: programs are traced in a
child process (see `tracing`). Two environment variables are set unless they have a value: MKL_DEBUG_CPU_TYPE on AMD
processors, and ONEDNN_PRIMITIVE_CACHE_CAPACITY.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
import os
import sys
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Iterator

import numpy as np
import paddle
import paddle.nn as nn

from ..compute.choice import is_watched
from ..cpu import use_fast_matmul
from ..errors import HubModuleError
from ..model.networks import AllStates, FirstStates
from ..model_config import ModelConfig
from ..tasks.hidden_states import HiddenStates
from ..tasks.programs import dygraph_program
from ..tasks.task import Program, Task
from .program_spec import ProgramSpec, Traced
from .tracing import ChangedLayersError, TracingError, save_program, trace

logger = logging.getLogger(__name__)
PRECISIONS = ("fp32", "bf16")
MIN_CALL_TOKENS = 4096  # for smaller calls, the checksum costs more than the program saves
EXPORT_AFTER_TOKENS = 32_768
# Shapes for which oneDNN keeps prepared weights, 28 MB per layer of 768 and shape. More need memory and gain nothing.
ONEDNN_SHAPES = 1
# Compiled operations that oneDNN keeps. With its default of 1,024, 840 texts took 270 MB more (3 layers x 768), at the
# same speed.
ONEDNN_OPERATIONS = 64
BF16_FLAGS = ("avx512_bf16", "amx_bf16")
PROCESS_LOCK = "_paddle_wwm_making_predictor"


class ModulePrograms:
    """The programs of a module: of its task's network, and of hidden states.

    Each is made on first use.
    """

    def __init__(self, network: nn.Layer, *, task: Task, config: ModelConfig) -> None:
        self._network, self._task, self._config = network, task, config
        self._programs: dict[type[AllStates] | None, Programs] = {}
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict) -> ModulePrograms:
        """Copy the network only; the copy makes its own programs."""
        return ModulePrograms(copy.deepcopy(self._network, memo), task=self._task, config=self._config)

    def of(self, kind: type[AllStates] | None) -> Programs:
        """Return the programs of the task's network (kind None) or of hidden states."""
        with self._lock:
            if kind not in self._programs:
                self._programs[kind] = self._new(kind)
            return self._programs[kind]

    def _new(self, kind: type[AllStates] | None) -> Programs:
        if kind is None:
            return Programs(self._network, spec=ProgramSpec.of(self._task, self._config))
        traced = Traced.FIRST_STATES if kind is FirstStates else Traced.ALL_STATES
        return Programs(kind(self._network.bert), spec=ProgramSpec.of(HiddenStates(), self._config, traced=traced))


class Programs:
    """The programs of one network, made on first use.

    Args:
        spec: what a child process needs to make the same network.
    """

    def __init__(self, network: nn.Layer, *, spec: ProgramSpec) -> None:
        self._network, self._spec = network, spec
        self._exported: dict[str, tuple[int, Program]] = {}
        self._num_tokens_seen = 0
        self._failed: TracingError | None = None
        self._lock = threading.Lock()
        use_fast_matmul()

    def get(self, *, precision: str, num_tokens: int, on_gpu: bool = False) -> Program:
        """Return the program for a call of `num_tokens` tokens.

        Raises:
            HubModuleError: The precision is unknown, this machine does not support it, or these layers cannot have it.
        """
        check_precision(precision, on_gpu=on_gpu)
        if on_gpu or (precision == "fp32" and num_tokens < MIN_CALL_TOKENS):
            return self._layers(on_gpu=on_gpu)
        if any(is_watched(layer) for layer in self._network.sublayers(include_self=True)):
            if precision != "fp32":
                raise HubModuleError(
                    f"precision={precision!r} is computed by a program, which does not call the hooks of layers; "
                    f"remove the hooks, or use precision='fp32'."
                )
            return self._layers()
        with self._lock:  # a second thread waits for the program instead of making it, too
            return self._get_exported(precision, num_tokens=num_tokens)

    def _layers(self, *, on_gpu: bool = False) -> Program:
        return _on_device(dygraph_program(self._network), use_gpu=on_gpu)

    def _get_exported(self, precision: str, *, num_tokens: int) -> Program:
        self._num_tokens_seen += num_tokens
        checksum = weights_checksum(self._network)
        known, program = self._exported.get(precision, (None, None))
        if program is not None and known == checksum:
            return program
        self._exported.pop(precision, None)
        if precision == "fp32" and known is None and self._num_tokens_seen < EXPORT_AFTER_TOKENS:
            return self._layers()
        try:
            if self._failed:
                raise self._failed
            program = exported_program(self._network, spec=self._spec, precision=precision)
        except TracingError as error:
            if precision != "fp32":
                raise
            program = self._layers()
            if not isinstance(error, ChangedLayersError) and self._failed is None:
                self._failed = error
                logger.warning("large calls are computed by the layers, a tenth slower: %s", error)
        self._exported[precision] = (checksum, program)
        return program


def check_device(use_gpu: bool) -> None:
    """Raise HubModuleError if this Paddle cannot compute on the GPU."""
    if use_gpu and not paddle.is_compiled_with_cuda():
        raise HubModuleError("`use_gpu` is set, but this Paddle is built for the CPU only; install paddlepaddle-gpu.")


def _on_device(program: Program, *, use_gpu: bool) -> Program:
    """Return a program that computes on the GPU or on the CPU.

    Afterwards the device of the process is what it was.
    """

    def run(*arrays: np.ndarray) -> np.ndarray:
        with _device("gpu" if use_gpu else "cpu"):
            return program(*arrays)

    return run


@contextlib.contextmanager
def _device(wanted: str) -> Iterator[None]:
    before = paddle.get_device()
    if before.partition(":")[0] == wanted:
        yield
        return
    paddle.set_device(wanted)
    try:
        yield
    finally:
        paddle.set_device(before)


def exported_program(network: nn.Layer, *, spec: ProgramSpec, precision: str) -> Program:
    """Return a paddle.inference program of the network, with its current weights.

    Raises:
        TracingError: The network cannot be made into a program.
    """
    from paddle import inference

    # oneDNN reads this when it compiles for the first time
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(ONEDNN_OPERATIONS))
    traced = trace(spec)
    with tempfile.TemporaryDirectory(prefix="paddle_wwm_") as folder:
        stem = Path(folder) / "program"
        save_program(network, traced, stem)
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
        with _making_predictor():
            predictor = inference.create_predictor(config)
    names = list(inspect.signature(type(network).forward).parameters)[1:]
    inputs = [predictor.get_input_handle(name) for name in names]
    [output] = (predictor.get_output_handle(name) for name in predictor.get_output_names())
    lock = threading.Lock()  # a predictor has one set of inputs and outputs for all threads

    def run(*arrays: np.ndarray) -> np.ndarray:
        with lock:
            for handle, array in zip(inputs, arrays, strict=True):
                handle.copy_from_cpu(np.ascontiguousarray(array))
            predictor.run()
            return output.copy_to_cpu()

    return run


def _making_predictor() -> threading.Lock:
    """Return the lock of this process for making predictors.

    Paddle optimises programs with shared state. Every installed module has its own copy of this file, so the lock
    cannot be a variable of the file.
    """
    return vars(sys).setdefault(PROCESS_LOCK, threading.Lock())


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
