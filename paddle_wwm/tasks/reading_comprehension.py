"""Extractive reading comprehension, without Paddle.

    question, context ─► pieces with offsets ─► overlapping windows ─► start and end logits ─► answers
                         (encode)               (windows_of)           (the network)           (decode)

A passage that is too long for the model is read in overlapping windows. If two windows contain the same span, it is a
candidate only in the window with more context around it ("maximum context"). google-research/bert run_squad.py applies
this rule to the first piece only, and so loses long answers.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ..tokenization.vocab import Vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .options import checked
from .results import Answer, AnswersResult

MAX_QUESTION_LEN = 64
DOC_STRIDE = 128
MAX_ANSWER_LEN = 64
_NUM_SPECIAL = 3  # [CLS] question [SEP] context [SEP]


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedQuestion:
    """A question and its passage in pieces.

    `context_offsets`: int64 (pieces, 2), the characters [start, end) of `context` for each piece.
    """

    context: str
    question_ids: list[int]
    context_ids: list[int]
    context_offsets: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Window:
    """One input of the network: a question and a part of its passage.

    It shows pieces [first_piece, first_piece + num_pieces) of the passage, the first of them in column `first_column`.
    """

    input_ids: list[int]
    token_type_ids: list[int]
    first_column: int
    first_piece: int
    num_pieces: int


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """How answers are chosen.

    Attributes:
        num_answers: the maximum number of different answers.
        max_answer_len: the maximum length of an answer, in pieces.
        no_answer_threshold: None if every passage contains the answer. A number allows "no answer": it is predicted
            if the logit of [CLS] is higher than that of the best span by more than this number.
            `answer_kinds.best_no_answer_threshold` finds the best value on a development set.
    """

    num_answers: int = 1
    max_answer_len: int = MAX_ANSWER_LEN
    no_answer_threshold: float | None = None

    def __post_init__(self) -> None:
        checked(**vars(self))


def encode(
    questions: Sequence[str], contexts: Sequence[str], *, tokenizer: WordPieceTokenizer
) -> list[EncodedQuestion]:
    """Split questions and passages into pieces; each distinct passage only once."""
    distinct = list(dict.fromkeys(contexts))
    passages = {
        context: (ids, np.array(offsets, np.int64).reshape(-1, 2))
        for context, (ids, offsets) in zip(distinct, tokenizer.encode_each(distinct))
    }
    return [
        EncodedQuestion(
            context=context, question_ids=ids, context_ids=passages[context][0], context_offsets=passages[context][1]
        )
        for (ids, _), context in zip(tokenizer.encode_each(questions), contexts)
    ]


def windows_of(
    encoded: EncodedQuestion,
    *,
    vocab: Vocab,
    max_seq_len: int,
    doc_stride: int = DOC_STRIDE,
    max_question_len: int = MAX_QUESTION_LEN,
) -> list[Window]:
    """Return the windows of one question. Together they show the whole passage.

    Args:
        encoded: the question and its passage.
        vocab: gives the ids of [CLS] and [SEP].
        max_seq_len: the maximum tokens of a window.
        doc_stride: the pieces that neighbouring windows share, at most half of a window's room. An answer of at most
            this many pieces is never cut. transformers defines it this way; Google and PaddleNLP count the step.
        max_question_len: the maximum pieces of the question. It also gets at most half of the room.

    Raises:
        ValueError: a number is too small.
    """
    if max_seq_len < _NUM_SPECIAL + 2:
        raise ValueError(
            f"`max_seq_len` must be at least {_NUM_SPECIAL + 2} for a question and a passage, but is {max_seq_len!r}."
        )
    checked(doc_stride=doc_stride, max_question_len=max_question_len)
    question = encoded.question_ids[
        : num_question_pieces_read(max_seq_len=max_seq_len, max_question_len=max_question_len)
    ]
    head = [vocab.cls_id, *question, vocab.sep_id]
    room = max_seq_len - len(head) - 1
    step = room - min(doc_stride, room // 2)
    windows = []
    for first in range(0, max(1, len(encoded.context_ids) - room + step), step):
        pieces = encoded.context_ids[first : first + room]
        windows.append(
            Window(
                input_ids=[*head, *pieces, vocab.sep_id],
                token_type_ids=[0] * len(head) + [1] * (len(pieces) + 1),
                first_column=len(head),
                first_piece=first,
                num_pieces=len(pieces),
            )
        )
    return windows


def num_question_pieces_read(*, max_seq_len: int, max_question_len: int) -> int:
    """Return how many pieces of a question the windows have room for."""
    return min(max_question_len, (max_seq_len - _NUM_SPECIAL) // 2)


def answer_characters(*, context: str, text: str, answer_start: int) -> tuple[int, int] | None:
    """Return the characters [start, end) of a gold answer, or None if it is absent.

    Spaces around the answer are left out. Some data sets give a wrong position or -1 (7 and 193 of the 9,657 answers
    of CMRC 2018's development set). In that case the nearest occurrence is used.
    """
    answer = text.strip()
    if not answer:
        return None
    stated = answer_start + len(text) - len(text.lstrip())
    if answer_start >= 0 and context.startswith(answer, stated):
        return stated, stated + len(answer)
    before, after = context.rfind(answer, 0, max(0, stated) + len(answer)), context.find(answer, max(0, stated))
    found = [place for place in (before, after) if place >= 0]
    if not found:
        return None
    start = min(found, key=lambda place: abs(place - stated))
    return start, start + len(answer)


def label_of(window: Window, *, encoded: EncodedQuestion, characters: tuple[int, int] | None) -> tuple[int, int]:
    """Return the columns of the first and the last piece of an answer.

    If the window does not show the whole answer, the result is (0, 0), the column of [CLS].
    """
    if characters is None:
        return 0, 0
    starts, ends = encoded.context_offsets[:, 0], encoded.context_offsets[:, 1]
    pieces = np.flatnonzero((starts < characters[1]) & (ends > characters[0]))
    if not len(pieces) or pieces[0] < window.first_piece or pieces[-1] >= window.first_piece + window.num_pieces:
        return 0, 0
    shift = window.first_column - window.first_piece
    return int(pieces[0]) + shift, int(pieces[-1]) + shift


def decode(
    encoded: EncodedQuestion, *, windows: Sequence[Window], logits: Sequence[np.ndarray], config: DecodingConfig
) -> list[Answer]:
    """Return the answers of `answers_of`."""
    return list(answers_of(encoded, windows=windows, logits=logits, config=config).answers)


def answers_of(
    encoded: EncodedQuestion, *, windows: Sequence[Window], logits: Sequence[np.ndarray], config: DecodingConfig
) -> AnswersResult:
    """Return the best answers to one question, best first. Their texts are different.

    The logit of a span is the sum of its start and end logits. Its score is the softmax over all spans of all windows,
    and over "no answer" if it is allowed.

    Args:
        encoded: the question and its passage.
        windows: the windows of the question.
        logits: for every window an array (tokens, 2) of start and end logits. It may be longer because of padding.
        config: how answers are chosen.
    """
    scores, firsts, lasts, total = _candidates(windows, logits, config=config)
    no_answer = no_answer_logit(logits)
    if config.no_answer_threshold is not None:
        total = _log_sum_exp(np.array([total, no_answer]))
    answers: dict[str, Answer] = {}
    for place in np.argsort(-scores, kind="stable"):
        start, end = int(encoded.context_offsets[firsts[place], 0]), int(encoded.context_offsets[lasts[place], 1])
        while (
            end < len(encoded.context) and unicodedata.category(encoded.context[end]) == "Mn"
        ):  # combining marks, which the tokenizer removes
            end += 1
        text = encoded.context[start:end]
        if text and text not in answers:
            answers[text] = Answer(text=text, score=float(np.exp(scores[place] - total)), start=start, end=end)
        if len(answers) == config.num_answers:
            break
    found = list(answers.values())
    best_span = found[0].text if found else ""
    margin = no_answer - float(scores.max(initial=-np.inf))  # infinite where there is no span
    if config.no_answer_threshold is not None:
        none = Answer(text="", score=float(np.exp(no_answer - total)), start=0, end=0)
        wins = not found or margin > config.no_answer_threshold
        found = [none, *found] if wins else [*found, none]
    return AnswersResult(answers=tuple(found[: config.num_answers]), best_span=best_span, no_answer_margin=margin)


def no_answer_logit(logits: Sequence[np.ndarray]) -> float:
    """Return the logit of "no answer": the sum of the start and end logits of [CLS].

    The window with the lowest value decides, because a passage has no answer only if no window has one.
    """
    return min((float(values[0].sum(dtype=np.float64)) for values in logits), default=0.0)


def _candidates(
    windows: Sequence[Window], logits: Sequence[np.ndarray], *, config: DecodingConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return logits, first and last pieces of the best spans, and the log-sum-exp."""
    spans = [_spans(number, windows, values, config=config) for number, values in enumerate(logits)]
    scores, firsts, lasts = (np.concatenate([span[part] for span in spans]) for part in range(3))
    return scores, firsts, lasts, _log_sum_exp(np.array([span[3] for span in spans]))


def _spans(
    number: int, windows: Sequence[Window], values: np.ndarray, *, config: DecodingConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the same as `_candidates`, for one window.

    Pieces are numbered in the passage. The log-sum-exp is over all spans of the window.
    """
    window = windows[number]
    context = np.asarray(values[window.first_column : window.first_column + window.num_pieces], np.float64)
    longest = min(config.max_answer_len, len(context))
    if not longest:
        return np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), -np.inf
    ends = np.concatenate([context[:, 1], np.full(longest - 1, -np.inf)])
    spans = context[:, :1] + np.lib.stride_tricks.sliding_window_view(
        ends, longest
    )  # row: the first piece; column: the number of pieces after it
    firsts = window.first_piece + np.arange(window.num_pieces)[:, None]
    lasts = firsts + np.arange(longest)
    surrounding = _surrounding(window, firsts, lasts)
    for other in windows[max(0, number - 1) : number]:
        spans[_surrounding(other, firsts, lasts) >= surrounding] = -np.inf
    for other in windows[number + 1 : number + 2]:
        spans[_surrounding(other, firsts, lasts) > surrounding] = -np.inf
    flat = spans.reshape(-1)
    spare = 4 * config.num_answers + 16  # different spans may have the same text
    chosen = np.argpartition(-flat, spare)[:spare] if flat.size > spare else np.arange(flat.size)
    chosen = chosen[np.isfinite(flat[chosen])]
    rows, columns = chosen // longest, chosen % longest
    return flat[chosen], firsts[rows, 0], lasts[rows, columns], _log_sum_exp(flat)


def _surrounding(window: Window, firsts: np.ndarray, lasts: np.ndarray) -> np.ndarray:
    """Return the smaller number of context pieces before or after each span.

    The value is -1 if the window does not show the whole span.
    """
    sides = np.minimum(firsts - window.first_piece, window.first_piece + window.num_pieces - 1 - lasts)
    return np.maximum(sides, -1)


def _log_sum_exp(values: np.ndarray) -> float:
    highest = values.max(initial=-np.inf)
    return float(highest + np.log(np.exp(values - highest).sum())) if np.isfinite(highest) else -np.inf
