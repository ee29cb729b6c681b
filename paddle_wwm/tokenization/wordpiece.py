"""WordPiece with character offsets, from tables.

It gives the same pieces as the `tokenizers` library, and is tens of times as fast on Chinese text.

In 使用pro。 each Chinese character and each punctuation mark is one piece, whatever its neighbours are. So a single
lookup in a table of code points is enough for a whole batch. The rest are runs, here "pro": the longest sequences of
characters that depend on each other. The library tokenizes new runs; most runs are in a cache (`piece_tables.py`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Callable, Sequence

import numpy as np

from .added_words import AddedWords
from .library import LibraryTokenizer, Pieces, blocks_of, offsets_of
from .piece_tables import RUN, CodePointTable, RunCache
from .vocab import Vocab

# The approximate number of characters per block of texts, so that its arrays stay in the processor's cache.
BLOCK_CHARACTERS = 1 << 16
IMPLEMENTATION = "paddle_wwm.WordPieceTokenizer, as tokenizers.BertWordPieceTokenizer"


@dataclass(frozen=True, kw_only=True)
class TokenizerOptions:
    """The options of a tokenizer that its ids depend on, apart from the vocabulary."""

    implementation: str = IMPLEMENTATION
    do_lower_case: bool


class WordPieceTokenizer:
    """The WordPiece tokenizer of BERT.

    It gives the ids and offsets of tokenizers.BertWordPieceTokenizer with encode_special_tokens=True, so "[MASK]" in a
    text is ordinary text. If the vocabulary has Chinese words, they are joined as tokenizers does with added
    tokens (see `added_words`).

    Args:
        vocab: The vocabulary.
        do_lower_case: Convert the text to lower case and strip accents.
    """

    def __init__(self, *, vocab: Vocab, do_lower_case: bool = True) -> None:
        self.vocab = vocab
        self.do_lower_case = do_lower_case
        self._added_words = AddedWords(vocab.tokens)
        library = LibraryTokenizer(vocab=vocab, do_lower_case=do_lower_case)
        self._code_points = CodePointTable(library)
        self._runs = RunCache(library)
        self._tables_lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[[], WordPieceTokenizer], tuple[()]]:
        # the tables are not pickled; another process fills its own
        return partial(WordPieceTokenizer, vocab=self.vocab, do_lower_case=self.do_lower_case), ()

    @property
    def options(self) -> TokenizerOptions:
        """The options that the ids depend on; stored in the manifest."""
        words = " with added Chinese words" if self._added_words else ""
        return TokenizerOptions(implementation=IMPLEMENTATION + words, do_lower_case=self.do_lower_case)

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Return the pieces of every text.

        Offsets are characters of the original text, whatever the normalizer removes or replaces.
        """
        offsets = offsets_of([len(text) for text in texts])
        blocks = blocks_of(offsets, max_size=BLOCK_CHARACTERS)
        with self._tables_lock:
            encoded = [self._encode_block(texts[first:last], offsets[first : last + 1]) for first, last in blocks]
        sizes = [np.zeros(0, np.int64), *(np.diff(block.text_offsets) for block in encoded)]
        pieces = Pieces(
            ids=np.concatenate([np.zeros(0, np.int32), *(block.ids for block in encoded)]),
            starts=np.concatenate([np.zeros(0, np.int64), *(block.starts for block in encoded)]),
            ends=np.concatenate([np.zeros(0, np.int64), *(block.ends for block in encoded)]),
            text_offsets=offsets_of(np.concatenate(sizes)),
        )
        return self._added_words.join(pieces, texts) if self._added_words and len(pieces) else pieces

    def encode_each(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Return the ids and the spans [start, end) of the pieces of each text, as lists.

        Spans count from the beginning of the text. This is for a few texts; for many, `encode` is faster.
        """
        pieces = self.encode(texts)
        firsts = offsets_of([len(text) for text in texts])
        result = []
        for first, start, end in zip(firsts.tolist(), pieces.text_offsets.tolist(), pieces.text_offsets[1:].tolist()):
            spans = zip((pieces.starts[start:end] - first).tolist(), (pieces.ends[start:end] - first).tolist())
            result.append((pieces.ids[start:end].tolist(), list(spans)))
        return result

    def _encode_block(self, texts: Sequence[str], offsets: np.ndarray) -> Pieces:
        """Return the pieces of the texts of one block.

        offsets: int64, shape (num_texts + 1,), the beginning of each text of the block, and the end of the last one,
        in all concatenated texts.
        """
        block, begins = "".join(texts), offsets - offsets[0]
        entries = self._code_points[np.frombuffer(block.encode("utf-32-le", "surrogatepass"), np.uint32)]
        run_starts, run_ends = _runs_of(entries == RUN, begins)
        runs = self._runs
        numbers = runs.numbers_of([block[start:end] for start, end in zip(run_starts.tolist(), run_ends.tolist())])
        run_sizes = runs.firsts[numbers + 1] - runs.firsts[numbers]

        num_pieces_here = (entries >= 0).astype(np.int64)
        num_pieces_here[run_starts] = run_sizes
        positions = np.repeat(np.arange(len(entries)), num_pieces_here)  # for the pieces of a run, its first character
        ids, starts, ends = entries[positions], positions + offsets[0], positions + (offsets[0] + 1)
        of_run = np.flatnonzero(ids == RUN)
        in_cache = np.repeat(runs.firsts[numbers] - offsets_of(run_sizes)[:-1], run_sizes) + np.arange(len(of_run))
        ids[of_run] = runs.ids[in_cache]
        ends[of_run] = starts[of_run] + runs.ends[in_cache]
        starts[of_run] += runs.starts[in_cache]
        return Pieces(ids=ids, starts=starts, ends=ends, text_offsets=np.searchsorted(positions, begins))


def _runs_of(in_run: np.ndarray, begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts and ends of the longest sequences of True within one text.

    Args:
        in_run: bool, shape (num_characters,).
        begins: int64, shape (num_texts + 1,), the beginning of each text, and the end of the last one.

    Returns:
        starts, ends: int64, shape (num_runs,).
    """
    # A run starts at p if p is in a run, and p - 1 is not or a text begins at p. It ends at p if p - 1 is in a run, and
    # p is not or a text begins at p.
    starts, ends = np.zeros(len(in_run) + 1, bool), np.zeros(len(in_run) + 1, bool)
    starts[:-1] = in_run
    ends[1:] = in_run
    inside = starts & ends
    inside[begins] = False
    return np.flatnonzero(starts & ~inside), np.flatnonzero(ends & ~inside)
