"""The task question-answering: find the part of a passage that answers a question."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..errors import DataError
from ..model.config_keys import ANSWER_KINDS
from ..model.networks import AnswerNetwork, TokenNetwork, split_kinds
from ..model_config import ModelConfig
from ..tokenization.vocab import IGNORED_LABEL
from ..tokenization.wordpiece import WordPieceTokenizer
from .answer_kinds import KIND_TEXTS, KINDS, kind_of_windows, training_answer
from .examples import AnswerKind, Example, GoldAnswer, QuestionExample
from .reading_comprehension import EncodedQuestion, Window, answers_of, encode, label_of, num_question_pieces_read
from .results import Answer, AnswersResult, Result
from .rows import Row, WindowRow, rows_of_question
from .task import Features, Reading, ResultOptions, Task, rows_by_owner, softmax


class QuestionAnswering(Task):
    """The best answers to a question, as parts of the passage.

    A result has "text", "score", "start" and "end" of the best answer, with `context[start:end] == text`, and all
    "answers" in this form. It repeats other entries of the question, such as its "id", unless they have these names.

    The network computes two logits for every token: for the start and for the end of the answer. The score of a span
    is its probability among all spans of at most `max_answer_len` pieces. A passage of any length is read in windows
    that share `doc_stride` pieces. With a `no_answer_threshold` the answer may be empty. See `reading_comprehension`.

    With the labels ANSWER_KINDS (CJRC) the network also predicts the kind of the answer: a span, yes, no or none.

    Training labels: int64 (2,), the columns of the first and the last token of the answer; (0, 0) if the window does
    not show it. With kinds: int64 (3,), the number of the kind last.
    """

    name = "question-answering"
    architecture = "BertForQuestionAnswering"
    needs_labels = False
    num_texts = (2,)

    @property
    def has_kinds(self) -> bool:
        """True if the network also predicts the kind of an answer."""
        return self.labels == ANSWER_KINDS

    @property
    def reads_pooler(self) -> bool:
        return self.has_kinds

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        questions = [example for example in examples if isinstance(example, QuestionExample)]
        all_encoded = encode(
            [example.question for example in questions], [example.context for example in questions], tokenizer=tokenizer
        )
        read = num_question_pieces_read(max_seq_len=reading.max_seq_length, max_question_len=reading.max_question_len)
        counts = Counter(questions_cut=0, questions_without_usable_answer=0, answers_in_no_window=0)
        rows: list[Row] = []
        labels: list[np.ndarray] = []
        for owner, (example, encoded) in enumerate(zip(questions, all_encoded)):
            counts["questions_cut"] += len(encoded.question_ids) > read
            answer = training_answer(example) if with_labels else None
            if with_labels and not example.answers:
                raise DataError(f"question {example.example_id}: has no answer, so it cannot be trained on.")
            if with_labels and answer is None:
                counts["questions_without_usable_answer"] += 1
                continue
            windows = rows_of_question(
                owner,
                encoded,
                vocab=tokenizer.vocab,
                limit=reading.max_seq_length,
                doc_stride=reading.doc_stride,
                max_question_len=reading.max_question_len,
            )
            rows += windows
            if answer is not None:
                found = [self._label(row.window, encoded=encoded, answer=answer) for row in windows]
                # an answer that is longer than the overlap of the windows may be in no window
                counts["answers_in_no_window"] += answer.kind is AnswerKind.SPAN and not any(one[0] for one in found)
                labels += found
        return Features(rows=rows, labels=labels, counts=dict(counts))

    def _label(self, window: Window, *, encoded: EncodedQuestion, answer: GoldAnswer) -> np.ndarray:
        is_span = answer.kind is AnswerKind.SPAN
        place = label_of(window, encoded=encoded, characters=answer.characters if is_span else None)
        if not self.has_kinds:
            return np.array(place, np.int64)
        # a window without the span has no answer; but every window of a yes/no question keeps the label yes or no
        kind = AnswerKind.NONE if is_span and place == (0, 0) else answer.kind
        return np.array([*place, KINDS.index(kind)], np.int64)

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return AnswerNetwork(config) if self.has_kinds else TokenNetwork(config, 2)

    def num_targets(self, labels: Any) -> Any:
        """Count the rows: the two ends of an answer are one target."""
        return (labels[..., 0] != IGNORED_LABEL).sum()

    def loss_sum(
        self, logits: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor | None
    ) -> paddle.Tensor:
        """Sum the loss of the rows: mean cross-entropy of both ends, plus the kind's."""
        if labels.shape[-1] != 2 + self.has_kinds:
            raise ValueError(
                f"`labels` of {self.name} must have {2 + self.has_kinds} columns, first, last"
                f"{' and kind' if self.has_kinds else ''}, but have {labels.shape[-1]}."
            )
        tokens, kinds = split_kinds(logits) if self.has_kinds else (logits, None)
        by_ends = _without_padding(tokens, attention_mask).transpose([0, 2, 1])
        ends = labels[:, :2].reshape([-1])
        loss = nn.functional.cross_entropy(by_ends.reshape([-1, by_ends.shape[-1]]), ends, reduction="sum") / 2
        return loss if kinds is None else loss + nn.functional.cross_entropy(kinds, labels[:, 2], reduction="sum")

    def row_output(self, output: np.ndarray, length: int) -> np.ndarray:
        return np.concatenate([output[:length], output[-2:]]) if self.has_kinds else output[:length]

    def output_shape(self, length: int) -> tuple[int, ...]:
        return length + 2 * self.has_kinds, 2

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        decoding, found = options.decoding, []
        for example, numbers in zip(examples, rows_by_owner(features, num_examples=len(examples))):
            assert isinstance(example, QuestionExample)
            rows = [row for row in (features.rows[number] for number in numbers) if isinstance(row, WindowRow)]
            logits: Sequence[np.ndarray] = [outputs[number] for number in numbers]
            kinds: Sequence[np.ndarray] | None = None
            if self.has_kinds:
                logits, kinds = zip(*map(split_kinds, logits))
            windows = [row.window for row in rows]
            decoded = answers_of(rows[0].encoded, windows=windows, logits=logits, config=decoding)
            decoded = decoded if kinds is None else _with_kind(decoded, kinds)
            found.append(dataclasses.replace(decoded, extra=example.extra))
        return found

    def probabilities(self, logits: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
        """Return the probabilities over the tokens that are not padding, shape (B, T, 2)."""
        tokens = split_kinds(logits)[0] if self.has_kinds else logits
        return nn.functional.softmax(_without_padding(tokens, attention_mask), axis=1)

    def batch_scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Return acc: the share of rows where both ends are right."""
        tokens = split_kinds(logits)[0] if self.has_kinds else logits
        return {"acc": float((tokens.argmax(axis=1) == labels[:, :2]).all(axis=1).mean())}


def _without_padding(logits_BT2: paddle.Tensor, attention_mask: paddle.Tensor | None) -> paddle.Tensor:
    """Mask padding, so that it cannot be the first or the last token of an answer."""
    assert attention_mask is not None
    return logits_BT2 + paddle.where(attention_mask, 0.0, -1e30).unsqueeze(-1)


def _with_kind(decoded: AnswersResult, kinds: Sequence[np.ndarray]) -> AnswersResult:
    """Put the answer YES, NO or none first, if the model predicts that kind."""
    kind = kind_of_windows(kinds)
    answers = decoded.answers
    if kind is not AnswerKind.SPAN:
        scores = softmax(np.stack(kinds))[:, KINDS.index(kind)]
        score = float(scores.min() if kind is AnswerKind.NONE else scores.max())
        answers = (Answer(text=KIND_TEXTS[kind], score=score, start=0, end=0), *answers)
    return dataclasses.replace(decoded, answers=answers, kind=kind)
