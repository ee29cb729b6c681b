"""question-answering: the part of a passage that answers a question."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any, Iterator, Mapping, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..errors import HubModuleError
from ..model.finetuned import HEADS
from ..model.networks import ANSWER_KINDS, AnswerNetwork, TokenNetwork, split_kinds
from ..tasks.answer_kinds import KIND_TEXTS, KINDS, kind_of_windows
from ..tasks.network.rows import Row, WindowRow, rows_of_question
from ..tasks.reading_comprehension import DecodingConfig, answers_as_json, decode, encode, num_question_pieces_read
from ..tasks.types import AnswerKind
from .inputs import RowEncoder, texts_of
from .task import Predictions, PredictOptions, Task, softmax

WANTED = "{'question': text, 'context': text}, or a list of these two texts"


class QuestionAnswering(Task):
    """Data: {"question": text, "context": text}. Results: {"text", "score", "start", "end"} of the best answer, and
    "answers": the `top_k` best.

    context[start:end] == text, in characters; a score is the probability among all spans of at most `max_answer_len`
    pieces. A passage of any length is read in windows of `max_seq_len` tokens that share `doc_stride` pieces. With a
    `no_answer_threshold` the text may be empty: no answer. See `tasks.reading_comprehension`.

    A model that was fine-tuned on questions with other answers (CJRC; its config.json names the kinds in id2label)
    says "kind", too: "span", or "yes", "no", "none" with the texts "YES", "NO" and "" at 0. Such a model is trained by
    paddle-wwm finetune only.

    The network gives every token two logits: that it is the first, and that it is the last of the answer. In training,
    labels are int64 (batch_size, 2), the places of these two tokens.
    """

    name = "question-answering"
    architecture = HEADS[name]

    @property
    def has_kinds(self) -> bool:
        """Whether the network also tells questions with an answer in the passage from others."""
        return tuple(self.labels) == ANSWER_KINDS

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return AnswerNetwork(config) if self.has_kinds else TokenNetwork(config, 2)

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        with _hub_errors():
            _decoding(options)
        questions, contexts = _questions(data)
        all_encoded = encode(questions, contexts, tokenizer=encoder.tokenizer)
        rows: list[Row] = []
        for owner, encoded in enumerate(all_encoded):
            for part, ids in (("question", encoded.question_ids), ("context", encoded.context_ids)):
                if not ids:
                    raise HubModuleError(f"data[{owner}]: the {part} has no characters to read.")
            with _hub_errors():
                numbers = {
                    "limit": encoder.limit,
                    "doc_stride": options.doc_stride,
                    "max_question_len": options.max_question_len,
                }
                rows += rows_of_question(owner, encoded, vocab=encoder.vocab, **numbers)
        limit = num_question_pieces_read(max_seq_len=encoder.limit, max_question_len=options.max_question_len)
        num_cut = sum(len(encoded.question_ids) > limit for encoded in all_encoded)
        if num_cut:
            warnings.warn(
                f"{num_cut} question(s) had more than {limit} tokens and were cut at their end.", stacklevel=3
            )
        return rows

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        windows: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            windows.setdefault(row.owner, []).append(number)
        results = []
        for numbers in windows.values():
            logits: Sequence[np.ndarray] = [outputs[number] for number in numbers]
            kinds: Sequence[np.ndarray] | None = None
            if self.has_kinds:
                logits, kinds = zip(*map(split_kinds, logits))
            rows_here = [row for row in (rows[number] for number in numbers) if isinstance(row, WindowRow)]
            windows_of_question = [row.window for row in rows_here]
            found = answers_as_json(
                decode(rows_here[0].encoded, windows=windows_of_question, logits=logits, config=_decoding(options))
            )
            results.append({**found[0], "answers": found} if kinds is None else _with_kind(found, kinds))
        return Predictions(
            results=results, probabilities=[[answer["score"] for answer in result["answers"]] for result in results]
        )

    def probabilities(self, logits: paddle.Tensor) -> paddle.Tensor:
        """Over the tokens, shape (B, T, 2)."""
        return nn.functional.softmax(split_kinds(logits)[0] if self.has_kinds else logits, axis=1)

    def loss(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        if self.has_kinds:
            raise HubModuleError(
                "a model that tells kinds of answers apart is trained by paddle-wwm finetune --task cjrc, "
                "not by hub.Trainer."
            )
        return super().loss(logits.transpose([0, 2, 1]), labels)

    def metrics(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """acc: both ends right."""
        return {"acc": float((logits.argmax(axis=1) == labels).all(axis=1).mean())}


def _with_kind(found: list[dict[str, Any]], kinds: Sequence[np.ndarray]) -> dict[str, Any]:
    """A question's result where kinds of answers are told apart; one that is no part of the passage goes before the
    spans.
    """
    kind = kind_of_windows(kinds)
    if kind is not AnswerKind.SPAN:
        scores = softmax(np.stack(kinds))[:, KINDS.index(kind)]
        score = float(scores.min() if kind is AnswerKind.NONE else scores.max())
        found = [{"text": KIND_TEXTS[kind], "score": score, "start": 0, "end": 0}, *found]
    return {**found[0], "kind": kind.value, "answers": found}


def _decoding(options: PredictOptions) -> DecodingConfig:
    return DecodingConfig(
        num_answers=options.top_k,
        max_answer_len=options.max_answer_len,
        no_answer_threshold=options.no_answer_threshold,
    )


def _questions(data: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Questions and contexts, checked."""
    if isinstance(data, Mapping):
        raise HubModuleError(f"`data` must be a list, each item {WANTED}; write [item].")
    items = []
    for index, item in enumerate(data if isinstance(data, (list, tuple)) else ()):
        if isinstance(item, Mapping):
            if set(item) != {"question", "context"}:
                raise HubModuleError(
                    f"data[{index}] must have the keys question and context, but has "
                    f"{', '.join(map(str, item)) or 'none'}."
                )
            item = [item["question"], item["context"]]
        items.append(item)
    pairs = texts_of(items if isinstance(data, (list, tuple)) else data, num_texts=(2,), wanted=WANTED)
    return [question for question, _ in pairs], [context for _, context in pairs]


@contextlib.contextmanager
def _hub_errors() -> Iterator[None]:
    """A wrong option, told as every other error of a module."""
    try:
        yield
    except ValueError as error:
        raise HubModuleError(str(error)) from None
