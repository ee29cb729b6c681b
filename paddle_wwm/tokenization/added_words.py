"""Find the Chinese words of a vocabulary in text.

WordPiece cuts Chinese text into single characters, so an entry such as 北京 would never be found. A vocabulary that was
grown by such words has them after the cut: neighbouring characters that spell a word become one piece. From the left,
the longest word is taken, as tokenizers does with added tokens. The published vocabularies have no such entries.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import Any, Iterable, Sequence

import numpy as np

from ..optional import need_package
from .library import Pieces, offsets_of

MAX_WORD_LENGTH = 100  # WordPiece makes longer words [UNK]

# The blocks of Chinese characters that BERT separates; source: google-research/bert tokenization.py
_CHINESE = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)


def is_chinese_word(token: str) -> bool:
    """Return True for several Chinese characters that no normalization changes."""
    return len(token) > 1 and all(
        any(first <= ord(character) <= last for first, last in _CHINESE)
        and unicodedata.normalize("NFD", character) == character
        for character in token
    )


class EntryMaker:
    """Turns words into entries of a vocabulary.

    Args:
        do_lower_case: whether the model is uncased; its entries are in lower case, without accents.
    """

    def __init__(self, *, do_lower_case: bool) -> None:
        need_package("tokenizers", purpose="adding words to a vocabulary")
        from tokenizers import normalizers, pre_tokenizers

        self._normalizer: Any = normalizers.BertNormalizer(lowercase=do_lower_case)
        self._splitter: Any = pre_tokenizers.BertPreTokenizer()

    def entry_of(self, word: str) -> str | None:
        """Return the entry for a word; None if text is always split inside of it."""
        if is_chinese_word(word):
            return word
        parts = self._splitter.pre_tokenize_str(self._normalizer.normalize_str(word))
        if len(parts) != 1 or len(parts[0][0]) > MAX_WORD_LENGTH or any(map(str.isspace, word)):
            return None
        return str(parts[0][0])


class AddedWords:
    """The Chinese words of a vocabulary, and how they are joined.

    Args:
        tokens: the entries of the vocabulary, in the order of their ids.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._ids = {token: index for index, token in enumerate(tokens) if is_chinese_word(token)}
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for word in self._ids:
            lengths[word[0]].add(len(word))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}
        self._firsts = np.array(sorted(map(ord, self._lengths)), np.uint32)
        self._seconds = np.array(sorted({ord(word[1]) for word in self._ids}), np.uint32)

    def __bool__(self) -> bool:
        return bool(self._ids)

    def join(self, pieces: Pieces, texts: Sequence[str]) -> Pieces:
        """Return the pieces with one piece for every word of the vocabulary.

        Args:
            pieces: the pieces of the texts; every Chinese character is one piece.
        """
        block = "".join(texts)
        found = self._places(block, ends=offsets_of([len(text) for text in texts])[1:])
        if not found:
            return pieces
        places, words = np.array([place for place, _ in found]), [word for _, word in found]
        sizes = np.array([len(word) for word in words])
        first = np.searchsorted(pieces.starts, places)
        ids, ends = pieces.ids.copy(), pieces.ends.copy()
        ids[first] = [self._ids[word] for word in words]
        ends[first] = places + sizes
        rest = np.repeat(first - (np.cumsum(sizes - 1) - (sizes - 1)) + 1, sizes - 1) + np.arange((sizes - 1).sum())
        is_kept = np.ones(len(ids), bool)
        is_kept[rest] = False
        return Pieces(
            ids=ids[is_kept],
            starts=pieces.starts[is_kept],
            ends=ends[is_kept],
            text_offsets=offsets_of(is_kept)[pieces.text_offsets],
        )

    def _places(self, block: str, *, ends: np.ndarray) -> list[tuple[int, str]]:
        """Return the first character and the word of every place, from left to right."""
        codes = np.frombuffer(block.encode("utf-32-le", "surrogatepass"), np.uint32)
        may_begin = np.isin(codes[:-1], self._firsts) & np.isin(codes[1:], self._seconds)
        found, free_from = [], 0
        candidates = np.flatnonzero(may_begin)
        limits = ends[np.searchsorted(ends, candidates, side="right")] if len(candidates) else candidates
        for place, limit in zip(candidates.tolist(), limits.tolist()):
            if place < free_from:
                continue
            for length in self._lengths[block[place]]:
                word = block[place : place + length]
                if place + length <= limit and word in self._ids:
                    found.append((place, word))
                    free_from = place + length
                    break
        return found
