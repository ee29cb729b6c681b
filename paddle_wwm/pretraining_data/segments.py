"""Choose the sentences of each example, for full sentences and for sentence pairs."""

from __future__ import annotations

from array import array
from collections import Counter

import numpy as np

from ..random_bits import key_of, random_uint64, to_unit
from ..shards.reader import ShardSet
from ..tokenization.tokenized import TokenizedDocument

NO_PAIR = -1
INDEX_ROW = np.dtype(
    [
        ("first_start", "<u8"),  # position of the first segment's first token in the shard set
        ("second_start", "<u8"),
        ("first_length", "<u2"),
        ("second_length", "<u2"),  # 0 where there is one segment only
        ("next_sentence_label", "i1"),
        ("reserved", "V3"),
    ]
)
COLUMNS = tuple(INDEX_ROW.names or ())[:-1]  # the values that builders write per row


class SegmentBuilder:
    """Base class: cuts documents into the token ranges of examples."""

    def __init__(
        self,
        shards: ShardSet,
        *,
        documents: np.ndarray,
        short_seq_prob: float,
        max_seq_length: int,
        seed: int,
        report: Counter,
    ) -> None:
        self.shards, self.documents = shards, documents
        self.short_seq_prob, self.seed, self.report = short_seq_prob, seed, report
        self.max_tokens = max_seq_length - self.num_special_tokens
        self.rows = array("q")  # flat, COLUMNS per row: a list of tuples would take five times the memory

    num_special_tokens: int

    def add_row(self, first: tuple[int, int], second: tuple[int, int] = (0, 0), *, label: int) -> None:
        """Add an example with the tokens [start, end) of the shard set."""
        self.rows.extend((first[0], second[0], first[1] - first[0], second[1] - second[0], label))

    def target_length(self, rng: _Draws) -> int:
        """Draw the target length of an example: usually the full length.

        With probability short_seq_prob it is any length from 2, because fine-tuning has short inputs too.
        """
        return rng.between(2, self.max_tokens) if rng.unit() < self.short_seq_prob else self.max_tokens

    def pieces_of(self, document: TokenizedDocument) -> list[tuple[int, int]]:
        """Return the sentences as token spans.

        A sentence that is longer than an example is split at word starts. Nothing is cut off.
        """
        spans: list[tuple[int, int]] = []
        offsets = document.sentence_offsets.tolist()
        for start, end in zip(offsets, offsets[1:]):
            if end - start > self.max_tokens:
                self.report["sentences_split"] += 1
            while end - start > self.max_tokens:
                cut = last_word_start(document.word_starts, start=start, limit=start + self.max_tokens)
                spans.append((start, cut))
                start = cut
            spans.append((start, end))
        return spans


class FullSentenceBuilder(SegmentBuilder):
    """Full sentences of one document, as one segment.

    RoBERTa-wwm-ext is trained on these, without next-sentence prediction.
    """

    num_special_tokens = 2

    def add(self, number: int) -> None:
        """Add the examples of document number `number`."""
        base, document = self.shards.document(number)
        rng = _Draws(key_of(self.seed, number))
        target = self.target_length(rng)
        chunk: tuple[int, int] | None = None
        for start, end in self.pieces_of(document):
            if chunk is not None and end - chunk[0] > target:
                self.add_row((base + chunk[0], base + chunk[1]), label=NO_PAIR)
                chunk, target = None, self.target_length(rng)
            chunk = (start if chunk is None else chunk[0], end)
        if chunk is not None:
            self.add_row((base + chunk[0], base + chunk[1]), label=NO_PAIR)


class PairBuilder(SegmentBuilder):
    """Sentence pairs as in Google's create_pretraining_data, without its known faults.

    A chunk of sentences is cut into A and B. In 50% of the cases B comes from another document instead, and the
    unused sentences start the next chunk. Differences from Google's code: the other document is never the same
    document, a chunk of one sentence (its B must be random) has its own count, and truncation cuts at word starts.
    """

    num_special_tokens = 3

    def add(self, number: int) -> None:
        """Add the examples of document number `number`."""
        base, document = self.shards.document(number)
        rng = _Draws(key_of(self.seed, number))
        sentences = self.pieces_of(document)
        first = 0
        while first < len(sentences):
            target = self.target_length(rng)
            last = first
            while last < len(sentences) - 1 and sentences[last][1] - sentences[first][0] < target:
                last += 1
            first = self._emit(number, base, document, sentences, first, last + 1, target, rng)

    def _emit(
        self,
        number: int,
        base: int,
        document: TokenizedDocument,
        sentences: list[tuple[int, int]],
        first: int,
        stop: int,
        target: int,
        rng: _Draws,
    ) -> int:
        """Add the example of sentences [first, stop); return the start of the next chunk."""
        has_other = len(self.documents) > 1
        if stop - first == 1:
            if not has_other:
                self._split_one_sentence(base, document, sentences[first])
                return stop
            self.report["pairs_random_forced"] += 1
            a_stop, is_random = stop, True
        else:
            a_stop = first + rng.between(1, stop - first - 1)
            is_random = has_other and rng.unit() < 0.5
            self.report["pairs_random" if is_random else "pairs_next"] += 1
        a_span = (sentences[first][0], sentences[a_stop - 1][1])
        if is_random:
            b_base, b_document, b_span = self._random_segment(
                number, length=max(1, target - (a_span[1] - a_span[0])), rng=rng
            )
        else:
            b_base, b_document, b_span = base, document, (sentences[a_stop][0], sentences[stop - 1][1])
        before = a_span[1] - a_span[0] + (0 if is_random else b_span[1] - b_span[0])
        a_span, b_span = truncate_pair(
            a_span,
            b_span,
            a_starts=document.word_starts,
            b_starts=b_document.word_starts,
            max_tokens=self.max_tokens,
            rng=rng,
        )
        if cut := before - (a_span[1] - a_span[0] + (0 if is_random else b_span[1] - b_span[0])):
            self.report["tokens_truncated"] += (
                cut  # of this document only: the tokens of a random segment are also in examples of its own document
            )
        a_tokens, b_tokens = (base + a_span[0], base + a_span[1]), (b_base + b_span[0], b_base + b_span[1])
        self.add_row(a_tokens, b_tokens, label=int(is_random))
        return a_stop if is_random else stop

    def _random_segment(
        self, number: int, *, length: int, rng: _Draws
    ) -> tuple[int, TokenizedDocument, tuple[int, int]]:
        position = rng.between(0, len(self.documents) - 2)
        other = int(self.documents[position])
        if other >= number:  # documents are ascending, so this draws uniformly from the others
            other = int(self.documents[position + 1])
        base, document = self.shards.document(other)
        offsets = document.sentence_offsets
        start = rng.between(0, len(offsets) - 2)
        end = start + 1
        while end < len(offsets) - 1 and offsets[end] - offsets[start] < length:
            end += 1
        return base, document, (int(offsets[start]), int(offsets[end]))

    def _split_one_sentence(self, base: int, document: TokenizedDocument, span: tuple[int, int]) -> None:
        # there is no other document to pair the only sentence with: its two halves are the pair
        middle = (span[0] + span[1] + 1) // 2
        cut = last_word_start(document.word_starts, start=span[0], limit=middle)
        later = np.flatnonzero(document.word_starts[middle : span[1]])
        if cut == middle and len(later):
            cut = middle + int(later[0])  # the first word is longer than half the sentence: keep it whole
        if not span[0] < cut < span[1]:
            self.report["single_tokens_left_out"] += 1
            return
        self.report["pairs_next"] += 1
        self.add_row((base + span[0], base + cut), (base + cut, base + span[1]), label=0)


class _Draws:
    """A stream of random numbers with its own counter."""

    def __init__(self, key: np.uint64) -> None:
        self._key, self._count, self._block = key, 0, np.zeros(0)

    def unit(self) -> float:
        if self._count == len(self._block):
            self._block = to_unit(random_uint64(self._key, max(64, 2 * len(self._block))))
        self._count += 1
        return float(self._block[self._count - 1])

    def between(self, low: int, high: int) -> int:
        return low + int(self.unit() * (high - low + 1))


def last_word_start(starts: np.ndarray, *, start: int, limit: int) -> int:
    """Return the last word start in (start, limit].

    It is `limit` if a single word fills the whole range.
    """
    found = np.flatnonzero(starts[start + 1 : limit + 1])
    return start + 1 + int(found[-1]) if len(found) else limit


def truncate_pair(
    a_span: tuple[int, int],
    b_span: tuple[int, int],
    *,
    a_starts: np.ndarray,
    b_starts: np.ndarray,
    max_tokens: int,
    rng: _Draws,
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Shorten the longer segment until both fit into max_tokens.

    A random draw chooses its front or its back. Whole words are removed if a whole word remains.
    """
    spans, starts = [a_span, b_span], (a_starts, b_starts)
    while (excess := sum(end - start for start, end in spans) - max_tokens) > 0:
        lengths = [end - start for start, end in spans]
        longer = 0 if lengths[0] > lengths[1] else 1
        start, end = spans[longer]
        # at most down to the length of the other, so that both stay about equally long
        cut = min(excess, max(1, lengths[longer] - lengths[1 - longer]))
        words = np.flatnonzero(starts[longer][start + cut : end])
        at_front = rng.unit() < 0.5
        if bool(len(words)) != bool(starts[longer][start + 1 : end - cut + 1].any()):
            at_front = len(words) > 0  # the other side would leave only a part of a word
        if at_front:
            spans[longer] = (start + cut + (int(words[0]) if len(words) else 0), end)
        else:
            spans[longer] = (start, last_word_start(starts[longer], start=start, limit=end - cut))
    return spans[0], spans[1]
