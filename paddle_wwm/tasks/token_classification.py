"""The task token-cls: a label for every token of a text."""

from __future__ import annotations

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
from .examples import Example, QuestionExample, TextExample, TokenExample, label_number, label_numbers
from .results import Result, TokenLabelsResult
from .rows import Batch, Row, join_windows, overlapping_rows
from .task import EncodedTokens, Features, Reading, ResultOptions, Task, rows_by_owner, softmax

OUTSIDE = "O"


class TokenClassification(Task):
    """A label for every token.

    If a text is not divided into tokens, every piece gets a label. A token of several pieces gets the label of its
    first piece. A token without pieces (a space) gets "O", or None if the labels have no "O". Long texts are read in
    windows that overlap by half. Training windows do not overlap.

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
            counts["tokens_without_pieces"] += list(encoded.first_pieces).count(-1)
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

    def unused_layers(self, network: nn.Layer) -> Sequence[nn.Layer]:
        return (network.bert.pooler,)

    def batch_labels(self, features: Features, batch: Batch) -> np.ndarray:
        """Return the labels, int64 (B, T), -100 at padding."""
        padded = np.full(batch.input_ids.shape, IGNORED_LABEL, np.int64)
        for row, index in enumerate(batch.indices):
            padded[row, : np.size(features.labels[index])] = features.labels[index]
        return padded

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        """Return the logits of the pieces, (pieces, C), without [CLS] and [SEP]."""
        return np.ascontiguousarray(output[1 : length - 1])

    def output_shape(self, length: int) -> tuple[int, ...]:
        return length - 2, len(self.labels)

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
        found = []
        for encoded, numbers in zip(features.tokens, rows_by_owner(features, num_examples=len(examples))):
            windows = [(features.rows[number].start, outputs[number]) for number in numbers]
            logits = join_windows(windows, num_pieces=encoded.num_pieces)
            best = logits.argmax(-1).tolist() if len(logits) else []
            found.append(
                TokenLabelsResult(
                    labels=tuple(outside if first < 0 else self.labels[best[first]] for first in encoded.first_pieces),
                    characters=encoded.characters,
                    first_pieces=encoded.first_pieces,
                    probabilities=softmax(logits),
                    outside=outside,
                    first_label=self.labels[0],
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
        ids = pieces.ids[begin : ends[-1]].tolist()
        if isinstance(example, TextExample):
            firsts = list(range(len(ids)))
            starts = (pieces.starts[begin : ends[-1]] - characters).tolist()
            places = list(zip(starts, (pieces.ends[begin : ends[-1]] - characters).tolist()))
        else:
            firsts = [start - begin if end > start else -1 for start, end in zip(ends, ends[1:])]
            bounds = list(accumulate(map(len, texts), initial=0))
            places = list(zip(bounds, bounds[1:]))
        found.append((ids, EncodedTokens(num_pieces=len(ids), first_pieces=firsts, characters=places)))
        number += len(texts)
        characters += sum(map(len, texts))
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
