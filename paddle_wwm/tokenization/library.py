"""WordPiece with the `tokenizers` library, one call per batch: slow, but it defines the ids and offsets.

`wordpiece.py` gives the same pieces from tables that it fills with this module. Tests and benchmarks compare the two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Iterator, Sequence

import numpy as np

from ..optional import need_package
from .vocab import CLS, MASK, PAD, SEP, UNK, Vocab

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"  # BERT's clean_text removes it


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The WordPieces of some texts, without special tokens, in flat arrays.

    ids: int32, shape (num_pieces,).
    starts, ends: int64, shape (num_pieces,). A piece stands for the characters [start, end) of the concatenated texts.
    There are gaps where the normalizer removes characters. The pieces of one character (for example, the letters of a
    Hangul syllable) share its span.
    text_offsets: int64, shape (num_texts + 1,). Text i has the pieces [text_offsets[i], text_offsets[i + 1]).
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    text_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def ids_of_text(self, index: int) -> np.ndarray:
        """Return the ids of the pieces of one text. int32, shape (num_pieces,)."""
        return self.ids[self.text_offsets[index] : self.text_offsets[index + 1]]


def offsets_of(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return 0 and the cumulative sums of the sizes. int64, shape (len(sizes) + 1,).

    These are the places where concatenated items of these sizes begin, and where the last one ends.
    """
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def blocks_of(offsets: np.ndarray, *, max_size: int) -> Iterator[tuple[int, int]]:
    """Yield blocks [first, last) of consecutive items, each of limited size.

    An item that is larger than `max_size` is a block by itself.

    Args:
        offsets: int64, shape (num_items + 1,); see `offsets_of`.
        max_size: The largest size of a block.
    """
    first = 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + max_size, side="right")) - 1)
        yield first, last
        first = last


class LibraryTokenizer:
    """BertWordPieceTokenizer with flat arrays as output.

    A literal "[MASK]" in a text is ordinary text. The library does not accept lone surrogates, so they
    are replaced by U+FFFD, which BERT removes.
    """

    def __init__(self, *, vocab: Vocab, do_lower_case: bool) -> None:
        need_package("tokenizers", purpose="the WordPiece tokenizer")
        from tokenizers import BertWordPieceTokenizer

        self._tokenizer = BertWordPieceTokenizer(
            vocab=dict(vocab.ids),
            unk_token=UNK,
            sep_token=SEP,
            cls_token=CLS,
            pad_token=PAD,
            mask_token=MASK,
            lowercase=do_lower_case,
        )
        self._tokenizer._tokenizer.encode_special_tokens = True

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Return the pieces of every text."""
        return _flat(
            self._tokenizer.encode_batch(
                [LONE_SURROGATE.sub(REPLACEMENT, text) for text in texts], add_special_tokens=False
            ),
            texts,
        )

    def encode_one(self, text: str) -> Pieces:
        """Return the pieces of one text, without the threads of the library.

        The cost per piece is low, so use it for many short strings joined into one text.
        """
        return _flat([self._tokenizer.encode(LONE_SURROGATE.sub(REPLACEMENT, text), add_special_tokens=False)], [text])

    def words_of(self, text: str) -> Pieces:
        """Return the words that WordPiece would cut into pieces; all ids are 0."""
        return _flat([self._words.encode(LONE_SURROGATE.sub(REPLACEMENT, text), add_special_tokens=False)], [text])

    @cached_property
    def _words(self) -> Any:
        # the vocabulary contains [UNK] only, so every word is one piece
        from tokenizers import Tokenizer, models

        words = Tokenizer(models.WordPiece({UNK: 0}, unk_token=UNK))
        words.normalizer, words.pre_tokenizer = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        return words


def _flat(encodings: Sequence[Any], texts: Sequence[str]) -> Pieces:
    text_offsets = offsets_of([len(encoding) for encoding in encodings])
    num_pieces = int(text_offsets[-1])
    ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int32, num_pieces)
    spans = np.fromiter(
        chain.from_iterable(chain.from_iterable(encoding.offsets for encoding in encodings)), np.int64, 2 * num_pieces
    )
    spans = (
        spans.reshape(-1, 2) + np.repeat(offsets_of([len(text) for text in texts])[:-1], np.diff(text_offsets))[:, None]
    )
    return Pieces(ids=ids, starts=spans[:, 0].copy(), ends=spans[:, 1].copy(), text_offsets=text_offsets)
