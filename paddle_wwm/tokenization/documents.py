"""Documents to tokenized documents: a segmenter and a WordPiece tokenizer, joined by character offsets."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import Sequence

import numpy as np

from ..corpus.segment import Segmenter
from ..types import Document, SegmentedSentence, TokenizedDocument
from .word_boundaries import num_pieces_across_words, word_starts
from .wordpiece import WordPieceTokenizer


def tokenize_sentence(
    sentence: SegmentedSentence, *, ids: Sequence[int], piece_spans: Sequence[tuple[int, int]], report: Counter
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (int64) and word starts (bool) of one sentence; both empty when the tokenizer leaves nothing of it.

    Pieces whose offsets do not rise cannot be aligned with words: then every piece is a word by itself, and the sentence is counted.
    """
    if any(after[0] < before[0] for before, after in zip(piece_spans, piece_spans[1:])):
        report["sentences_aligned_by_piece"] += 1
        return np.asarray(ids, np.int64), np.ones(len(ids), bool)
    report["pieces_across_words"] += num_pieces_across_words(piece_spans=piece_spans, word_spans=sentence.word_spans)
    return np.asarray(ids, np.int64), word_starts(piece_spans=piece_spans, word_spans=sentence.word_spans)


def tokenize_documents(
    documents: Sequence[Document], *, segmenter: Segmenter, tokenizer: WordPieceTokenizer, report: Counter
) -> list[TokenizedDocument]:
    """Tokenize a group of documents at once (the segmenter and the tokenizer are fast on many sentences).

    Sentences and documents that the tokenizer leaves nothing of are left out and counted in `report`.
    """
    texts = [text for document in documents for text in document.sentences]
    segmented = segmenter.segment(texts)
    encoded = tokenizer.encode(texts)
    dtype = np.uint16 if len(tokenizer.vocab) <= 1 << 16 else np.uint32
    result: list[TokenizedDocument] = []
    first = 0
    for document in documents:
        last = first + len(document.sentences)
        parts = [
            tokenize_sentence(sentence, ids=ids, piece_spans=spans, report=report)
            for sentence, (ids, spans) in zip(segmented[first:last], encoded[first:last])
        ]
        first = last
        kept = [part for part in parts if len(part[0])]
        report["sentences_without_tokens"] += len(parts) - len(kept)
        if not kept:
            report["documents_without_tokens"] += 1
            continue
        result.append(
            TokenizedDocument(
                input_ids=np.concatenate([ids for ids, _ in kept]).astype(dtype),
                word_starts=np.concatenate([starts for _, starts in kept]),
                sentence_offsets=np.array([0, *accumulate(len(ids) for ids, _ in kept)], np.int32),
            )
        )
    return result
