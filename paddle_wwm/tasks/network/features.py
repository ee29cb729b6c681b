"""Examples to what a network reads and is trained on, tokenized once: rows of ids, with labels where there are any.
Without Paddle.

classification         one row an example              label int64 (): the class
token labels           windows of a long text          label int64 (T,): of the first piece of every token, -100
elsewhere
reading comprehension  windows of a long passage       label int64 (2,): columns of the answer's first and last piece,
(0, 0) where the window
                                                       does not show it; (3,): and the kind of the answer, where the
                                                       model tells kinds apart
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Mapping, Sequence

import numpy as np

from ...errors import DataError
from ...tokenization.vocab import IGNORED_LABEL
from ...tokenization.wordpiece import WordPieceTokenizer
from ..answer_kinds import KINDS, training_answer
from ..reading_comprehension import DOC_STRIDE, MAX_QUESTION_LEN, EncodedQuestion, Window, encode, label_of
from ..types import AnswerKind, Example, GoldAnswer, QuestionExample, TaskKind, TextExample, TokenExample
from .rows import Row, overlapping_rows, row_of_texts, rows_of_question


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How examples are read. labels: the classes, or none; with_kinds: of reading comprehension, whether kinds of
    answers are told apart.
    """

    kind: TaskKind
    labels: tuple[str, ...] = ()
    with_kinds: bool = False
    max_seq_length: int = 256
    doc_stride: int = DOC_STRIDE
    max_question_len: int = MAX_QUESTION_LEN


@dataclass(frozen=True, kw_only=True)
class Features:
    """Rows of a split; `owner` of a row is its example's number. labels: one a row, empty without labels. counts: what
    was cut or left out.

    first_pieces: of token labels, for every example the number of the first piece of each token, -1 where it has none.
    """

    rows: Sequence[Row]
    labels: Sequence[np.ndarray | np.int64] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    first_pieces: Sequence[Sequence[int]] = ()
    num_pieces: Sequence[int] = ()


def features_of(
    examples: Sequence[Example], *, reading: Reading, tokenizer: WordPieceTokenizer, with_labels: bool
) -> Features:
    """The rows of examples, to be predicted, or with labels to be trained on (then token labels are read in windows
    that do not overlap).

    Raises DataError for an example without a label, or with one that is not among `reading.labels`.
    """
    makers: dict[TaskKind, Callable[..., Features]] = {
        TaskKind.CLASSIFICATION: _of_texts,
        TaskKind.TOKEN_LABELS: _of_tokens,
        TaskKind.READING_COMPREHENSION: _of_questions,
    }
    return makers[reading.kind](examples, reading=reading, tokenizer=tokenizer, with_labels=with_labels)


def uses_kinds(examples: Sequence[Example]) -> bool:
    """Whether training examples have answers other than parts of the passage."""
    answers = (training_answer(example) for example in examples if isinstance(example, QuestionExample))
    return any(answer is not None and answer.kind is not AnswerKind.SPAN for answer in answers)


def _of_texts(
    examples: Sequence[TextExample], *, reading: Reading, tokenizer: WordPieceTokenizer, with_labels: bool
) -> Features:
    numbers = _numbers(reading.labels)
    pieces = tokenizer.encode([example.text for example in examples])
    pairs = tokenizer.encode([example.text_pair or "" for example in examples])
    rows, num_cut = [], 0
    for owner, example in enumerate(examples):
        second = None if example.text_pair is None else pairs.ids_of_text(owner).tolist()
        row, is_cut = row_of_texts(
            owner, pieces.ids_of_text(owner).tolist(), second, vocab=tokenizer.vocab, limit=reading.max_seq_length
        )
        rows.append(row)
        num_cut += is_cut
    labels = [np.int64(_number(example, example.label, numbers)) for example in examples] if with_labels else []
    return Features(rows=rows, labels=labels, counts={"texts_cut": num_cut})


def _of_tokens(
    examples: Sequence[TokenExample], *, reading: Reading, tokenizer: WordPieceTokenizer, with_labels: bool
) -> Features:
    numbers, vocab, room = _numbers(reading.labels), tokenizer.vocab, reading.max_seq_length - 2
    pieces = tokenizer.encode([token for example in examples for token in example.tokens])
    offsets = pieces.text_offsets.tolist()
    rows, labels, first_pieces, num_pieces, counts, token = (
        [],
        [],
        [],
        [],
        Counter(texts_in_windows=0, tokens_without_pieces=0),
        0,
    )
    for owner, example in enumerate(examples):
        begin, ends = offsets[token], offsets[token : token + len(example.tokens) + 1]
        token += len(example.tokens)
        firsts = [start - begin if end > start else -1 for start, end in zip(ends, ends[1:])]
        ids = pieces.ids[begin : ends[-1]].tolist()
        counts["tokens_without_pieces"] += firsts.count(-1)
        counts["texts_in_windows"] += len(ids) > room
        first_pieces.append(firsts)
        num_pieces.append(len(ids))
        if not with_labels:
            rows += overlapping_rows(owner, ids, vocab=vocab, limit=reading.max_seq_length)
            continue
        if example.labels is None:
            raise DataError(f"example {example.example_id}: has no labels, so it cannot be trained on.")
        of_pieces = np.full(len(ids), IGNORED_LABEL, np.int64)
        for first, label in zip(firsts, example.labels):
            if first >= 0:
                of_pieces[first] = _number(example, label, numbers)
        for start in range(0, max(1, len(ids)), room):
            part = ids[start : start + room]
            rows.append(
                Row(
                    owner=owner,
                    input_ids=[vocab.cls_id, *part, vocab.sep_id],
                    token_type_ids=[0] * (len(part) + 2),
                    start=start,
                )
            )
            labels.append(np.concatenate([[IGNORED_LABEL], of_pieces[start : start + room], [IGNORED_LABEL]]))
    return Features(rows=rows, labels=labels, counts=dict(counts), first_pieces=first_pieces, num_pieces=num_pieces)


def _of_questions(
    examples: Sequence[QuestionExample], *, reading: Reading, tokenizer: WordPieceTokenizer, with_labels: bool
) -> Features:
    all_encoded = encode(
        [example.question for example in examples], [example.context for example in examples], tokenizer=tokenizer
    )
    rows, labels, counts = [], [], Counter(questions_cut=0, questions_without_usable_answer=0, answers_in_no_window=0)
    for owner, (example, encoded) in enumerate(zip(examples, all_encoded)):
        counts["questions_cut"] += len(encoded.question_ids) > reading.max_question_len
        answer = training_answer(example)
        if with_labels and not example.answers:
            raise DataError(f"question {example.example_id}: has no answer, so it cannot be trained on.")
        if with_labels and answer is None:
            counts["questions_without_usable_answer"] += 1
            continue
        numbers = {
            "limit": reading.max_seq_length,
            "doc_stride": reading.doc_stride,
            "max_question_len": reading.max_question_len,
        }
        windows = rows_of_question(owner, encoded, vocab=tokenizer.vocab, **numbers)
        rows += windows
        if with_labels and answer is not None:
            found = [
                _answer_label(row.window, encoded=encoded, answer=answer, with_kinds=reading.with_kinds)
                for row in windows
            ]
            counts["answers_in_no_window"] += answer.kind is AnswerKind.SPAN and not any(
                label[0] for label in found
            )  # too long for what they share
            labels += found
    return Features(rows=rows, labels=labels, counts=dict(counts))


def _answer_label(window: Window, *, encoded: EncodedQuestion, answer: GoldAnswer, with_kinds: bool) -> np.ndarray:
    is_span = answer.kind is AnswerKind.SPAN
    place = label_of(window, encoded=encoded, characters=answer.characters if is_span else None)
    if not with_kinds:
        return np.array(place, np.int64)
    # a window that does not show the answer has none; that there is a yes or a no may be seen in any
    kind = AnswerKind.NONE if is_span and place == (0, 0) else answer.kind
    return np.array([*place, KINDS.index(kind)], np.int64)


def _numbers(labels: Sequence[str]) -> dict[str, int]:
    return {label: number for number, label in enumerate(labels)}


def _number(example: TextExample | TokenExample, label: str | None, numbers: Mapping[str, int]) -> int:
    if label is None:
        raise DataError(f"example {example.example_id}: has no label, so it cannot be trained on.")
    if label not in numbers:
        known = ", ".join(list(numbers)[:20])
        raise DataError(
            f"example {example.example_id}: the label {label!r} is none of those of the model and the "
            f"training split: {known}."
        )
    return numbers[label]
