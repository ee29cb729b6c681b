"""Write an opened BERT as ONNX, with the names of inputs and outputs of transformers' exporter."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from ..errors import CheckpointError, ConfigError
from ..files import atomic_write
from ..version import __version__
from ..weights.tensors import Tensor, to_float32
from .heads import HeadKind
from .onnx_graph import BATCH, LENGTH, TEXT_PREFIXES, BertGraph
from .opening import OpenedModel
from .vocabulary import TOKENIZER_NAME

ONNX_NAME = "model.onnx"
FILL_MASK = "fill-mask"
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
POOLER, MLM_HEAD = "bert.pooler", "cls.predictions"
_SOFTMAX = "Their softmax over the last axis gives the probabilities."
_MEANINGS = {
    HeadKind.SEQUENCE: _SOFTMAX,
    HeadKind.TOKENS: _SOFTMAX,
    HeadKind.MATCHING: _SOFTMAX,
    HeadKind.MULTI_LABEL: "Their sigmoid gives the probability of each label.",
    HeadKind.ANSWERS: "Their softmax over the tokens gives the probabilities.",
    HeadKind.ANSWERS_WITH_KINDS: "The softmax over the tokens, and of `kind_logits` over the kinds, gives the "
    "probabilities.",
}


def outputs_in_words(model: OpenedModel, *, task: str | None) -> str:
    """Return what the outputs are, for the user."""
    if model.head is None and task is None:
        return "The outputs are hidden states."
    return f"The outputs are logits. {_SOFTMAX if model.head is None else _MEANINGS[model.head.kind]}"


def input_names(model: OpenedModel) -> tuple[str, ...]:
    """Return the names of the inputs, in the order of `INPUT_NAMES`.

    text-matching has them for both texts.
    """
    if model.head is None or model.head.kind is not HeadKind.MATCHING:
        return INPUT_NAMES
    return tuple(f"{prefix}{name}" for prefix in TEXT_PREFIXES for name in INPUT_NAMES)


def usage_of_onnx(model: OpenedModel) -> str:
    """Return lines of Python that run model.onnx."""
    names = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    encoded = '{"": tokenizer.encode("今天天气真好。")}'
    if input_names(model) != INPUT_NAMES:
        encoded = '{"query_": tokenizer.encode("今天天气真好。"), "title_": tokenizer.encode("天气很好。")}'
    return f"""import numpy as np
import onnxruntime
from tokenizers import Tokenizer

session = onnxruntime.InferenceSession("{ONNX_NAME}")
tokenizer = Tokenizer.from_file("{TOKENIZER_NAME}")
texts = {encoded}
names = {names}
inputs = {{text + name: np.array([getattr(one, key)]) for text, one in texts.items() for name, key in names.items()}}
outputs = session.run(None, inputs)"""


def write_onnx(folder: Path, model: OpenedModel, tensors: Mapping[str, Tensor], *, task: str | None) -> None:
    """Write model.onnx: int64 inputs of any shape (B, T), float32 outputs.

    The outputs are logits for every head: `logits`, or `start_logits` and `end_logits`, and `kind_logits` if the model
    predicts the kind of an answer. A model without a task has `last_hidden_state` and, if the pooler is trained,
    `pooler_output`.

    Args:
        tensors: by Paddle's names.
        task: "fill-mask" for the scores of words at every position; None: the head of the model, if it has one.

    Raises:
        ConfigError: the model has another head than `task`.
        CheckpointError: the model has no trained head for words, or is too large for the format.
    """
    if task == FILL_MASK and model.head is not None:
        raise ConfigError(f"`task` is {FILL_MASK}, but the model was fine-tuned for {model.head.kind.value}.")
    if task == FILL_MASK and MLM_HEAD in (*model.absent, *model.untrained):
        raise CheckpointError(f"{model.files[0]}: has no trained head for masked words ({MLM_HEAD}).")
    arrays: dict[str, np.ndarray] = {
        name: to_float32(tensor.read(), dtype=tensor.dtype) for name, tensor in tensors.items()
    }
    graph = BertGraph(model.config, arrays)
    names = input_names(model)
    outputs = _add_outputs(graph, model, names=names, task=task)
    # the two texts of text-matching have other lengths, and onnxruntime takes sizes of one name as equal
    prefixes = {name: next((one for one in TEXT_PREFIXES if name.startswith(one)), "") for name in names}
    inputs = {name: (BATCH, f"{prefix}{LENGTH}") for name, prefix in prefixes.items()}
    content = graph.model(inputs=inputs, outputs=outputs, producer=f"paddle_wwm {__version__}")
    with atomic_write(folder / ONNX_NAME) as stream:
        stream.write(content)


def _add_outputs(
    graph: BertGraph, model: OpenedModel, *, names: Sequence[str], task: str | None
) -> dict[str, list[int | str]]:
    """Add the encoder and the head; return the shapes of the outputs."""
    width = model.config.hidden_size
    encoded = []
    for ids, attention, types in zip(names[::3], names[1::3], names[2::3]):
        mask = graph.add("Cast", attention, to=9)  # TensorProto.BOOL
        encoded.append((graph.encode(ids, types, mask), mask))
    hidden, _ = encoded[0]
    if model.head is None and task is None:
        values = {"last_hidden_state": hidden}
        shapes: dict[str, list[int | str]] = {"last_hidden_state": [BATCH, LENGTH, width]}
        if POOLER not in (*model.absent, *model.untrained):
            values["pooler_output"], shapes["pooler_output"] = graph.pool(hidden), [BATCH, width]
    elif model.head is None:
        values, shapes = {"logits": graph.predict_words(hidden)}, {"logits": [BATCH, LENGTH, model.config.vocab_size]}
    elif model.head.kind in (HeadKind.ANSWERS, HeadKind.ANSWERS_WITH_KINDS):
        both, ends = graph.linear(hidden, "classifier"), ("start_logits", "end_logits")
        values = {name: graph.add("Gather", both, graph.scalar(end), axis=-1) for end, name in enumerate(ends)}
        shapes = {name: [BATCH, LENGTH] for name in ends}
        if model.head.kind is HeadKind.ANSWERS_WITH_KINDS:
            values["kind_logits"] = graph.linear(graph.pool(hidden), "kind_classifier")
            shapes["kind_logits"] = [BATCH, len(model.head.labels)]
    elif model.head.kind is HeadKind.MATCHING:
        values = {"logits": graph.compare(*(graph.mean(*pair) for pair in encoded))}
        shapes = {"logits": [BATCH, model.head.num_outputs]}
    else:
        is_of_texts = model.head.kind is not HeadKind.TOKENS
        values = {"logits": graph.linear(graph.pool(hidden) if is_of_texts else hidden, "classifier")}
        shapes = {"logits": [BATCH, *([] if is_of_texts else [LENGTH]), model.head.num_outputs]}
    for name, value in values.items():
        graph.add("Identity", value, outputs=[name])
    return shapes
