"""One vector per text, from the encoder's states."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from ..errors import HubModuleError
from ..model.bert import BertModel
from ..model.networks import AllStates, FirstStates
from ..tasks.programs import dygraph_program, max_batch_tokens
from ..tasks.rows import Batch, Row, batches_by_length
from ..tasks.task import Program
from ..tokenization.vocab import Vocab

POOLINGS = ("cls", "mean", "pooler")


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
    """Raise HubModuleError for an unknown pooling, or for a pooler that was not trained."""
    if pooling not in POOLINGS:
        raise HubModuleError(f"`pooling` must be one of {', '.join(POOLINGS)}, but is {pooling!r}.")
    if pooling == "pooler" and not bert.has_pooler:
        raise HubModuleError(
            "these weights have no trained pooler (they were trained without sentence pairs); use "
            "pooling='cls' or 'mean'."
        )


def _mean_of_pieces(states_BTD: np.ndarray, batch: Batch, *, sep_id: int) -> np.ndarray:
    """Average without [CLS] and [SEP]; a text without pieces has the state of [CLS]."""
    mask = batch.attention_mask & (batch.input_ids != sep_id)
    mask[:, 0] = ~mask[:, 1:].any(axis=1)
    return np.einsum("btd,bt->bd", states_BTD, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
