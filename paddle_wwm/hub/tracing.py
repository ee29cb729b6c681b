"""Make a static program of a network, in a separate process.

Paddle traces a network in static mode, which is a setting of the whole process: two threads that trace at once corrupt
each other, and a training loop in a third thread fails. So a child process makes the same network from a description,
with other weights, and traces it. This process only writes the weights next to the program:

    ProgramSpec ──► child (tracing_child) ──► TracedProgram
    network, TracedProgram ──► save_program: STEM.json, STEM.pdiparams

A program depends on the sizes and not on the weights. So each is traced once per user (see `program_cache`).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable

import paddle
import paddle.nn as nn

from ..errors import HubModuleError
from ..quiet import GLOG_MINIMUM_LEVEL
from . import tracing_child
from .program_cache import TracedProgram, parse_traced, read_traced, write_traced
from .program_spec import PACKAGE_ROOT, ProgramSpec, layer_types, relative_module

TIMEOUT_S = 600
KEPT_PROGRAMS = 16  # 100 to 600 KB each
# The package has another name in the child if it is the copy inside a module.
CHILD = """
import importlib, json, sys
request = json.load(sys.stdin)
sys.path[:] = [request["package_parent"], *request["sys_path"]]
getattr(importlib.import_module(request["module"]), request["function"])(request)
"""
_tracing = threading.Lock()


class TracingError(HubModuleError):
    """A network cannot be made into a program."""


class ChangedLayersError(TracingError):
    """The layers of a network are not those that its task makes."""


def trace(spec: ProgramSpec) -> TracedProgram:
    """Trace the network of a description. Later calls return the same program.

    Raises:
        TracingError: The child process failed; the message has its last line.
    """
    with _tracing:  # so that a second thread does not start another child for the same program
        return _trace(spec)


@functools.lru_cache(maxsize=KEPT_PROGRAMS)
def _trace(spec: ProgramSpec) -> TracedProgram:
    traced = read_traced(spec)
    if traced is None:
        with tempfile.TemporaryDirectory(prefix="paddle_wwm_") as folder:
            run_in_child(tracing_child.main, {"spec": dataclasses.asdict(spec), "folder": folder})
            traced = parse_traced(Path(folder, tracing_child.RESULT).read_text(encoding="utf-8"))
        write_traced(spec, traced)
    return traced


def run_in_child(function: Callable[[dict[str, Any]], None], request: dict[str, Any]) -> None:
    """Call a function of this package with a request in a new process.

    Raises:
        TracingError: It failed, or the process cannot be started.
    """
    request = {
        **request,
        "package_parent": str(PACKAGE_ROOT.parent),
        "module": PACKAGE_ROOT.name + relative_module(function.__module__),
        "function": function.__name__,
        "sys_path": sys.path,
    }
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.setdefault("GLOG_minloglevel", GLOG_MINIMUM_LEVEL)
    try:
        result = subprocess.run(
            [sys.executable or "python", "-W", "ignore", "-c", CHILD],
            input=json.dumps(request),
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TracingError(f"the process that makes the program failed: {error}") from None
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        raise TracingError(f"the process that makes the program failed: {reason}")


def save_program(network: nn.Layer, traced: TracedProgram, stem: Path, *, weights: Path | None = None) -> None:
    """Write a program with the weights of a network.

    The files are STEM.json, and STEM.pdiparams or `weights`.

    Raises:
        ChangedLayersError: A layer or a parameter of the network is not as in the program.
        TracingError: The file does not have the expected size.
    """
    from paddle.base import core  # the function that paddle.jit.save calls

    found = dict(layer_types(network))
    changed = next((name for name, kind in traced.layers if found.get(name) != kind), None) or next(
        (name for name in found if name not in dict(traced.layers)), None
    )
    if changed is not None:
        raise ChangedLayersError(
            f"the layer {changed} is {found.get(changed, 'missing')}: only the unchanged layers of a model can become "
            f"a program. Merge what replaced it (LoRA: add the product to the weight), or use the layers."
        )
    state = network.state_dict()
    for name, shape in traced.parameters:
        tensor = state.get(name)
        if tensor is None or tuple(tensor.shape) != shape or tensor.dtype != paddle.float32:
            is_now = "missing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"
            raise ChangedLayersError(f"the parameter {name} must be float32 {shape}, but is {is_now}.")
    names = [name for name, _ in traced.parameters]
    tensors = [state[name].value().get_tensor() for name in names]
    weights = weights or Path(f"{stem}.pdiparams")
    core.save_combine_func(tensors, names, str(weights), True, False, False)
    if weights.stat().st_size != traced.num_bytes:
        raise TracingError(f"{weights} must have {traced.num_bytes:,} bytes, but has {weights.stat().st_size:,}.")
    Path(f"{stem}.json").write_text(traced.program, encoding="utf-8")
