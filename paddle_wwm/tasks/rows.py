"""What a network reads: rows of ids with [CLS] and [SEP], and batches of rows of like length. Without Paddle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Sequence

import numpy as np

from ..tokenization.vocab import Vocab
from .reading_comprehension import EncodedQuestion, Window, windows_of

MAX_BATCH_TOKENS = 8192  # padding counted; keeps memory flat, whatever the lengths


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the network reads as one sequence: a text, a pair, or a window of a long text.

    owner: the index in the caller's data. start: where a window begins among the text's pieces.
    """

    owner: int
    input_ids: list[int]
    token_type_ids: list[int]
    start: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True, kw_only=True)
class WindowRow(Row):
    """A row that is a window of a passage."""

    window: Window
    encoded: EncodedQuestion


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows side by side. indices: which rows; input_ids, token_type_ids: int64, attention_mask: bool, shape (rows,
    longest of them).
    """

    indices: list[int]
    input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray


def rows_of_question(
    owner: int, encoded: EncodedQuestion, *, vocab: Vocab, limit: int, doc_stride: int, max_question_len: int
) -> list[WindowRow]:
    """The windows of a question and its passage, of at most `limit` tokens each. Raises ValueError for numbers that
    leave no room.
    """
    windows = windows_of(
        encoded, vocab=vocab, max_seq_len=limit, doc_stride=doc_stride, max_question_len=max_question_len
    )
    return [
        WindowRow(
            owner=owner,
            input_ids=window.input_ids,
            token_type_ids=window.token_type_ids,
            window=window,
            encoded=encoded,
        )
        for window in windows
    ]


def row_of_texts(
    owner: int, ids: list[int], second: list[int] | None = None, *, vocab: Vocab, limit: int
) -> tuple[Row, bool]:
    """A row of one text, or of two in one sequence, and whether it was cut to `limit` tokens: of one text its end, of
    two that of the longer one.
    """
    if second is None:
        room = limit - 2
        inputs = [vocab.cls_id, *ids[:room], vocab.sep_id]
        return Row(owner=owner, input_ids=inputs, token_type_ids=[0] * len(inputs)), len(ids) > room
    room = limit - 3
    first_length, second_length = _shares(len(ids), len(second), room)
    first = [vocab.cls_id, *ids[:first_length], vocab.sep_id]
    last = [*second[:second_length], vocab.sep_id]
    row = Row(owner=owner, input_ids=first + last, token_type_ids=[0] * len(first) + [1] * len(last))
    return row, len(ids) + len(second) > room


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of two texts is kept, when the longer one (of equal ones the second) gives away token by token."""
    if first + second <= room:
        return first, second
    small = min(first, second)
    if 2 * small <= room:
        return (small, room - small) if first <= second else (room - small, small)
    return room - room // 2, room // 2


def overlapping_rows(owner: int, ids: list[int], *, vocab: Vocab, limit: int) -> list[Row]:
    """A text of any length in windows that overlap by half, so that most pieces are read with what surrounds them; see
    `join_windows`.
    """
    room = limit - 2
    last = max(0, len(ids) - room)
    return [
        Row(
            owner=owner,
            input_ids=[vocab.cls_id, *ids[start : start + room], vocab.sep_id],
            token_type_ids=[0] * (len(ids[start : start + room]) + 2),
            start=start,
        )
        for start in [*range(0, last, max(1, room // 2)), last]
    ]


def join_windows(windows: Sequence[tuple[int, np.ndarray]], *, num_pieces: int) -> np.ndarray:
    """The logits of a text, (pieces, C), from those of its windows, (start, (pieces there, C)): every piece's from the
    window in which it stands farthest from an edge.
    """
    joined = np.zeros((num_pieces, windows[0][1].shape[-1]), np.float32)
    distances = np.full(num_pieces, -1)
    for start, logits in windows:
        place = np.arange(len(logits))
        distance = np.minimum(place, len(logits) - 1 - place)
        # the ends of the text are no edges
        distance = np.where((start == 0) & (place < len(logits) / 2), len(logits), distance)
        distance = np.where((start + len(logits) == num_pieces) & (place >= len(logits) / 2), len(logits), distance)
        better = distance > distances[start : start + len(logits)]
        chosen = start + np.flatnonzero(better)
        joined[chosen], distances[chosen] = logits[better], distance[better]
    return joined


def batch_of(rows: Sequence[Row], indices: Sequence[int], *, pad_id: int) -> Batch:
    """Those rows, padded to the longest of them."""
    shape = (len(indices), max(len(rows[index]) for index in indices))
    ids, types, mask = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    for place, index in enumerate(indices):
        length = len(rows[index])
        ids[place, :length] = rows[index].input_ids
        types[place, :length] = rows[index].token_type_ids
        mask[place, :length] = True
    return Batch(indices=list(indices), input_ids=ids, token_type_ids=types, attention_mask=mask)


def cut_by_length(lengths: Sequence[int], *, batch_size: int, max_tokens: int) -> Iterator[list[int]]:
    """Numbers of rows of these lengths, shortest first, in groups of at most `batch_size` rows and `max_tokens` tokens
    with their padding; a longer row is a group by itself.
    """
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and end - start < batch_size and (end + 1 - start) * lengths[order[end]] <= max_tokens:
            end += 1
        yield order[start:end]
        start = end


def batches_by_length(
    rows: Sequence[Row], *, batch_size: int, pad_id: int, max_tokens: int = MAX_BATCH_TOKENS
) -> Iterator[Batch]:
    """Batches of at most `batch_size` rows and `max_tokens` tokens; nothing is padded beyond the longest row of its
    batch.
    """
    for indices in cut_by_length([len(row) for row in rows], batch_size=batch_size, max_tokens=max_tokens):
        yield batch_of(rows, indices, pad_id=pad_id)
