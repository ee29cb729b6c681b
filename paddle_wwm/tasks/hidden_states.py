"""The task None: the encoder's hidden states, and one vector per text."""

from __future__ import annotations

from typing import Any, Callable, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..errors import HubModuleError
from ..model.bert import BertModel
from ..model.networks import AllStates, EncoderNetwork, FirstStates
from ..model_config import ModelConfig
from ..tokenization.vocab import Vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example
from .programs import dygraph_program, max_batch_tokens
from .results import Result, StatesResult
from .rows import Batch, Row, batches_by_length
from .task import Features, Program, Reading, ResultOptions, Task
from .text_classification import encode_texts

POOLINGS = ("cls", "mean", "pooler")


class HiddenStates(Task):
    """The pooled state and the hidden states of a text or a pair.

    The hidden states include [CLS] and [SEP]. The pooled state of weights without a trained pooler: None.
    """

    name = None
    architecture = "BertModel"
    has_classifier = needs_labels = False

    @property
    def reads_pooler(self) -> bool:
        return True

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        assert not with_labels
        rows, num_cut = encode_texts(examples, tokenizer=tokenizer, max_seq_length=reading.max_seq_length)
        return Features(rows=rows, counts={"texts_cut": num_cut})

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return EncoderNetwork(config)

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        return output[:length].copy()

    def combine(self, network: nn.Layer, outputs: list[Any]) -> list[Any]:
        """Return (pooled state, hidden states) for each row."""
        if not outputs or not network.bert.has_pooler:
            return [(None, hidden) for hidden in outputs]
        pooled = network.bert.pooler(paddle.to_tensor(np.stack([hidden[0] for hidden in outputs]))).numpy()
        return list(zip(pooled, outputs))

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        return [StatesResult(pooled=pooled, hidden=hidden) for pooled, hidden in outputs]


def embed(
    bert: BertModel,
    rows: Sequence[Row],
    *,
    pooling: str,
    vocab: Vocab,
    batch_size: int,
    on_gpu: bool,
    make_program: Callable[[type[AllStates], Sequence[Row]], Program],
) -> np.ndarray:
    """Compute the vectors of rows: float32, shape (len(rows), D)."""
    program = make_program(AllStates if pooling == "mean" else FirstStates, rows)
    vectors = np.zeros((len(rows), bert.config.hidden_size), np.float32)
    max_tokens = max_batch_tokens(on_gpu=on_gpu)
    for batch in batches_by_length(rows, batch_size=batch_size, pad_id=vocab.pad_id, max_tokens=max_tokens):
        states = program(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        if pooling == "mean":
            states = _mean_of_pieces(states, batch, sep_id=vocab.sep_id)
        elif pooling == "pooler":
            states = dygraph_program(bert.pooler)(states)
        vectors[batch.indices] = states
    return vectors


def check_pooling(pooling: str, *, bert: BertModel) -> None:
    """Raise HubModuleError if the pooling is unknown, or the pooler is not trained."""
    if pooling not in POOLINGS:
        raise HubModuleError(f"`pooling` must be one of {', '.join(POOLINGS)}, but is {pooling!r}.")
    if pooling == "pooler" and not bert.has_pooler:
        raise HubModuleError(
            "these weights have no trained pooler (they were trained without sentence pairs); use "
            "pooling='cls' or 'mean'."
        )


def _mean_of_pieces(states_BTD: np.ndarray, batch: Batch, *, sep_id: int) -> np.ndarray:
    """Return the mean state of each text's pieces, without [CLS] and [SEP].

    A text without pieces gets the state of [CLS].
    """
    mask = batch.attention_mask & (batch.input_ids != sep_id)
    mask[:, 0] = ~mask[:, 1:].any(axis=1)
    return np.einsum("btd,bt->bd", states_BTD, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
