"""The calls of a module that use it: predict, get_embedding, and requests to a server."""

from __future__ import annotations

from typing import Any, Sequence

import paddle
import paddle.nn as nn

from ..model.networks import AllStates
from ..model_config import ModelConfig
from ..tasks.hidden_states import HiddenStates, check_pooling, embed
from ..tasks.programs import compute_outputs, evaluating
from ..tasks.rows import Row
from ..tasks.task import Program, Reading, ResultOptions, Task
from ..tasks.token_classification import TokenClassification
from ..tokenization.vocab import Vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .answer_limits import check_answer_size
from .compatible import (
    MAX_SEQ_LEN,
    check_no_pooling,
    labels_with_ends,
    pooled_and_sequence,
    probabilities_with_ends,
    without_ends,
)
from .inference import ModulePrograms, check_device, check_precision
from .inputs import checked_options, encode_data, reading_of
from .request_limits import check_num_states, check_request
from .untrained import InitialValues, warn_of_untrained


class ModuleCalls(nn.Layer):
    """The calls of BertHubModule that use the module."""

    task: str | None
    model: nn.Layer
    compatible: bool
    _task: Task
    _config: ModelConfig
    _vocab: Vocab
    _tokenizer: WordPieceTokenizer
    _programs: ModulePrograms
    _initial_values: InitialValues

    def predict(
        self,
        data: Sequence[Any],
        max_seq_len: int | None = None,
        split_char: str = "\002",
        batch_size: int = 32,
        use_gpu: bool = False,
        return_prob: bool = False,
        *,
        top_k: int = 5,
        threshold: float = 0.5,
        doc_stride: int = 128,
        max_question_len: int = 64,
        max_answer_len: int = 64,
        no_answer_threshold: float | None = None,
        precision: str = "fp32",
    ) -> Any:
        """Return one result per item of `data`, in the same order.

        The docstring of the task's class describes the form of a result. `data` is not changed.

        Args:
            data: texts, lists of one text, or lists of two texts if the task takes pairs; questions also as
                {"question": …, "context": …}. A list, a tuple, a pandas Series, an array of texts, or a 2-D array of
                pairs.
            max_seq_len: the maximum tokens of a text (default: the model's positions).
            split_char: the separator of tokens, for token-cls. A text that has it gets one label per token, any other
                text one per character. Places count characters of the text without a separator that is not white space.
            batch_size: the maximum texts that are computed together.
            use_gpu: compute on the GPU.
            return_prob: return (results, probabilities).
            top_k: candidates per mask (fill-mask) or answers per question.
            threshold: the minimum probability of a label (multi-label).
            doc_stride, max_question_len, max_answer_len, no_answer_threshold: see QuestionAnswering; in pieces.
            precision: "fp32", or "bf16" if the CPU supports it: faster and a little less exact.

        Returns:
            A list of results. With `compatible=True`, in the forms of PaddleHub 2.4: see `hub.compatible`.

        Raises:
            HubModuleError: an option or an item is wrong; the message names it.
        """
        given = checked_options(
            max_seq_len=max_seq_len,
            split_char=split_char,
            batch_size=batch_size,
            use_gpu=use_gpu,
            return_prob=return_prob,
            top_k=top_k,
            threshold=threshold,
            doc_stride=doc_stride,
            max_question_len=max_question_len,
            max_answer_len=max_answer_len,
            no_answer_threshold=no_answer_threshold,
        )
        options = ResultOptions(
            **{name: given[name] for name in ("top_k", "threshold", "max_answer_len", "no_answer_threshold")}
        )
        on_gpu, batch_size = given["use_gpu"], given["batch_size"]
        check_device(on_gpu)
        check_precision(precision, on_gpu=on_gpu)
        if self.compatible and self.task is None:
            return self._pooled_and_sequence(
                data, given["max_seq_len"], batch_size=batch_size, on_gpu=on_gpu, precision=precision
            )
        reading = self._reading(
            given["max_seq_len"], doc_stride=given["doc_stride"], max_question_len=given["max_question_len"]
        )
        examples, features = encode_data(
            data, task=self._task, tokenizer=self._tokenizer, reading=reading, split_char=given["split_char"]
        )
        if examples:
            warn_of_untrained(self._initial_values.unchanged(self.model), task=self.task)
        with evaluating(self), paddle.no_grad():
            outputs = compute_outputs(
                self._program(None, features.rows, precision=precision, on_gpu=on_gpu),
                features.rows,
                task=self._task,
                vocab=self._vocab,
                options=options,
                batch_size=batch_size,
                on_gpu=on_gpu,
            )
            combined = self._task.combine(self.model, list(outputs))
        results = self._task.results(
            examples, features=features, outputs=combined, tokenizer=self._tokenizer, options=options
        )
        with_ends = self.compatible and self.task == TokenClassification.name
        shown = [labels_with_ends(result) if with_ends else result.shown for result in results]
        if not given["return_prob"] or self.task is None:
            return shown
        return shown, [
            probabilities_with_ends(result) if with_ends else result.shown_probabilities for result in results
        ]

    def get_embedding(
        self,
        data: Sequence[Any],
        use_gpu: bool = False,
        *,
        pooling: str = "cls",
        max_seq_len: int | None = None,
        batch_size: int = 32,
        precision: str = "fp32",
    ) -> Any:
        """Return one vector per text (or pair), float32 (len(data), hidden_size).

        It comes from the encoder, for any task. `data` is not changed.

        Args:
            data: texts, lists of one text, or lists of two texts.
            use_gpu: compute on the GPU.
            pooling: "cls": the last hidden state of [CLS]; "mean": the mean over the pieces of the text; "pooler":
                BERT's pooler, if it is trained.
            max_seq_len, batch_size, precision: see `predict`.

        Returns:
            A numpy array. With `compatible=True` a list of [pooled, sequence] per text, as lists of numbers: see
            `hub.compatible`.

        Raises:
            HubModuleError: an option or an item is wrong; the message names it.
        """
        given = checked_options(batch_size=batch_size, use_gpu=use_gpu, max_seq_len=max_seq_len)
        on_gpu, batch_size = given["use_gpu"], given["batch_size"]
        check_device(on_gpu)
        check_precision(precision, on_gpu=on_gpu)
        check_pooling(pooling, bert=self.model.bert)
        if self.compatible:
            check_no_pooling(pooling)
            return self._pooled_and_sequence(
                data, given["max_seq_len"], batch_size=batch_size, on_gpu=on_gpu, precision=precision
            )
        rows = self._embedding_rows(data, given["max_seq_len"])
        with evaluating(self), paddle.no_grad():
            return embed(
                self.model.bert,
                rows,
                pooling=pooling,
                vocab=self._vocab,
                batch_size=batch_size,
                on_gpu=on_gpu,
                make_program=lambda kind, rows: self._program(kind, rows, precision=precision, on_gpu=on_gpu),
            )

    def predict_method(
        self,
        /,
        data: list[Any],
        max_seq_len: int | None = None,
        batch_size: int = 32,
        use_gpu: bool = False,
        **options: Any,
    ) -> Any:
        """Handle a request of `hub serving`, within `request_limits`.

        Args:
            data, max_seq_len, batch_size, use_gpu: see `predict`.
            options: those of `predict` that a request may hold; entities: True for {"labels", "offsets", "entities"}
                per text (token-cls).

        Returns:
            The results of `predict`, or without a task the embeddings as lists. As in PaddleHub, the labels of
            token-cls are those of the text, also with `compatible=True`.

        Raises:
            HubModuleError: the request is too large, or holds a wrong option or item.
        """
        check_request(data, options=options, task=self.task)
        check_answer_size(data, options=options, task=self.task, num_classes=len(self._task.labels))
        if self.task is None:
            if self.compatible:
                length, size = self._padded_length(max_seq_len), self._config.hidden_size
                check_num_states(len(data), length=length, hidden_size=size)
            vectors = self.get_embedding(data, use_gpu, max_seq_len=max_seq_len, batch_size=batch_size, **options)
            return vectors if self.compatible else vectors.tolist()
        with_entities = checked_options(entities=options.pop("entities", False))["entities"]
        answer = self.predict(data, max_seq_len, batch_size=batch_size, use_gpu=use_gpu, **options)
        if self.task != TokenClassification.name:
            return answer
        labels, *probabilities = answer if isinstance(answer, tuple) else (answer,)
        if self.compatible:
            labels = list(map(without_ends, labels))
            probabilities = [[each[1:-1] for each in part] for part in probabilities]
        if with_entities:
            labels = [each.with_entities for each in labels]
        return (labels, *probabilities) if probabilities else labels

    def _embedding_rows(self, data: Sequence[Any], max_seq_len: int | None) -> Sequence[Row]:
        reading = self._reading(max_seq_len)
        _, features = encode_data(data, task=HiddenStates(), tokenizer=self._tokenizer, reading=reading)
        return features.rows

    def _padded_length(self, max_seq_len: int | None) -> int:
        """Return the length of every text's states with `compatible=True`."""
        length = min(MAX_SEQ_LEN, self._config.max_position_embeddings) if max_seq_len is None else max_seq_len
        return self._reading(length).max_seq_length

    def _pooled_and_sequence(
        self, data: Sequence[Any], max_seq_len: int | None, *, batch_size: int, on_gpu: bool, precision: str
    ) -> list[list[Any]]:
        length = self._padded_length(max_seq_len)
        rows = self._embedding_rows(data, length)
        with evaluating(self), paddle.no_grad():
            program = self._program(AllStates, rows, precision=precision, on_gpu=on_gpu)
            return pooled_and_sequence(
                self.model.bert, rows, program=program, vocab=self._vocab, length=length, batch_size=batch_size
            )

    def _program(self, kind: type[AllStates] | None, rows: Sequence[Row], *, precision: str, on_gpu: bool) -> Program:
        """Return the program of the task's network (kind None) or of hidden states."""
        return self._programs.of(kind).get(precision=precision, num_tokens=sum(map(len, rows)), on_gpu=on_gpu)

    def _reading(self, max_seq_len: int | None, **numbers: int) -> Reading:
        return reading_of(max_seq_len=max_seq_len, max_positions=self._config.max_position_embeddings, **numbers)
