"""From the caller's data to what a network reads: the checks, and the warnings; the rest is in `tasks.rows`."""

from __future__ import annotations

import warnings
from typing import Any, Iterator, Mapping, Sequence

from ..errors import HubModuleError
from ..tasks.network import rows as tasks_rows
from ..tasks.network.rows import MAX_BATCH_TOKENS, Batch, Row, row_of_texts
from ..tokenization.wordpiece import WordPieceTokenizer


def texts_of(
    data: Sequence[Any], *, num_texts: tuple[int, ...] = (1,), wanted: str = "a text"
) -> list[tuple[str, ...]]:
    """The caller's data as tuples of texts, checked: every item a text, or a list of as many texts as `num_texts`
    allows.

    Raises HubModuleError naming the item. The caller's lists are left as they are.
    """
    if isinstance(data, (str, bytes, Mapping)) or not hasattr(data, "__iter__"):
        raise HubModuleError(f"`data` must be a list of texts, but is {_kind(data)}; write [text].")
    items = []
    for index, item in enumerate(data):
        texts = tuple(item) if isinstance(item, (list, tuple)) else (item,)
        for text in texts:
            if not isinstance(text, str):
                raise HubModuleError(
                    f"data[{index}] must be {wanted}, but {'is' if texts == (item,) else 'holds'} "
                    f"{type(text).__name__}."
                )
            if not _is_unicode(text):
                raise HubModuleError(
                    f"data[{index}] holds half of a surrogate pair, which is no character; decode the text anew."
                )
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
            raise HubModuleError(
                f"`max_seq_len` must be between 3 and the model's {max_positions} positions, but is {self.limit!r}."
            )
        self.tokenizer = tokenizer
        self.vocab = tokenizer.vocab
        self._num_cut = 0

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of every text, uncut, without special tokens."""
        return [ids for ids, _ in self.tokenizer.encode_each(texts)]

    def row(self, owner: int, ids: list[int], second: list[int] | None = None) -> Row:
        """A row of one text, or of two in one sequence; of what is too long the end is cut off, of two texts that of
        the longer one.
        """
        row, is_cut = row_of_texts(owner, ids, second, vocab=self.vocab, limit=self.limit)
        self._num_cut += is_cut
        return row

    def rows_of_texts(self, data: Sequence[Any]) -> list[Row]:
        """A row for every text, or pair of texts, of the caller's data."""
        items = texts_of(data, num_texts=(1, 2), wanted="a text, or a list of one or two texts")
        pieces = iter(self.pieces([text for texts in items for text in texts]))
        return [self.row(owner, *(next(pieces) for _ in texts)) for owner, texts in enumerate(items)]

    def warn_of_cuts(self) -> None:
        """One warning for all texts that were too long."""
        if self._num_cut:
            warnings.warn(
                f"{self._num_cut} text(s) had more than {self.limit} tokens and were cut at their end.", stacklevel=4
            )
            self._num_cut = 0


def batches_by_length(
    rows: Sequence[Row], *, batch_size: int, pad_id: int, max_tokens: int = MAX_BATCH_TOKENS
) -> Iterator[Batch]:
    """`tasks.rows.batches_by_length`, for a `batch_size` of the caller's."""
    if not isinstance(batch_size, int) or batch_size < 1:
        raise HubModuleError(f"`batch_size` must be at least 1, but is {batch_size!r}.")
    return tasks_rows.batches_by_length(rows, batch_size=batch_size, pad_id=pad_id, max_tokens=max_tokens)
