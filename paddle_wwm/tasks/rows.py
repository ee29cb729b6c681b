"""The input of a network: rows of ids with [CLS] and [SEP], and batches of rows of similar length. Without Paddle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Sequence

import numpy as np

from ..tokenization.vocab import Vocab
from .reading_comprehension import EncodedQuestion, Window, windows_of

MAX_BATCH_TOKENS = 8192  # including padding; limits the memory for texts of any length


@dataclass(frozen=True, kw_only=True)
class Row:
    """One input sequence: a text, a pair, or a window of a long text.

    Attributes:
        owner: the index of the example.
        input_ids, token_type_ids: the tokens, with [CLS] and [SEP].
        start: the index of a window's first piece in the text.
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
    """Padded rows.

    Attributes:
        indices: the indices of the rows.
        input_ids, token_type_ids: int64 (B, T), T is the length of the longest row.
        attention_mask: bool (B, T), False at padding.
    """

    indices: list[int]
    input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray


def rows_of_question(
    owner: int, encoded: EncodedQuestion, *, vocab: Vocab, limit: int, doc_stride: int, max_question_len: int
) -> list[WindowRow]:
    """Return the windows of a question as rows of at most `limit` tokens.

    Raises:
        ValueError: a number is too small.
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
    """Return a row of one or two texts, and whether it was cut to `limit` tokens.

    One text is cut at its end, a pair at the end of the longer text.
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
    """Return how many tokens of two texts are kept.

    Tokens are removed one by one from the longer text. If the lengths are equal, the second text loses one.
    """
    if first + second <= room:
        return first, second
    small = min(first, second)
    if 2 * small <= room:
        return (small, room - small) if first <= second else (room - small, small)
    return room - room // 2, room // 2


def overlapping_rows(owner: int, ids: list[int], *, vocab: Vocab, limit: int) -> list[Row]:
    """Return a text of any length as windows that overlap by half.

    So most pieces have context on both sides in one of the windows; see `join_windows`.
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
    """Return the logits of a text, (num_pieces, C), from those of its windows.

    The logits of a piece come from the window where the piece is farthest from an edge.

    Args:
        windows: for each window its start and its logits, (pieces of the window, C).
        num_pieces: the pieces of the text.
    """
    joined = np.zeros((num_pieces, windows[0][1].shape[-1]), np.float32)
    distances = np.full(num_pieces, -1)
    for start, logits in windows:
        place = np.arange(len(logits))
        distance = np.minimum(place, len(logits) - 1 - place)
        # the start and the end of the text do not count as edges
        distance = np.where((start == 0) & (place < len(logits) / 2), len(logits), distance)
        distance = np.where((start + len(logits) == num_pieces) & (place >= len(logits) / 2), len(logits), distance)
        better = distance > distances[start : start + len(logits)]
        chosen = start + np.flatnonzero(better)
        joined[chosen], distances[chosen] = logits[better], distance[better]
    return joined


def batch_of(rows: Sequence[Row], indices: Sequence[int], *, pad_id: int, length: int | None = None) -> Batch:
    """Return the rows with these indices, padded to `length` or to the longest."""
    shape = (len(indices), max(len(rows[index]) for index in indices) if length is None else length)
    ids, types, mask = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    for place, index in enumerate(indices):
        length = len(rows[index])
        ids[place, :length] = rows[index].input_ids
        types[place, :length] = rows[index].token_type_ids
        mask[place, :length] = True
    return Batch(indices=list(indices), input_ids=ids, token_type_ids=types, attention_mask=mask)


def cut_by_length(lengths: Sequence[int], *, batch_size: int, max_tokens: int) -> Iterator[list[int]]:
    """Yield groups of row indices, shortest rows first.

    A group has at most `batch_size` rows and `max_tokens` tokens, including padding. A longer row is a group alone.
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
    """Yield batches of at most `batch_size` rows and `max_tokens` tokens.

    A batch is padded only to its longest row.
    """
    for indices in cut_by_length([len(row) for row in rows], batch_size=batch_size, max_tokens=max_tokens):
        yield batch_of(rows, indices, pad_id=pad_id)
