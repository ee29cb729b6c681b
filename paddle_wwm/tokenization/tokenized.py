"""Documents to tokenized documents: a segmenter and a WordPiece tokenizer, joined by character offsets."""

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
    word_starts: bool, shape (num_tokens,); True where a token begins a word. A sentence's first token always does.
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
            raise ValueError("sentence_offsets must rise from 0 to num_tokens.")
        if not self.word_starts[offsets[:-1]].all():
            raise ValueError("the first token of every sentence must start a word.")


def tokenize_sentence(
    sentence: SegmentedSentence, *, tokenizer: WordPieceTokenizer, report: Counter
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (int32) and word starts (bool) of one sentence whose words are known; both empty when the tokenizer leaves
    nothing of it.

    For a look at a sentence: many of them are tokenized at once, by `tokenize_documents`.
    """
    boundaries = np.zeros(len(sentence.text), bool)
    boundaries[[start for start, _ in sentence.word_spans]] = True
    pieces = tokenizer.encode([sentence.text])
    return pieces.ids, align(pieces, boundaries=boundaries, report=report)


def tokenize_documents(
    documents: Sequence[Document], *, segmenter: Segmenter, tokenizer: WordPieceTokenizer, report: Counter
) -> list[TokenizedDocument]:
    """Tokenize a group of documents at once: the segmenter and the tokenizer are fast on many sentences.

    Sentences and documents that the tokenizer leaves nothing of are left out and counted in `report`. The arrays of
    the documents are views of arrays that all of them share.
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
    """The documents, which have so many sentences each, without those that have no piece."""
    kept = np.diff(pieces.text_offsets) > 0
    # an empty sentence ends where the one before it does, so leaving its end out is all there is to do
    ends = pieces.text_offsets[1:][kept]
    first_sentences = np.array([0, *accumulate(num_sentences)], np.int64)
    first_kept = np.concatenate([[0], np.cumsum(kept)])[first_sentences]
    first_pieces = pieces.text_offsets[first_sentences]
    # every document's offsets begin with a 0, which is put in front of its ends
    offsets = np.insert(ends - np.repeat(first_pieces[:-1], np.diff(first_kept)), first_kept[:-1], 0).astype(np.int32)
    bounds = zip(first_pieces.tolist(), first_pieces[1:].tolist(), first_kept.tolist(), first_kept[1:].tolist())
    for number, (first, last, first_sentence, last_sentence) in enumerate(bounds):
        if last > first:
            yield TokenizedDocument(
                input_ids=ids[first:last],
                word_starts=word_starts[first:last],
                sentence_offsets=offsets[first_sentence + number : last_sentence + number + 1],
            )
