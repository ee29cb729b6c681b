"""Build the ONNX graph of a BERT from its arrays, operation by operation: no framework is traced.

    graph = BertGraph(config, arrays)
    hidden = graph.encode(ids, types, mask)          names of values in the graph
    logits = graph.linear(graph.pool(hidden), "classifier")

All float32, opset 17 (the first with LayerNormalization), any batch size and length. The package `onnx` writes it.
Shapes: B batch, T tokens, D hidden, H heads.
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Sequence

import numpy as np

from ..errors import CheckpointError
from ..model_config import ModelConfig
from ..optional import need_package

OPSET = 17
IR_VERSION = 8  # of onnx 1.12, the release with opset 17: older versions of onnxruntime read it, too
BATCH, LENGTH = "batch_size", "sequence_length"
TEXT_PREFIXES = ("query_", "title_")  # of the inputs of text-matching, which reads two texts separately
MASKED = float(np.finfo(np.float32).min)
MAX_BYTES = (1 << 31) - 1  # of a file in protobuf's format


class BertGraph:
    """An ONNX graph that grows by the layers of a BERT.

    The methods take and return names of values in the graph.

    Args:
        config: the sizes of the model.
        arrays: float32 arrays by Paddle's names, in Paddle's shapes.
    """

    def __init__(self, config: ModelConfig, arrays: Mapping[str, np.ndarray]) -> None:
        need_package("onnx", purpose="ONNX files")
        self._config, self._arrays = config, arrays
        self._nodes: list[Any] = []
        self._stored: dict[str, Any] = {}

    # ---- Parts of a BERT

    def encode(self, ids: str, types: str, mask: str) -> str:
        """Return the last hidden states (B, T, D).

        Args:
            ids, types: int64 (B, T).
            mask: bool (B, T), True where a token may be attended to.
        """
        place = "bert.embeddings"
        length = self.add("Slice", self.add("Shape", ids), self.ints([1]), self.ints([2]), self.ints([0]))
        positions = self.add(
            "Slice", self.array(f"{place}.position_embeddings.weight"), self.ints([0]), length, self.ints([0])
        )
        words = self.add("Gather", self.array(f"{place}.word_embeddings.weight"), ids)
        segments = self.add("Gather", self.array(f"{place}.token_type_embeddings.weight"), types)
        hidden = self.norm(self.add("Add", self.add("Add", words, positions), segments), f"{place}.layer_norm")
        allowed = self.add("Unsqueeze", mask, self.ints([1, 2]))  # (B, 1, 1, T)
        bias = self.add("Where", allowed, self.number(0.0), self.number(MASKED))
        for number in range(self._config.num_hidden_layers):
            hidden = self._layer(hidden, bias, f"bert.encoder.layers.{number}")
        return hidden

    def pool(self, hidden: str) -> str:
        """Return the pooled states (B, D) of the first tokens."""
        first = self.add("Gather", hidden, self.scalar(0), axis=1)
        return self.add("Tanh", self.linear(first, "bert.pooler.dense"))

    def predict_words(self, hidden: str) -> str:
        """Return the scores of every vocabulary entry (B, T, V)."""
        hidden = self._activation(self.linear(hidden, "cls.predictions.transform"))
        hidden = self.norm(hidden, "cls.predictions.layer_norm")
        table = self.add("Transpose", self.array("bert.embeddings.word_embeddings.weight"), perm=[1, 0])
        return self.add("Add", self.add("MatMul", hidden, table), self.array("cls.predictions.decoder_bias"))

    def mean(self, hidden: str, mask: str) -> str:
        """Return the mean of the hidden states (B, D) where the mask is True."""
        weights = self.add("Unsqueeze", self.add("Cast", mask, to=1), self.ints([2]))  # TensorProto.FLOAT
        total = self.add("ReduceSum", self.add("Mul", hidden, weights), self.ints([1]), keepdims=0)
        return self.add("Div", total, self.add("ReduceSum", weights, self.ints([1]), keepdims=0))

    def compare(self, query: str, title: str) -> str:
        """Return the logits (B, C) of two vectors of text-matching."""
        difference = self.add("Abs", self.add("Sub", query, title))
        return self.linear(self.add("Concat", query, title, difference, axis=-1), "classifier")

    def linear(self, states: str, name: str) -> str:
        """Return states W + b for the layer of this name."""
        product = self.add("MatMul", states, self.array(f"{name}.weight"))
        return self.add("Add", product, self.array(f"{name}.bias"))

    def norm(self, states: str, name: str) -> str:
        """Return the states after the LayerNorm of this name."""
        weight, bias = self.array(f"{name}.weight"), self.array(f"{name}.bias")
        return self.add("LayerNormalization", states, weight, bias, axis=-1, epsilon=self._config.layer_norm_eps)

    def _layer(self, hidden: str, bias: str, place: str) -> str:
        width, heads = self._config.hidden_size, self._config.num_attention_heads
        split = self.ints([0, 0, heads, width // heads])
        q, k, v = (
            self.add(
                "Transpose", self.add("Reshape", self.linear(hidden, f"{place}.self_attn.{name}"), split), perm=perm
            )
            for name, perm in (("q_proj", [0, 2, 1, 3]), ("k_proj", [0, 2, 3, 1]), ("v_proj", [0, 2, 1, 3]))
        )
        scores = self.add("Mul", self.add("MatMul", q, k), self.number(1 / math.sqrt(width // heads)))
        weights = self.add("Softmax", self.add("Add", scores, bias), axis=-1)  # (B, H, T, T)
        context = self.add("Transpose", self.add("MatMul", weights, v), perm=[0, 2, 1, 3])
        context = self.linear(self.add("Reshape", context, self.ints([0, 0, width])), f"{place}.self_attn.out_proj")
        hidden = self.norm(self.add("Add", hidden, context), f"{place}.norm1")
        inner = self.linear(self._activation(self.linear(hidden, f"{place}.linear1")), f"{place}.linear2")
        return self.norm(self.add("Add", hidden, inner), f"{place}.norm2")

    def _activation(self, states: str) -> str:
        if self._config.hidden_act == "relu":
            return self.add("Relu", states)
        inner = self.add("Erf", self.add("Mul", states, self.number(1 / math.sqrt(2))))
        half = self.add("Mul", states, self.number(0.5))
        return self.add("Mul", half, self.add("Add", inner, self.number(1.0)))

    # ---- Values and operations

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] | None = None, **attributes: Any) -> str:
        """Add an operation; return the name of its (first) output.

        Args:
            outputs: names of the outputs; None: one output with a new name.
        """
        from onnx import helper

        names = list(outputs or [f"{kind.lower()}_{len(self._nodes)}"])
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{len(self._nodes)}", **attributes))
        return names[0]

    def array(self, name: str) -> str:
        """Return the value of a parameter."""
        if name not in self._stored:
            self._store(name, np.ascontiguousarray(self._arrays[name], np.float32))
        return name

    def ints(self, numbers: Sequence[int]) -> str:
        """Return a constant vector of integers."""
        return self._constant("ints_" + "_".join(map(str, numbers)), np.array(numbers, np.int64))

    def scalar(self, number: int) -> str:
        """Return a constant integer."""
        return self._constant(f"int_{number}", np.array(number, np.int64))

    def number(self, number: float) -> str:
        """Return a constant float."""
        return self._constant(f"float_{number!r}", np.array(number, np.float32))

    def _constant(self, name: str, value: np.ndarray) -> str:
        if name not in self._stored:
            self._store(name, value)
        return name

    def _store(self, name: str, value: np.ndarray) -> None:
        from onnx import numpy_helper

        self._stored[name] = numpy_helper.from_array(value, name)

    def model(
        self,
        *,
        inputs: Mapping[str, Sequence[int | str]],
        outputs: Mapping[str, Sequence[int | str]],
        producer: str,
    ) -> bytes:
        """Return the file of the graph.

        Args:
            inputs: the shape of each int64 input; a name stands for any size.
            outputs: the shape of each float32 output.
            producer: the name and the version of this program.

        Raises:
            CheckpointError: the file would be larger than the format allows.
        """
        from onnx import TensorProto, checker, helper

        num_bytes = sum(len(tensor.raw_data) for tensor in self._stored.values())
        if num_bytes > MAX_BYTES:
            raise CheckpointError(
                f"an ONNX file must have less than {MAX_BYTES:,} bytes, but the weights have {num_bytes:,}."
            )
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            list(self._stored.values()),
        )
        name, _, version = producer.partition(" ")
        options = {"ir_version": IR_VERSION, "producer_name": name, "producer_version": version}
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], **options)
        checker.check_model(model)
        return model.SerializeToString(deterministic=True)
