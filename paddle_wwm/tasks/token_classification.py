"""The task token-cls: a label for every token of a text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import accumulate
from typing import Any, Sequence

import numpy as np
import paddle.nn as nn

from ..errors import DataError
from ..model.networks import TokenNetwork
from ..model_config import ModelConfig
from ..tokenization.vocab import IGNORED_LABEL
from ..tokenization.wordpiece import WordPieceTokenizer
from .entities import OUTSIDE, EncodedTokens, LabelScheme, labels_of_tokens
from .examples import Example, QuestionExample, TokenExample, label_number, label_numbers
from .results import Result, TokenLabelsResult
from .rows import Batch, Row, join_windows, overlapping_rows
from .task import Features, Reading, ResultOptions, Task, rows_by_owner, softmax


class TokenClassification(Task):
    """A label for every token, or for every character of a text without tokens.

    The result is a list of labels with attributes: see `results.TextLabels`.

    Characters: the first character of a piece gets the piece's label, the others get the label inside its entity:
    "2019" with B-DATE gives B-DATE I-DATE I-DATE I-DATE, or with S-DATE B-DATE I-DATE I-DATE E-DATE. A character
    without a piece (a space) gets "O", or None if the labels have no "O"; between two characters of one entity it gets
    the label inside this entity.

    Tokens: a token of several pieces gets the label of its first piece, a token without pieces "O" or None.

    The probabilities of a character or token without a piece are 1 for its label.

    Long texts are read in windows that overlap by half. Training windows do not overlap.

    Training labels: int64 (T,), the label at the first piece of every token, -100 elsewhere.
    """

    name = "token-cls"
    architecture = "BertForTokenClassification"
    num_texts = (1,)

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        counts = Counter(texts_in_windows=0, tokens_without_pieces=0)
        rows: list[Row] = []
        labels: list[np.ndarray] = []
        tokens: list[EncodedTokens] = []
        numbers, vocab, limit = label_numbers(self.labels), tokenizer.vocab, reading.max_seq_length
        for owner, (example, (ids, encoded)) in enumerate(zip(examples, _encoded(examples, tokenizer=tokenizer))):
            counts["tokens_without_pieces"] += list(encoded.first_pieces).count(-1) if encoded.is_divided else 0
            counts["texts_in_windows"] += len(ids) > limit - 2
            tokens.append(encoded)
            if not with_labels:
                rows += overlapping_rows(owner, ids, vocab=vocab, limit=limit)
                continue
            of_pieces = _labels_of_pieces(example, encoded=encoded, numbers=numbers)
            for start in range(0, max(1, len(ids)), limit - 2):
                part = ids[start : start + limit - 2]
                inputs = [vocab.cls_id, *part, vocab.sep_id]
                rows.append(Row(owner=owner, input_ids=inputs, token_type_ids=[0] * len(inputs), start=start))
                labels.append(np.concatenate([[IGNORED_LABEL], of_pieces[start : start + len(part)], [IGNORED_LABEL]]))
        return Features(rows=rows, labels=labels, counts=dict(counts), tokens=tokens)

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return TokenNetwork(config, len(self.labels))

    def batch_labels(self, features: Features, batch: Batch) -> np.ndarray:
        """Return the labels, int64 (B, T), -100 at padding."""
        padded = np.full(batch.input_ids.shape, IGNORED_LABEL, np.int64)
        for row, index in enumerate(batch.indices):
            padded[row, : np.size(features.labels[index])] = features.labels[index]
        return padded

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        """Return the logits of a row, (T, C), with [CLS] and [SEP]."""
        return output[:length].copy()

    def output_shape(self, length: int) -> tuple[int, ...]:
        return length, len(self.labels)

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        outside = OUTSIDE if OUTSIDE in self.labels else None
        scheme, names = LabelScheme(self.labels, suffix=self.suffix), tokenizer.vocab.tokens
        found = []
        for tokens, numbers in zip(features.tokens, rows_by_owner(features, num_examples=len(examples))):
            windows = [(features.rows[number].start, outputs[number][1:-1]) for number in numbers]
            logits = join_windows(windows, num_pieces=tokens.num_pieces)
            ends = np.stack([outputs[numbers[0]][0], outputs[numbers[-1]][-1]])
            labels = [self.labels[best] for best in logits.argmax(-1)]
            found.append(
                TokenLabelsResult(
                    tokens=tokens,
                    labels=tuple(labels_of_tokens(tokens, labels, scheme=scheme, outside=outside)),
                    pieces=[names[number] for number in tokens.piece_ids],
                    labels_of_pieces=labels,
                    probabilities=softmax(logits),
                    scheme=scheme,
                    labels_of_ends=(self.labels[ends[0].argmax()], self.labels[ends[1].argmax()]),
                    probabilities_of_ends=softmax(ends),
                    classes=self.labels,
                )
            )
        return found

    def batch_scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Return f1_score: F1 of the whole entities (B-, I- … labels) in the batch."""
        import paddle
        from paddlenlp.metrics import ChunkEvaluator

        labels = labels.reshape(logits.shape[:-1])
        chosen = labels != IGNORED_LABEL
        both = np.zeros((2, *labels.shape), np.int64)  # the labelled tokens of each row, without gaps
        for row, (predicted, wanted, counts) in enumerate(zip(logits.argmax(-1), labels, chosen)):
            both[:, row, : counts.sum()] = predicted[counts], wanted[counts]
        evaluator = ChunkEvaluator([str(label) for label in self.labels], self.suffix)
        lengths = chosen.sum(axis=1).tolist()
        evaluator.update(*(count.item() for count in evaluator.compute(lengths, *map(paddle.to_tensor, both))))
        return {"f1_score": evaluator.accumulate()[2]}


def _encoded(examples: Sequence[Example], *, tokenizer: WordPieceTokenizer) -> list[tuple[list[int], EncodedTokens]]:
    """Return the piece ids and the tokens of every example."""
    texts_of = [_texts(example) for example in examples]
    pieces = tokenizer.encode([text for texts in texts_of for text in texts])
    offsets, found = pieces.text_offsets.tolist(), []
    number = characters = 0  # of the example's first text: its index, and its start in the joined texts
    for example, texts in zip(examples, texts_of):
        begin, ends = offsets[number], offsets[number : number + len(texts) + 1]
        ids = pieces.ids[begin : ends[-1]]
        places = np.stack([pieces.starts[begin : ends[-1]], pieces.ends[begin : ends[-1]]], axis=1) - characters
        if isinstance(example, TokenExample):
            gap = len(example.separator)
            places += gap * np.repeat(np.arange(len(texts)), np.diff(ends))[:, None]
            text = example.separator.join(texts)
            firsts = [start - begin if end > start else -1 for start, end in zip(ends, ends[1:])]
            bounds = accumulate((len(token) + gap for token in texts), initial=0)
            tokens = [(start, start + len(token)) for start, token in zip(bounds, texts)]
        else:
            [text] = texts
            firsts = _pieces_of_characters(text, places)
            tokens = [(place, place + 1) for place in range(len(text))]
        encoded = EncodedTokens(
            text=text,
            is_divided=isinstance(example, TokenExample),
            characters=tokens,
            first_pieces=firsts,
            piece_ids=ids,
            piece_places=places.astype(np.int32),
        )
        found.append((ids.tolist(), encoded))
        number += len(texts)
        characters += sum(map(len, texts))
    return found


def _pieces_of_characters(text: str, places: np.ndarray) -> list[int]:
    """Return the index of the first piece at every character, -1 if it has none."""
    sizes = places[:, 1] - places[:, 0]
    numbers = np.repeat(np.arange(len(places)), sizes)
    characters = np.arange(len(numbers)) + np.repeat(places[:, 0] - (np.cumsum(sizes) - sizes), sizes)
    firsts = np.full(len(text), -1)
    firsts[characters[::-1]] = numbers[::-1]  # where pieces share a character, the first piece is assigned last
    found = firsts.tolist()
    for place in np.flatnonzero(firsts < 0).tolist():
        # a combining mark, which the tokenizer removes, belongs to the character before it
        if place and unicodedata.category(text[place]) == "Mn":
            found[place] = found[place - 1]
    return found


def _texts(example: Example) -> Sequence[str]:
    assert not isinstance(example, QuestionExample)
    return example.tokens if isinstance(example, TokenExample) else (example.text,)


def _labels_of_pieces(example: Example, *, encoded: EncodedTokens, numbers: dict[Any, int]) -> np.ndarray:
    if not isinstance(example, TokenExample) or example.labels is None:
        raise DataError(f"example {example.example_id}: has no labels, so it cannot be trained on.")
    of_pieces = np.full(encoded.num_pieces, IGNORED_LABEL, np.int64)
    for first, label in zip(encoded.first_pieces, example.labels):
        if first >= 0:
            of_pieces[first] = label_number(example.example_id, label, numbers)
    return of_pieces
