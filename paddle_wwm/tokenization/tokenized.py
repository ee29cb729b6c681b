"""Tokenize documents: character offsets connect the segmenter with the WordPiece tokenizer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Iterator, Sequence

import numpy as np

from .library import Pieces
from .word_boundaries import align
from .wordpiece import WordPieceTokenizer

if TYPE_CHECKING:
    from ..corpus.documents import Document
    from ..corpus.segment import SegmentedSentence, Segmenter


@dataclass(frozen=True, kw_only=True)
class TokenizedDocument:
    """A document as WordPiece ids.

    input_ids: uint16 or uint32, shape (num_tokens,), without special tokens.
    word_starts: bool, shape (num_tokens,); True where a token starts a word. The first token of a sentence always does.
    sentence_offsets: int32, shape (num_sentences + 1,); sentence i is tokens [offsets[i], offsets[i + 1]).
    """

    input_ids: np.ndarray
    word_starts: np.ndarray
    sentence_offsets: np.ndarray

    def __post_init__(self) -> None:
        if self.input_ids.shape != self.word_starts.shape or self.input_ids.ndim != 1:
            raise ValueError(
                f"word_starts must have the shape of input_ids {self.input_ids.shape}, but has "
                f"{self.word_starts.shape}."
            )
        offsets = self.sentence_offsets
        if offsets[0] != 0 or offsets[-1] != len(self.input_ids) or np.any(np.diff(offsets) <= 0):
            raise ValueError("sentence_offsets must rise from 0 to num_tokens, without empty sentences.")
        if not self.word_starts[offsets[:-1]].all():
            raise ValueError("the first token of every sentence must start a word.")


def tokenize_sentence(
    sentence: SegmentedSentence, *, tokenizer: WordPieceTokenizer, report: Counter
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and word starts of one segmented sentence.

    To tokenize many sentences, use `tokenize_documents`, which is much faster.

    Args:
        sentence: A sentence and its words.
        tokenizer: The tokenizer.
        report: Counts of pieces that could not be aligned are added to it; see `align`.

    Returns:
        ids: int32, shape (num_pieces,).
        word_starts: bool, shape (num_pieces,).
        Both are empty if the tokenizer removes all characters.
    """
    boundaries = np.zeros(len(sentence.text), bool)
    boundaries[[start for start, _ in sentence.word_spans]] = True
    pieces = tokenizer.encode([sentence.text])
    return pieces.ids, align(pieces, boundaries=boundaries, report=report)


def tokenize_documents(
    documents: Sequence[Document], *, segmenter: Segmenter, tokenizer: WordPieceTokenizer, report: Counter
) -> list[TokenizedDocument]:
    """Tokenize several documents in one call.

    The segmenter and the tokenizer are faster on many sentences. Sentences and documents without pieces are left out
    and counted in `report`. The arrays of the documents are views of shared arrays.
    """
    texts = [text for document in documents for text in document.sentences]
    boundaries = segmenter.word_starts(texts)
    pieces = tokenizer.encode(texts)
    word_starts = align(pieces, boundaries=boundaries, report=report)
    dtype = np.uint16 if len(tokenizer.vocab) <= 1 << 16 else np.uint32
    result = list(
        _cut(
            pieces,
            ids=pieces.ids.astype(dtype),
            word_starts=word_starts,
            num_sentences=[len(one.sentences) for one in documents],
        )
    )
    report["sentences_without_tokens"] += int(np.count_nonzero(np.diff(pieces.text_offsets) == 0))
    report["documents_without_tokens"] += len(documents) - len(result)
    return result


def _cut(
    pieces: Pieces, *, ids: np.ndarray, word_starts: np.ndarray, num_sentences: Sequence[int]
) -> Iterator[TokenizedDocument]:
    """Yield the documents that have pieces. `num_sentences`: per document."""
    kept = np.diff(pieces.text_offsets) > 0
    # an empty sentence has the same end as the one before it, so dropping its end removes it
    ends = pieces.text_offsets[1:][kept]
    first_sentences = np.array([0, *accumulate(num_sentences)], np.int64)
    first_kept = np.concatenate([[0], np.cumsum(kept)])[first_sentences]
    first_pieces = pieces.text_offsets[first_sentences]
    # the offsets of each document begin with 0, so a 0 is inserted before its first end
    offsets = np.insert(ends - np.repeat(first_pieces[:-1], np.diff(first_kept)), first_kept[:-1], 0).astype(np.int32)
    bounds = zip(first_pieces.tolist(), first_pieces[1:].tolist(), first_kept.tolist(), first_kept[1:].tolist())
    for number, (first, last, first_sentence, last_sentence) in enumerate(bounds):
        if last > first:
            yield TokenizedDocument(
                input_ids=ids[first:last],
                word_starts=word_starts[first:last],
                sentence_offsets=offsets[first_sentence + number : last_sentence + number + 1],
            )
