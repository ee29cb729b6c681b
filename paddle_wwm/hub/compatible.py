"""`compatible=True`: results in the forms of PaddleHub 2.4's own modules, for programs that were written for them.

    token-cls        [label of [CLS], the labels, label of [SEP]]: its users write results[i][1:len(text) + 1]
    no task          [pooled, sequence] as lists, the sequence padded to max_seq_len: pooled, sequence = results[i]
    get_embedding    the same, for any task

All other results have PaddleHub's form anyway. Unlike PaddleHub, there are no labels for padding, no label is lost in a
long text, and the caller's data are not changed.
"""

from __future__ import annotations

from typing import Any, Sequence

from ..errors import HubModuleError
from ..model.bert import BertModel
from ..tasks.programs import dygraph_program
from ..tasks.results import Result, TextLabels, TokenLabelsResult
from ..tasks.rows import MAX_BATCH_TOKENS, Row, batch_of, cut_by_length
from ..tasks.task import Program
from ..tokenization.vocab import Vocab

MAX_SEQ_LEN = 128  # the default of PaddleHub's modules


def labels_with_ends(result: Result) -> TextLabels:
    """Return the labels of [CLS], of the tokens, and of [SEP]."""
    assert isinstance(result, TokenLabelsResult)
    (first, last), shown, end = result.labels_of_ends, result.shown, len(result.tokens.text)
    return TextLabels(
        [first, *shown, last],
        offsets=[(0, 0), *shown.offsets, (end, end)],
        pieces=shown.pieces,
        piece_offsets=shown.piece_offsets,
        entities=shown.entities,
    )


def without_ends(labels: TextLabels) -> TextLabels:
    """Return the labels of the tokens only."""
    return TextLabels(
        labels[1:-1],
        offsets=labels.offsets[1:-1],
        pieces=labels.pieces,
        piece_offsets=labels.piece_offsets,
        entities=labels.entities,
    )


def probabilities_with_ends(result: Result) -> list[Any]:
    """Return the probabilities of the classes for [CLS], the tokens, and [SEP]."""
    assert isinstance(result, TokenLabelsResult)
    first, last = result.probabilities_of_ends.tolist()
    return [first, *result.shown_probabilities, last]


def check_no_pooling(pooling: str) -> None:
    """Raise HubModuleError if a pooling is asked for."""
    if pooling != "cls":
        raise HubModuleError(
            f"`pooling` must not be given to a module with compatible=True, but is {pooling!r}: its get_embedding "
            f"returns [pooled, sequence]. For one vector per text, load the module without compatible=True."
        )


def pooled_and_sequence(
    bert: BertModel, rows: Sequence[Row], *, program: Program, vocab: Vocab, length: int, batch_size: int
) -> list[list[Any]]:
    """Return [pooled, sequence] for every row, as lists of numbers.

    pooled: D numbers; None without a trained pooler. sequence: `length` x D numbers, with [CLS], [SEP] and padding, as
    in PaddleHub.

    Args:
        bert: has the pooler.
        rows: the texts, of at most `length` tokens.
        program: computes the hidden states of a batch.
        vocab: the model's vocabulary.
        length: the length that rows are padded to.
        batch_size: the maximum rows of a batch.
    """
    found: list[list[Any]] = []
    for indices in cut_by_length([length] * len(rows), batch_size=batch_size, max_tokens=MAX_BATCH_TOKENS):
        batch = batch_of(rows, indices, pad_id=vocab.pad_id, length=length)
        hidden = program(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        pooled = dygraph_program(bert.pooler)(hidden[:, 0]).tolist() if bert.has_pooler else [None] * len(indices)
        found += [list(pair) for pair in zip(pooled, hidden.tolist())]
    return found
