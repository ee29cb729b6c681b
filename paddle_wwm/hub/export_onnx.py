"""Export a module's `forward` as ONNX, with the graph of `conversion.onnx_graph`.

The inputs are those of `forward` without a mask: padding is masked. The outputs are probabilities; without a task, the
hidden states and the pooled states.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import paddle.nn as nn

from ..conversion.onnx_graph import BATCH, LENGTH, MASKED, OPSET, TEXT_PREFIXES, BertGraph
from ..errors import HubModuleError
from ..files import atomic_write
from ..model.folder import VOCAB_NAME
from ..model_config import ModelConfig
from ..tasks.task import Task
from ..tokenization.vocab import Vocab
from ..version import __version__
from .export import check_no_hooks, inputs_of
from .program_spec import InputShape, layer_types
from .tracing import ChangedLayersError


def export_onnx(
    network: nn.Layer,
    path: Path,
    *,
    task: Task,
    config: ModelConfig,
    vocab: Vocab,
    input_spec: Sequence[Any] | None,
    options: dict[str, Any],
) -> None:
    """Write an ONNX file, and vocab.txt next to it.

    Args:
        input_spec: Names and shapes of the inputs, as paddle.static.InputSpec; None: int64, any shape (B, T).
        options: Options of PaddleHub's method; only `opset_version` is known.

    Raises:
        HubModuleError: An option or an input is unknown, or layers have hooks or were replaced.
    """
    if options.pop("opset_version", OPSET) != OPSET or options:
        unknown = ", ".join(options) or "opset_version"
        raise HubModuleError(f"the ONNX file has opset_version {OPSET}; `{unknown}` cannot be given.")
    inputs = inputs_of(task, input_spec)
    if wrong := [one.name for one in inputs if one.dtype != "int64" or len(one.shape) != 2]:
        raise HubModuleError(f"`input_spec` must describe int64 inputs of shape (B, T), but {wrong[0]} is another one.")
    check_no_hooks(network)
    if layer_types(network) != layer_types(task.make_network(config)):
        raise ChangedLayersError(
            "layers of the module were replaced; only the unchanged layers of a model can be exported. Merge what "
            "replaced them (LoRA: add the product to the weight)."
        )
    state = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    graph = BertGraph(config, state)
    content = graph.model(
        inputs={
            # onnxruntime takes sizes of one name as equal, but the two texts of text-matching have other lengths
            one.name: _shape(one, length=LENGTH if len(inputs) == 2 else f"{prefix}{LENGTH}")
            for one, prefix in zip(inputs, [prefix for prefix in TEXT_PREFIXES for _ in range(2)])
        },
        outputs=_add_forward(graph, inputs, task=task, config=config, pad_id=vocab.pad_id),
        producer=f"paddle_wwm {__version__}",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        stream.write(content)
    vocab.save(path.parent / VOCAB_NAME)


def _shape(one: InputShape, *, length: str = LENGTH) -> list[int | str]:
    return [size or name for size, name in zip(one.shape, (BATCH, length))]


def _add_forward(
    graph: BertGraph, inputs: Sequence[InputShape], *, task: Task, config: ModelConfig, pad_id: int
) -> dict[str, list[int | str]]:
    """Add the operations of `forward`; return the shapes of its outputs."""
    encoded = []
    for ids, types in zip(inputs[::2], inputs[1::2]):
        mask = graph.add("Not", graph.add("Equal", ids.name, graph.scalar(pad_id)))
        encoded.append((graph.encode(ids.name, types.name, mask), mask))
    hidden, mask = encoded[0]
    batch, length = _shape(inputs[0])
    if task.name is None:
        graph.add("Identity", hidden, outputs=["last_hidden_state"])
        graph.add("Identity", graph.pool(hidden), outputs=["pooler_output"])
        width = config.hidden_size
        return {"last_hidden_state": [batch, length, width], "pooler_output": [batch, width]}
    if task.name == "text-matching":
        logits, shape = graph.compare(*(graph.mean(*pair) for pair in encoded)), [batch, len(task.labels)]
    elif task.name == "fill-mask":
        logits, shape = graph.predict_words(hidden), [batch, length, config.vocab_size]
    elif task.name == "question-answering":
        logits, shape = graph.linear(hidden, "classifier"), [batch, length, 2]
        padding = graph.add("Where", mask, graph.number(0.0), graph.number(MASKED))
        logits = graph.add("Add", logits, graph.add("Unsqueeze", padding, graph.ints([2])))
    elif task.name == "token-cls":
        logits, shape = graph.linear(hidden, "classifier"), [batch, length, len(task.labels)]
    else:
        logits, shape = graph.linear(graph.pool(hidden), "classifier"), [batch, len(task.labels)]
    if task.name == "multi-label":
        graph.add("Sigmoid", logits, outputs=["probabilities"])
    else:
        graph.add("Softmax", logits, axis=1 if task.name == "question-answering" else -1, outputs=["probabilities"])
    return {"probabilities": shape}
