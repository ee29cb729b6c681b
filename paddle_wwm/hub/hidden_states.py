"""No task: the encoder's states, of every token or as one vector a text."""

from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..errors import HubModuleError
from ..model.bert import BertModel
from ..model.networks import AllStates, EncoderNetwork, FirstStates
from ..tasks.network.rows import Batch, Row
from .inference import dygraph_program
from .inputs import RowEncoder, batches_by_length
from .task import Predictions, PredictOptions, Program, Task

POOLINGS = ("cls", "mean", "pooler")


class HiddenStates(Task):
    """Results: for each text or pair [pooled state (D,), hidden states of its tokens with [CLS] and [SEP] (T, D)], as
    PaddleHub orders them.

    The pooled state is None where the weights have no trained pooler.
    """

    name = None
    architecture = "BertModel"
    has_classifier = False

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return EncoderNetwork(config)

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        return encoder.rows_of_texts(data)

    def run(self, program: Program, batch: Batch, *, encoder: RowEncoder, options: PredictOptions) -> list[np.ndarray]:
        outputs = program(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        return [output[:length].copy() for output, length in zip(outputs, batch.attention_mask.sum(axis=1))]

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        if not outputs or not network.bert.has_pooler:
            return [[None, hidden] for hidden in outputs]
        pooled = network.bert.pooler(paddle.to_tensor(np.stack([hidden[0] for hidden in outputs]))).numpy()
        return [[vector, hidden] for vector, hidden in zip(pooled, outputs)]

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        return Predictions(results=outputs, probabilities=[])


def embed(
    bert: BertModel,
    data: Sequence[Any],
    *,
    pooling: str,
    encoder: RowEncoder,
    batch_size: int,
    max_tokens: int,
    make_program: Callable[[type[AllStates], list[Row]], Program],
) -> np.ndarray:
    """One vector a text: float32, shape (len(data), D)."""
    if pooling not in POOLINGS:
        raise HubModuleError(f"`pooling` must be one of {', '.join(POOLINGS)}, but is {pooling!r}.")
    if pooling == "pooler" and not bert.has_pooler:
        raise HubModuleError(
            "these weights have no trained pooler (they were trained without sentence pairs); use "
            "pooling='cls' or 'mean'."
        )
    rows = encoder.rows_of_texts(data)
    program = make_program(AllStates if pooling == "mean" else FirstStates, rows)
    vectors = np.zeros((len(rows), bert.config.hidden_size), np.float32)
    for batch in batches_by_length(rows, batch_size=batch_size, pad_id=encoder.vocab.pad_id, max_tokens=max_tokens):
        states = program(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        if pooling == "mean":
            states = _mean_of_pieces(states, batch, sep_id=encoder.vocab.sep_id)
        elif pooling == "pooler":
            states = dygraph_program(bert.pooler)(states)
        vectors[batch.indices] = states
    return vectors


def _mean_of_pieces(states_BTD: np.ndarray, batch: Batch, *, sep_id: int) -> np.ndarray:
    """Without [CLS] and [SEP]; of a text without pieces the state of [CLS]."""
    mask = batch.attention_mask & (batch.input_ids != sep_id)
    mask[:, 0] = ~mask[:, 1:].any(axis=1)
    return np.einsum("btd,bt->bd", states_BTD, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
