"""A BERT as a PaddleHub module: the calls of PaddleHub's TransformerModule, for every task."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import paddle
import paddle.nn as nn
from paddlehub.module.module import runnable
from paddlehub.module.nlp_module import TransformerModule

from ..errors import HubModuleError
from ..model.folder import VOCAB_NAME
from ..model.networks import AllStates
from ..tasks.hidden_states import HiddenStates, check_pooling, embed
from ..tasks.programs import compute_outputs, evaluating
from ..tasks.rows import Row
from ..tasks.task import Program, Reading, ResultOptions
from ..tokenization.wordpiece import WordPieceTokenizer
from .command_line import run_from_command_line
from .export import export_onnx, export_program
from .inference import Programs, use_device
from .inputs import check_batch_size, encode_data, hub_errors, reading_of
from .loading import load_parts
from .request_limits import EMBEDDING_OPTIONS, OPTIONS, check_request
from .training import encoder_layers, named_batch, network_inputs
from .weights import find_weights, load_checkpoint, warn_of_new_classifier


class BertHubModule(nn.Layer, TransformerModule):
    """What every module of the series is; a subclass adds its `moduleinfo`.

    task: a name of `task_table.TASKS`, or None: hidden states, or the own task of a module of a fine-tuned model.
    load_checkpoint: a file or folder of hub.Trainer's, or a fine-tuned model folder. label_map, num_classes: see
    `labels`. suffix: entity labels end in B, I … instead of beginning with them. weights: a model folder to use
    instead of the module's own.
    """

    def __init__(
        self,
        task: str | None = None,
        load_checkpoint: str | None = None,
        label_map: Mapping[Any, Any] | Sequence[Any] | None = None,
        num_classes: int | None = None,
        suffix: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        folder = find_weights(given=weights, module_folder=self._module_folder(), name=getattr(self, "name", None))
        parts = load_parts(folder, task=task, label_map=label_map, num_classes=num_classes, suffix=suffix)
        self._weights_folder = folder
        self.task = parts.task.name
        self.label_map = parts.label_map
        self._task = parts.task
        self._config = parts.config
        self.model = parts.network
        self._has_new_classifier = parts.has_new_classifier
        self._vocab = parts.vocab
        self._do_lower_case = parts.do_lower_case
        self._programs: dict[type[AllStates] | None, Programs] = {}
        self._tokenizer = WordPieceTokenizer(vocab=self._vocab, do_lower_case=self._do_lower_case)
        if load_checkpoint is not None:
            self._load_checkpoint(load_checkpoint)
        self.eval()

    @classmethod
    def _module_folder(cls) -> Path:
        return Path(inspect.getfile(cls)).parent

    def _load_checkpoint(self, path: str) -> None:
        load_checkpoint(self.model, path, task=self.task)
        self._has_new_classifier = False

    def set_state_dict(self, *arguments: Any, **options: Any) -> Any:
        """Paddle's own (hub.Trainer calls it); afterwards the classifier is no longer new."""
        self._has_new_classifier = False
        return super().set_state_dict(*arguments, **options)

    # ---- Using
    # ------------------------------------------------------------------------------------------------------------------

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
        """One result for every item of `data`, in its order; the form is in the docstring of the task's class. `data`
        is left as it is.

        data: texts, or lists of one text, or of two where the task takes pairs. max_seq_len: tokens read of a text
        (default: all that the model has positions for). split_char joins tokens (token-cls). top_k: candidates a mask
        (fill-mask) or a question. threshold: of a label's probability (multi-label). doc_stride, max_question_len,
        max_answer_len (in pieces), no_answer_threshold: see QuestionAnswering.
        precision: "fp32", or "bf16" where the CPU multiplies such numbers: faster, and a little less exact.
        return_prob: return (results, probabilities). Raises HubModuleError naming the item that is wrong.
        """
        use_device(use_gpu)
        check_batch_size(batch_size)
        reading = self._reading(max_seq_len, doc_stride=doc_stride, max_question_len=max_question_len)
        with hub_errors():
            options = ResultOptions(
                top_k=top_k,
                threshold=threshold,
                max_answer_len=max_answer_len,
                no_answer_threshold=no_answer_threshold,
            )
        examples, features = encode_data(
            data, task=self._task, tokenizer=self._tokenizer, reading=reading, split_char=split_char
        )
        if self._has_new_classifier and examples:
            warn_of_new_classifier(self.task)
        with evaluating(self), paddle.no_grad():
            outputs = compute_outputs(
                self._program(None, features.rows, precision=precision, on_gpu=use_gpu),
                features.rows,
                task=self._task,
                vocab=self._vocab,
                options=options,
                batch_size=batch_size,
                on_gpu=use_gpu,
            )
            combined = self._task.combine(self.model, list(outputs))
        results = self._task.results(
            examples, features=features, outputs=combined, tokenizer=self._tokenizer, options=options
        )
        shown = [result.shown for result in results]
        return (shown, [result.shown_probabilities for result in results]) if return_prob and self.task else shown

    def get_embedding(
        self, data: Sequence[Any], use_gpu: bool = False, *, pooling: str = "cls", max_seq_len: int | None = None, batch_size: int = 32,  # noqa: E501
        precision: str = "fp32",
    ) -> np.ndarray:  # fmt: skip
        """One vector a text (or pair): float32, shape (len(data), hidden_size); of the encoder, whatever the task.

        pooling: "cls" the last hidden state of [CLS]; "mean" the mean over the text's pieces; "pooler" BERT's pooler,
        where it is trained.
        """
        use_device(use_gpu)
        check_batch_size(batch_size)
        check_pooling(pooling, bert=self.model.bert)
        reading, task = self._reading(max_seq_len), HiddenStates()
        _, features = encode_data(data, task=task, tokenizer=self._tokenizer, reading=reading)
        with evaluating(self), paddle.no_grad():
            return embed(
                self.model.bert,
                features.rows,
                pooling=pooling,
                vocab=self._vocab,
                batch_size=batch_size,
                on_gpu=use_gpu,
                make_program=lambda kind, rows: self._program(kind, rows, precision=precision, on_gpu=use_gpu),
            )

    def predict_method(
        self,
        data: list[Any],
        max_seq_len: int | None = None,
        batch_size: int = 32,
        use_gpu: bool = False,
        **options: Any,
    ) -> Any:
        """What `hub serving` calls: `predict`, or without a task the embeddings, as JSON can hold them; bounded by
        `request_limits`.
        """
        check_request(data, options=options, allowed=EMBEDDING_OPTIONS if self.task is None else OPTIONS)
        if self.task is None:
            return self.get_embedding(data, use_gpu, max_seq_len=max_seq_len, batch_size=batch_size, **options).tolist()
        return self.predict(data, max_seq_len, batch_size=batch_size, use_gpu=use_gpu, **options)

    @runnable
    def run_cmd(self, arguments: Sequence[str]) -> Any:
        """What `hub run NAME --input_text …` calls."""
        return run_from_command_line(self, arguments)

    def get_tokenizer(self, **options: Any) -> Any:
        """PaddleNLP's BertTokenizer of this vocabulary, as PaddleHub's data sets want it."""
        from paddlenlp.transformers import BertTokenizer

        return BertTokenizer(str(self._weights_folder / VOCAB_NAME), do_lower_case=self._do_lower_case, **options)

    def _program(self, kind: type[AllStates] | None, rows: Sequence[Row], *, precision: str, on_gpu: bool) -> Program:
        """Of the task's network (None), or of hidden states."""
        if kind not in self._programs:
            self._programs[kind] = Programs(self.model if kind is None else kind(self.model.bert))
        return self._programs[kind].get(precision=precision, num_tokens=sum(map(len, rows)), on_gpu=on_gpu)

    def _reading(self, max_seq_len: int | None, **numbers: int) -> Reading:
        return reading_of(max_seq_len=max_seq_len, max_positions=self._config.max_position_embeddings, **numbers)

    # ---- Training
    # ------------------------------------------------------------------------------------------------------------------

    def forward(
        self,
        input_ids: paddle.Tensor | None = None,
        token_type_ids: paddle.Tensor | None = None,
        position_ids: None = None,
        attention_mask: paddle.Tensor | None = None,
        query_input_ids: paddle.Tensor | None = None,
        query_token_type_ids: paddle.Tensor | None = None,
        title_input_ids: paddle.Tensor | None = None,
        title_token_type_ids: paddle.Tensor | None = None,
        seq_lengths: paddle.Tensor | None = None,
        labels: paddle.Tensor | None = None,
    ) -> Any:
        """Probabilities; with labels (probabilities, loss, metrics); without a task (hidden states (B, T, D), pooled
        states (B, D)).

        input_ids, token_type_ids: int64 (B, T); attention_mask: (B, T), not 0 where attended to (default: all but
        padding). text-matching takes query_… and title_… instead. labels: int64, by task (B,), (B, T) with -100 where
        there is none, or float (B, C). seq_lengths: taken and not used, as labels say what counts; positions are
        always 0, 1, 2, …
        """
        if position_ids is not None:
            raise HubModuleError("`position_ids` must be None: positions are always 0, 1, 2, …")
        inputs_of = partial(network_inputs, task=self.task, pad_id=self._vocab.pad_id)
        if self.task == "text-matching":
            towers = (query_input_ids, query_token_type_ids), (title_input_ids, title_token_type_ids)
            inputs = [tensor for tower in towers for tensor in inputs_of(*tower, None)]
        else:
            inputs = inputs_of(input_ids, token_type_ids, attention_mask)
        logits = self._task.logits(self.model, inputs)
        if self.task is None:
            return logits, self.model.bert.pooler(logits[:, 0])
        mask = inputs[2] if len(inputs) == 3 else None
        probabilities = self._task.probabilities(logits, mask)
        if labels is None:
            return probabilities
        self._has_new_classifier = self._has_new_classifier and not self.training
        with hub_errors():
            loss = self._task.loss(logits, labels, mask)
        return probabilities, loss, self._task.batch_scores(logits.numpy(), labels.numpy())

    def training_step(self, batch: Sequence[paddle.Tensor], batch_idx: int) -> dict[str, Any]:
        """A step of hub.Trainer's. batch: input_ids, token_type_ids (of both towers) and, last, the labels; what else
        is in it is not used.
        """
        _, loss, metrics = self(**named_batch(batch, task=self.task))
        return {"loss": loss, "metrics": metrics}

    validation_step = training_step

    def get_params_layer(self) -> dict[str, int]:
        """Parameter name -> the number of its encoder layer, from 0; for learning rates by layer. Embeddings and heads
        are in none.
        """
        return encoder_layers(self)

    # ---- Saving
    # ------------------------------------------------------------------------------------------------------------------

    def save_inference_model(
        self,
        dirname: str,
        model_filename: str | None = None,
        params_filename: str | None = None,
        input_spec: Sequence[Any] | None = None,
        include_sub_modules: bool = True,
        combined: bool = True,
    ) -> None:
        """Write `forward` as a program for paddle.inference, DIRNAME/NAME.json and .pdiparams, with the vocabulary
        beside it.
        """
        export_program(
            self,
            Path(dirname),
            stem=model_filename or str(getattr(self, "name", "model")),
            input_spec=input_spec,
            vocab=self._vocab,
        )

    def export_onnx_model(
        self, dirname: str, input_spec: Sequence[Any] | None = None, include_sub_modules: bool = True, **options: Any
    ) -> None:
        """Write `forward` as DIRNAME/NAME.onnx. Unlike PaddleHub's own, this installs nothing."""
        export_onnx(
            self,
            Path(dirname),
            stem=getattr(self, "name", "model"),
            input_spec=input_spec,
            vocab=self._vocab,
            options=options,
        )
