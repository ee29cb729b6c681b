"""From the caller's data to what a network reads: checked texts, rows of ids, batches of rows of like length."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from ..errors import HubModuleError
from ..tokenization.wordpiece import WordPieceTokenizer

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
class Batch:
    """Rows side by side. indices: which rows; input_ids, token_type_ids: int64, attention_mask: bool, shape (rows, longest of them)."""

    indices: list[int]
    input_ids: np.ndarray
    token_type_ids: np.ndarray
    attention_mask: np.ndarray


def texts_of(data: Sequence[Any], *, num_texts: tuple[int, ...] = (1,), wanted: str = "a text") -> list[tuple[str, ...]]:
    """The caller's data as tuples of texts, checked: every item a text, or a list of as many texts as `num_texts` allows.

    Raises HubModuleError naming the item. The caller's lists are left as they are.
    """
    if isinstance(data, (str, bytes, Mapping)) or not hasattr(data, "__iter__"):
        raise HubModuleError(f"`data` must be a list of texts, but is {_kind(data)}; write [text].")
    items = []
    for index, item in enumerate(data):
        texts = tuple(item) if isinstance(item, (list, tuple)) else (item,)
        for text in texts:
            if not isinstance(text, str):
                raise HubModuleError(f"data[{index}] must be {wanted}, but {'is' if texts == (item,) else 'holds'} {type(text).__name__}.")
            if not _is_unicode(text):
                raise HubModuleError(f"data[{index}] holds half of a surrogate pair, which is no character; decode the text anew.")
        if len(texts) not in num_texts:
            allowed = " or ".join(map(str, num_texts))
            raise HubModuleError(f"data[{index}] must be {wanted}, so {allowed} text(s), but holds {len(texts)}.")
        items.append(texts)
    return items


def _kind(value: Any) -> str:
    return "one text" if isinstance(value, str) else type(value).__name__


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class RowEncoder:
    """Texts to rows with [CLS] and [SEP], at most `max_seq_len` tokens each (None: as many as the model has positions).

    What is cut off is counted, and told by a warning in `warn_of_cuts`.
    """

    def __init__(self, *, tokenizer: WordPieceTokenizer, max_positions: int, max_seq_len: int | None) -> None:
        self.limit = max_positions if max_seq_len is None else max_seq_len
        if not isinstance(self.limit, int) or not 3 <= self.limit <= max_positions:
            raise HubModuleError(f"`max_seq_len` must be between 3 and the model's {max_positions} positions, but is {self.limit!r}.")
        self.tokenizer = tokenizer
        self.vocab = tokenizer.vocab
        self._num_cut = 0

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of every text, uncut, without special tokens."""
        return [ids for ids, _ in self.tokenizer.encode_each(texts)]

    def row(self, owner: int, ids: list[int], second: list[int] | None = None) -> Row:
        """A row of one text, or of two in one sequence; of what is too long the end is cut off, of two texts that of the longer one."""
        if second is None:
            room = self.limit - 2
            self._num_cut += len(ids) > room
            inputs = [self.vocab.cls_id, *ids[:room], self.vocab.sep_id]
            return Row(owner=owner, input_ids=inputs, token_type_ids=[0] * len(inputs))
        room = self.limit - 3
        self._num_cut += len(ids) + len(second) > room
        first_length, second_length = _shares(len(ids), len(second), room)
        first = [self.vocab.cls_id, *ids[:first_length], self.vocab.sep_id]
        last = [*second[:second_length], self.vocab.sep_id]
        return Row(owner=owner, input_ids=first + last, token_type_ids=[0] * len(first) + [1] * len(last))

    def rows_of_texts(self, data: Sequence[Any]) -> list[Row]:
        """A row for every text, or pair of texts, of the caller's data."""
        items = texts_of(data, num_texts=(1, 2), wanted="a text, or a list of one or two texts")
        pieces = iter(self.pieces([text for texts in items for text in texts]))
        return [self.row(owner, *(next(pieces) for _ in texts)) for owner, texts in enumerate(items)]

    def warn_of_cuts(self) -> None:
        """One warning for all texts that were too long."""
        if self._num_cut:
            warnings.warn(f"{self._num_cut} text(s) had more than {self.limit} tokens and were cut at their end.", stacklevel=4)
            self._num_cut = 0


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How much of two texts is kept, when the longer one (of equal ones the second) gives away token by token."""
    if first + second <= room:
        return first, second
    small = min(first, second)
    if 2 * small <= room:
        return (small, room - small) if first <= second else (room - small, small)
    return room - room // 2, room // 2


def batches_by_length(rows: Sequence[Row], *, batch_size: int, pad_id: int, max_tokens: int = MAX_BATCH_TOKENS) -> Iterator[Batch]:
    """Batches of at most `batch_size` rows and `max_tokens` tokens; nothing is padded beyond the longest row of its batch."""
    if not isinstance(batch_size, int) or batch_size < 1:
        raise HubModuleError(f"`batch_size` must be at least 1, but is {batch_size!r}.")
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and end - start < batch_size and (end + 1 - start) * len(rows[order[end]]) <= max_tokens:
            end += 1
        chosen = order[start:end]
        shape = (len(chosen), len(rows[chosen[-1]]))
        ids, types, mask = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
        for place, index in enumerate(chosen):
            length = len(rows[index])
            ids[place, :length] = rows[index].input_ids
            types[place, :length] = rows[index].token_type_ids
            mask[place, :length] = True
        yield Batch(indices=chosen, input_ids=ids, token_type_ids=types, attention_mask=mask)
        start = end
