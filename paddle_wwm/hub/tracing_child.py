"""The child process of `tracing`: make a network from its description, trace it, write the program.

Static mode and the other settings of Paddle that tracing changes stay in this process.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any, Literal

import paddle
import paddle.nn as nn

from ..compute.choice import exact
from ..model.networks import AllStates, FirstStates
from ..model_config import ModelConfig
from ..tasks.task import Task
from .program_spec import PACKAGE_ROOT, Traced, layer_types
from .training import forward_outputs, network_inputs

_DTYPES: dict[str, Literal["bool"]] = {"attention_mask": "bool"}
_SHAPES = {"flat_positions": [None]}
_ENCODER_OUTPUTS: dict[str, type[AllStates]] = {Traced.ALL_STATES: AllStates, Traced.FIRST_STATES: FirstStates}
RESULT = "traced.json"
PARAMETER = "p"  # the operation in a program's JSON that defines a parameter


def main(request: dict[str, Any]) -> None:
    """Write a `program_cache.TracedProgram` into the folder of the request."""
    paddle.set_device("cpu")
    _draw_no_random_weights()
    spec, folder = request["spec"], Path(request["folder"])
    task = _task(spec)
    network = task.make_network(ModelConfig(**spec["config"]))
    if spec["traced"] in _ENCODER_OUTPUTS:
        network = _ENCODER_OUTPUTS[spec["traced"]](network.bert)
    layers = layer_types(network)
    wrapped, inputs = _wrapped(network, task=task, spec=spec)
    # Paddle's own operations: ours are Python functions, which a program cannot contain
    with exact(), paddle.no_grad():
        static: Any = paddle.jit.to_static(wrapped, input_spec=inputs, full_graph=True)
        pairs = zip(*static.forward.concrete_program.parameters)
        paddle.jit.save(static, str(folder / "program"))
    weights = folder / "program.pdiparams"
    state = network.state_dict()
    names = {tensor.name: name for name, tensor in state.items()}
    state_names = {value.name: names[tensor.name] for tensor, value in pairs}
    program = (folder / "program.json").read_text(encoding="utf-8")
    traced = {
        "program": program,
        "parameters": [(state_names[name], state[state_names[name]].shape) for name in _parameter_names(program)],
        "layers": layers,
        "num_bytes": weights.stat().st_size,
    }
    (folder / RESULT).write_text(json.dumps(traced), encoding="utf-8")


def _draw_no_random_weights() -> None:
    """Replace the initial weights by zeros: half of the time for large models."""
    zeros = nn.initializer.Constant(0.0)
    nn.initializer.set_global_initializer(zeros, zeros)
    vars(nn.initializer)["TruncatedNormal"] = lambda **_: zeros


def _task(spec: dict[str, Any]) -> Task:
    module, _, name = spec["task_type"].partition(":")
    kind = getattr(importlib.import_module(module, package=PACKAGE_ROOT.name), name)
    return kind(labels=tuple(spec["labels"]))


def _parameter_names(program: str) -> list[str]:
    """Return the names of a program's parameters, sorted.

    This is their order in its .pdiparams file.
    """
    [region] = json.loads(program)["program"]["regions"]
    [block] = region["blocks"]
    return sorted(operation["A"][3] for operation in block["ops"] if operation["#"] == PARAMETER)


def _wrapped(network: nn.Layer, *, task: Task, spec: dict[str, Any]) -> tuple[nn.Layer, list[Any]]:
    """Return the layer to trace and its inputs."""
    if spec["traced"] == Traced.FORWARD:
        inputs = [paddle.static.InputSpec(one["shape"], one["dtype"], one["name"]) for one in spec["inputs"]]
        kind = _ForwardOfTowers if len(inputs) == 4 else _Forward
        return kind(network, task=task, pad_id=spec["pad_id"]), inputs
    names = list(inspect.signature(type(network).forward).parameters)[1:]
    inputs = [
        paddle.static.InputSpec(_SHAPES.get(name, [None, None]), _DTYPES.get(name, "int64"), name) for name in names
    ]
    return (_OfBatchAtPositions if "flat_positions" in names else _OfBatch)(network), inputs


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


class _Forward(_OfBatch):
    """`forward` of a module, with the inputs of the exported program and no others."""

    def __init__(self, network: nn.Layer, *, task: Task, pad_id: int) -> None:
        super().__init__(network)
        self.task, self.pad_id = task, pad_id

    def forward(self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor) -> Any:  # type: ignore[override]
        return self._outputs([(input_ids, token_type_ids)])

    def _outputs(self, texts: list[tuple[paddle.Tensor, paddle.Tensor]]) -> Any:
        inputs = [
            tensor
            for ids, types in texts
            for tensor in network_inputs(ids, types, None, task=self.task.name, pad_id=self.pad_id)
        ]
        logits = self.task.logits(self.network, inputs)
        return forward_outputs(logits, inputs, task=self.task, network=self.network)


class _ForwardOfTowers(_Forward):
    def forward(  # type: ignore[override]
        self,
        query_input_ids: paddle.Tensor,
        query_token_type_ids: paddle.Tensor,
        title_input_ids: paddle.Tensor,
        title_token_type_ids: paddle.Tensor,
    ) -> Any:
        return self._outputs([(query_input_ids, query_token_type_ids), (title_input_ids, title_token_type_ids)])
