"""Write an opened BERT as ONNX, with the names of inputs and outputs of transformers' exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..files import atomic_write
from ..version import __version__
from ..weights.tensors import Tensor, to_float32
from .heads import HeadKind
from .onnx_graph import BATCH, LENGTH, BertGraph
from .opening import OpenedModel

ONNX_NAME = "model.onnx"
FILL_MASK = "fill-mask"
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
POOLER, MLM_HEAD = "bert.pooler", "cls.predictions"


def write_onnx(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], *, task: str | None) -> None:
    """Write model.onnx: int64 inputs of any shape (B, T), float32 outputs.

    The outputs are `logits`, or `start_logits` and `end_logits`; for a model without a task `last_hidden_state` and, if
    the pooler is trained, `pooler_output`.

    Args:
        tensors: by Paddle's names.
        task: "fill-mask" for the scores of words at every position; None: the head of the model, if it has one.

    Raises:
        ConfigError: the model has another head than `task`.
        CheckpointError: the model has no trained head for words, or is too large for the format.
    """
    unknown = (*model.absent, *model.untrained)
    if task == FILL_MASK and model.head is not None:
        raise ConfigError(f"`task` is {FILL_MASK}, but the model was fine-tuned for {model.head.kind.value}.")
    if task == FILL_MASK and MLM_HEAD in unknown:
        raise CheckpointError(f"{model.files[0]}: has no trained head for masked words ({MLM_HEAD}).")
    arrays: dict[str, np.ndarray] = {
        name: to_float32(tensor.read(), dtype=tensor.dtype) for name, tensor in tensors.items()
    }
    graph = BertGraph(model.config, arrays)
    mask = graph.add("Cast", "attention_mask", to=9)  # TensorProto.BOOL
    hidden = graph.encode("input_ids", "token_type_ids", mask)
    outputs: dict[str, list[int | str]]
    if model.head is None and task is None:
        graph.add("Identity", hidden, outputs=["last_hidden_state"])
        outputs = {"last_hidden_state": [BATCH, LENGTH, model.config.hidden_size]}
        if POOLER not in unknown:
            graph.add("Identity", graph.pool(hidden), outputs=["pooler_output"])
            outputs["pooler_output"] = [BATCH, model.config.hidden_size]
    elif model.head is None:
        graph.add("Identity", graph.predict_words(hidden), outputs=["logits"])
        outputs = {"logits": [BATCH, LENGTH, model.config.vocab_size]}
    elif model.head.kind is HeadKind.ANSWERS:
        both = graph.linear(hidden, "classifier")
        outputs = {name: [BATCH, LENGTH] for name in ("start_logits", "end_logits")}
        for number, name in enumerate(outputs):
            graph.add("Gather", both, graph.scalar(number), axis=-1, outputs=[name])
    else:
        is_of_texts = model.head.kind is HeadKind.SEQUENCE
        logits = graph.linear(graph.pool(hidden) if is_of_texts else hidden, "classifier")
        graph.add("Identity", logits, outputs=["logits"])
        outputs = {"logits": [BATCH, *([] if is_of_texts else [LENGTH]), model.head.num_outputs]}
    content = graph.model(
        inputs=dict.fromkeys(INPUT_NAMES, (BATCH, LENGTH)), outputs=outputs, producer=f"paddle_wwm {__version__}"
    )
    with atomic_write(folder / ONNX_NAME) as stream:
        stream.write(content)
