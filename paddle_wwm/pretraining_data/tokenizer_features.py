"""Make examples of tokenizer features. Word boundaries come from the features or from their text.

A feature is what a Hugging Face tokenizer returns for one text: `input_ids` with [CLS] and [SEP]. Its words have one of
three forms, the same for all features of a batch::

    pieces        [CLS] 使 用 语 言 … pro ##ba ##bility 。 [SEP]
    word_starts     0   1  0  1  0  …  1   0     0      1   0     1 where a piece starts a word
    chinese_ref     [2, 4, …]                                     positions that continue a word; [CLS] is position 0
    (neither)     the pieces are joined to a text, which the segmenter cuts into words
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Mapping, NoReturn, Sequence

import numpy as np

from ..corpus.segment import Segmenter
from ..errors import DataError
from ..tokenization.library import Pieces, offsets_of
from ..tokenization.pieces import is_spaced
from ..tokenization.vocab import UNK, Vocab
from ..tokenization.word_boundaries import align
from .examples import PretrainExample
from .segments import NO_PAIR

BOUNDARIES = ("word_starts", "chinese_ref")
PER_POSITION = ("attention_mask", "special_tokens_mask", "token_type_ids")
# Replaces [UNK] in a joined text: one character that is in no segmenter's dictionary.
UNKNOWN_CHARACTER = "\ufffd"


def examples_of(
    features: Sequence[Mapping[str, Any]],
    *,
    vocab: Vocab,
    segmenter: Segmenter,
    max_seq_length: int,
    report: Counter[str],
) -> list[PretrainExample]:
    """Check the features and return them as examples.

    Args:
        report: Counts texts that cannot be aligned with words, under the names of `align`.

    Raises:
        DataError: A feature is wrong. The message has its number and the rule.
    """
    if isinstance(features, (str, Mapping)) or len(features) == 0:
        raise DataError(
            "`features` must be a list of at least one mapping with `input_ids`; give one mapping per text."
        )
    checked = [
        _Feature(feature, number=number, vocab=vocab, max_seq_length=max_seq_length)
        for number, feature in enumerate(features)
    ]
    for feature in checked:
        if feature.form != checked[0].form:
            feature.fail(
                f"has {feature.form or 'no word boundaries'}, but feature 0 has "
                f"{checked[0].form or 'no word boundaries'}; give all features of a call the same keys"
            )
    if checked[0].form:
        starts = [feature.given_starts() for feature in checked]
    else:
        starts = _starts_of_text(checked, vocab=vocab, segmenter=segmenter, report=report)
    return [
        PretrainExample(
            input_ids=feature.input_ids,
            token_type_ids=feature.token_type_ids,
            word_starts=word_starts,
            special_tokens_mask=feature.special,
            next_sentence_label=NO_PAIR,
        )
        for feature, word_starts in zip(checked, starts)
    ]


class _Feature:
    """A checked feature, without the padding at its end.

    `input_ids` and `token_type_ids` are int64, and `special` is bool; shape (length,).
    """

    def __init__(self, feature: Mapping[str, Any], *, number: int, vocab: Vocab, max_seq_length: int) -> None:
        self._number, self._feature, self._vocab = number, feature, vocab
        if not isinstance(feature, Mapping) or "input_ids" not in feature:
            self.fail("must be a mapping with `input_ids`, the ids of [CLS] … [SEP]")
        unknown = sorted(set(feature) - {"input_ids", *BOUNDARIES, *PER_POSITION})
        if unknown:
            self.fail(
                f"has the unknown key {', '.join(map(repr, unknown))}; the known ones are input_ids, "
                f"{', '.join(BOUNDARIES + PER_POSITION)}"
            )
        forms = [key for key in BOUNDARIES if key in feature]
        if len(forms) > 1:
            self.fail("has word_starts and chinese_ref, which may disagree; leave one of them out")
        self.form = forms[0] if forms else ""

        ids = self._integers("input_ids")
        self._given_length = len(ids)
        beyond = ids[(ids < 0) | (ids >= len(vocab))]
        if len(beyond):
            self.fail(
                f"has the id {beyond[0]}, but the vocabulary has the ids 0 to {len(vocab) - 1}; give the masker the "
                "tokenizer's own vocabulary"
            )
        self.length = self._length_without_padding()
        self.input_ids = ids[: self.length]
        if self.length > max_seq_length:
            self.fail(
                f"has {self.length} ids, but `max_seq_length` is {max_seq_length}; let the tokenizer truncate to it "
                "(truncation=True, max_length=…)"
            )
        if self.length < 3 or ids[0] != vocab.cls_id or self.input_ids[-1] != vocab.sep_id:
            self.fail(
                "must have [CLS], at least one piece, and [SEP] at its end; give an `attention_mask` if it is padded"
            )
        masked = np.flatnonzero(self.input_ids == vocab.mask_id)
        if len(masked):
            self.fail(f"has [MASK] at position {masked[0]}; give the unmasked ids, masks are drawn here")
        self.special = np.isin(self.input_ids, [vocab.pad_id, vocab.cls_id, vocab.sep_id])
        if "special_tokens_mask" in feature:
            self.special |= self._flags("special_tokens_mask")
        types = "token_type_ids" in feature
        self.token_type_ids = self._per_position("token_type_ids") if types else np.zeros(self.length, np.int64)

    def fail(self, problem: str) -> NoReturn:
        """Raise DataError with the feature's number."""
        raise DataError(f"feature {self._number} {problem}.")

    def given_starts(self) -> np.ndarray:
        """Return the word starts that the feature carries. bool, shape (length,)."""
        if self.form == "word_starts":
            starts = self._flags("word_starts")
            wrong = np.flatnonzero(starts & self.special)
            if len(wrong):
                self.fail(f"has a word start at the special token at position {wrong[0]}; word_starts must be 0 there")
            return starts
        continued = np.array([self._vocab.tokens[token].startswith("##") for token in self.input_ids.tolist()])
        places = self._integers("chinese_ref")
        outside = places[(places < 0) | (places >= self.length)]
        if len(outside):
            self.fail(
                f"has position {outside[0]} in chinese_ref, but only {self.length} ids; truncate chinese_ref "
                "together with input_ids"
            )
        wrong = places[self.special[places] | self.special[places - 1]]
        if len(wrong):
            self.fail(
                f"has position {wrong[0]} in chinese_ref, a special token or the first piece after one, which cannot "
                "continue a word; positions count [CLS] as 0"
            )
        continued[places] = True
        return ~self.special & ~continued

    def _length_without_padding(self) -> int:
        if "attention_mask" not in self._feature:
            return self._given_length
        self.length = self._given_length
        attended = self._flags("attention_mask")
        length = int(attended.sum())
        if not attended[:length].all():
            self.fail("must have its padding at the end, but its attention_mask has a 0 before a 1")
        return length

    def _integers(self, key: str) -> np.ndarray:
        """Return a value as int64 with one dimension. It may be empty."""
        try:
            values = np.asarray(self._feature[key])
        except (TypeError, ValueError) as error:
            self.fail(f"must have a list of numbers as {key} ({error})")
        if values.ndim != 1 or (values.size and values.dtype.kind not in "iub"):
            self.fail(
                f"must have a flat list of integers as {key}, but has shape {values.shape} and type {values.dtype}; "
                "give one text per feature"
            )
        return values.astype(np.int64)

    def _per_position(self, key: str) -> np.ndarray:
        values = self._integers(key)
        if len(values) != self._given_length:
            self.fail(f"has {len(values)} values in {key}, but {self._given_length} in input_ids; both need one per id")
        return values[: self.length]

    def _flags(self, key: str) -> np.ndarray:
        values = self._per_position(key)
        if ((values != 0) & (values != 1)).any():
            self.fail(f"has a value other than 0 and 1 in {key}")
        return values.astype(bool)


def _starts_of_text(
    features: Sequence[_Feature], *, vocab: Vocab, segmenter: Segmenter, report: Counter[str]
) -> list[np.ndarray]:
    """Return the word starts of the text that the pieces spell; bool, (length,) each.

    Each run of pieces between special tokens is a text of its own.
    """
    texts: list[str] = []
    sizes: list[int] = []
    spans: list[tuple[int, int]] = []  # of all pieces, in their own text
    alone: list[bool] = []
    for feature in features:
        inside = np.concatenate([[False], ~feature.special, [False]])
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
            pieces = [vocab.tokens[token] for token in feature.input_ids[first:end].tolist()]
            text, spans_here = _spell(pieces)
            texts.append(text)
            sizes.append(len(pieces))
            spans += spans_here
            alone += [piece == UNK for piece in pieces]
    offsets = offsets_of(sizes)
    firsts = np.repeat(offsets_of([len(text) for text in texts])[:-1], sizes)
    places = np.array(spans, np.int64).reshape(-1, 2) + firsts[:, None]
    pieces_of_all = Pieces(
        ids=np.zeros(len(places), np.int32), starts=places[:, 0], ends=places[:, 1], text_offsets=offsets
    )
    starts = align(pieces_of_all, boundaries=segmenter.word_starts(texts), report=report)
    by_itself = np.array(alone, bool)
    starts |= by_itself
    starts[1:] |= by_itself[:-1]
    result, position = [], 0
    for feature in features:
        word_starts = np.zeros(feature.length, bool)
        count = int((~feature.special).sum())
        word_starts[~feature.special] = starts[position : position + count]
        position += count
        result.append(word_starts)
    return result


def _spell(pieces: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text that pieces spell, and the characters [start, end) of each.

    There are spaces between Latin words only.
    """
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    length, last = 0, ""
    for piece in pieces:
        continues = piece.startswith("##") and len(piece) > 2
        part = UNKNOWN_CHARACTER if piece == UNK else piece[2:] if continues else piece
        if last and not continues and is_spaced(last) and is_spaced(part[0]):
            parts.append(" ")
            length += 1
        parts.append(part)
        spans.append((length, length + len(part)))
        length, last = length + len(part), part[-1]
    return "".join(parts), spans
