"""A BERT as a PaddleHub module: the calls of PaddleHub's TransformerModule, for every task."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import paddle
import paddle.nn as nn
from paddlehub.module.module import runnable
from paddlehub.module.nlp_module import TransformerModule

from ..errors import HubModuleError
from ..model.finetuned import load_network, read_description
from ..model.folder import TOKENIZER_CONFIG_NAME, VOCAB_NAME, read_json
from ..model.labels import label_map_of
from ..model.networks import AllStates
from ..tasks.network.rows import MAX_BATCH_TOKENS, Row
from ..tokenization.vocab import load_vocab
from ..tokenization.wordpiece import WordPieceTokenizer
from .command_line import run_from_command_line
from .export import export_onnx, export_program
from .hidden_states import embed
from .inference import CPU_BATCH_TOKENS, Programs
from .inputs import RowEncoder, batches_by_length
from .request_limits import EMBEDDING_OPTIONS, OPTIONS, check_request
from .task import PredictOptions, Program
from .tasks import task_class
from .weights import find_weights, load_checkpoint, pinned, warn_of_new_classifier

_LAYER = re.compile(r"\bencoder\.layers\.(\d+)\.")


class BertHubModule(nn.Layer, TransformerModule):
    """What every module of the series is; a subclass adds its `moduleinfo`.

    task: None (hidden states, embeddings) or a name of `tasks.TASKS`; None is the task of its own for a module of a
    fine-tuned model.
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
        kind = task_class(task)
        folder = find_weights(given=weights, module_folder=self._module_folder(), name=getattr(self, "name", None))
        self._weights_folder = folder
        with pinned(folder) as source:
            description = read_description(source)
            if task is None and description.task is not None:
                kind = task_class(description.task)
            # seq-cls and multi-label have the same network: PaddleNLP's folders do not say which of them they are
            is_of_task = description.task is not None and task_class(description.task).architecture == kind.architecture
            if kind.has_classifier and description.task is not None and not is_of_task:
                raise HubModuleError(f"{folder}: holds a model of task {description.task!r}, not of {task!r}.")
            own_labels = description.label_map if is_of_task else None
            if own_labels is not None and label_map is not None and len(label_map_of(label_map)) != len(own_labels):
                raise HubModuleError(f"{folder}: has {len(own_labels)} classes, but `label_map` has {len(label_map)}.")
            if label_map is not None and not kind.has_classifier:
                raise HubModuleError(f"`label_map` goes with a task that has labels, not with {kind.name!r}.")
            self.task = kind.name
            self.label_map = label_map_of(own_labels if label_map is None else label_map, num_classes=num_classes)
            self._task = kind(label_map=self.label_map, suffix=suffix)
            self._config = description.config
            self.model = self._task.make_network(description.config)
            self._has_new_classifier = load_network(self.model, source, untrained=description.untrained)
            self._vocab = load_vocab(source / VOCAB_NAME)
            self._do_lower_case = bool(read_json(source / TOKENIZER_CONFIG_NAME).get("do_lower_case", True))
        if len(self._vocab) != description.config.vocab_size:
            raise HubModuleError(
                f"{folder}: vocab.txt has {len(self._vocab)} entries, but the model {description.config.vocab_size}."
            )
        self._programs: dict[type[AllStates] | None, Programs] = {}
        self._tokenizer = WordPieceTokenizer(vocab=self._vocab, do_lower_case=self._do_lower_case)
        if load_checkpoint is not None:
            self._load_checkpoint(load_checkpoint)
        self.eval()

    @classmethod
    def _module_folder(cls) -> Path:
        return Path(sys.modules[cls.__module__].__file__).parent

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
        self._use_device(use_gpu)
        data = list(data) if not isinstance(data, (str, bytes, Mapping)) and hasattr(data, "__iter__") else data
        options = PredictOptions(
            split_char=split_char, top_k=top_k, threshold=threshold, doc_stride=doc_stride, max_question_len=max_question_len,  # noqa: E501
            max_answer_len=max_answer_len, no_answer_threshold=no_answer_threshold,
        )  # fmt: skip
        encoder = self._encoder(max_seq_len)
        rows = self._task.rows(data, encoder=encoder, options=options)
        encoder.warn_of_cuts()
        if self._has_new_classifier and rows:
            warn_of_new_classifier(self.task)
        outputs: list[Any] = [None] * len(rows)
        with _Evaluating(self), paddle.no_grad():
            program = self._program(None, rows, precision=precision, on_gpu=use_gpu)
            max_tokens = min(self._task.max_batch_tokens, _max_batch_tokens(use_gpu))
            for batch in batches_by_length(
                rows, batch_size=batch_size, pad_id=self._vocab.pad_id, max_tokens=max_tokens
            ):
                for index, output in zip(
                    batch.indices, self._task.run(program, batch, encoder=encoder, options=options)
                ):
                    outputs[index] = output
            outputs = self._task.combine(self.model, outputs)
        predictions = self._task.results(data, rows=rows, outputs=outputs, encoder=encoder, options=options)
        return (predictions.results, predictions.probabilities) if return_prob and self.task else predictions.results

    def get_embedding(
        self, data: Sequence[Any], use_gpu: bool = False, *, pooling: str = "cls", max_seq_len: int | None = None, batch_size: int = 32,  # noqa: E501
        precision: str = "fp32",
    ) -> np.ndarray:  # fmt: skip
        """One vector a text (or pair): float32, shape (len(data), hidden_size); of the encoder, whatever the task.

        pooling: "cls" the last hidden state of [CLS]; "mean" the mean over the text's pieces; "pooler" BERT's pooler,
        where it is trained.
        """
        self._use_device(use_gpu)
        encoder = self._encoder(max_seq_len)
        with _Evaluating(self), paddle.no_grad():
            vectors = embed(
                self.model.bert, data, pooling=pooling, encoder=encoder, batch_size=batch_size, max_tokens=_max_batch_tokens(use_gpu),  # noqa: E501
                make_program=lambda kind, rows: self._program(kind, rows, precision=precision, on_gpu=use_gpu),
            )  # fmt: skip
        encoder.warn_of_cuts()
        return vectors

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

    def get_tokenizer(self, **options: Any):
        """PaddleNLP's BertTokenizer of this vocabulary, as PaddleHub's data sets want it."""
        from paddlenlp.transformers import BertTokenizer

        return BertTokenizer(str(self._weights_folder / VOCAB_NAME), do_lower_case=self._do_lower_case, **options)

    def _program(self, kind: type[AllStates] | None, rows: Sequence[Row], *, precision: str, on_gpu: bool) -> Program:
        """Of the task's network (None), or of hidden states."""
        if kind not in self._programs:
            self._programs[kind] = Programs(self.model if kind is None else kind(self.model.bert))
        return self._programs[kind].get(precision=precision, num_tokens=sum(map(len, rows)), on_gpu=on_gpu)

    def _encoder(self, max_seq_len: int | None) -> RowEncoder:
        return RowEncoder(
            tokenizer=self._tokenizer, max_positions=self._config.max_position_embeddings, max_seq_len=max_seq_len
        )

    @staticmethod
    def _use_device(use_gpu: bool) -> None:
        if use_gpu and not paddle.is_compiled_with_cuda():
            raise HubModuleError("`use_gpu` is set, but this Paddle is built for the CPU only.")
        paddle.set_device("gpu" if use_gpu else "cpu")

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
        if self.task == "text-matching":
            inputs = [
                *self._inputs(query_input_ids, query_token_type_ids, None),
                *self._inputs(title_input_ids, title_token_type_ids, None),
            ]
        else:
            inputs = self._inputs(input_ids, token_type_ids, attention_mask)
        logits = self._task.logits(self.model, inputs)
        if self.task is None:
            return logits, self.model.bert.pooler(logits[:, 0])
        probabilities = self._task.probabilities(logits)
        if labels is None:
            return probabilities
        self._has_new_classifier = self._has_new_classifier and not self.training
        return probabilities, self._task.loss(logits, labels), self._task.metrics(logits.numpy(), labels.numpy())

    def _inputs(self, input_ids: Any, token_type_ids: Any, attention_mask: Any) -> list[paddle.Tensor]:
        if input_ids is None:
            raise HubModuleError(
                f"`forward` of {self.task} needs input_ids"
                + (", query_… and title_…." if self.task == "text-matching" else ".")
            )
        token_type_ids = paddle.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        return [
            input_ids,
            token_type_ids,
            input_ids != self._vocab.pad_id if attention_mask is None else attention_mask.astype("bool"),
        ]

    def training_step(self, batch: Sequence[paddle.Tensor], batch_idx: int) -> dict[str, Any]:
        """A step of hub.Trainer's. batch: input_ids, token_type_ids (of both towers) and, last, the labels; what else
        is in it is not used.
        """
        if self.task is None:
            raise HubModuleError("training needs a task.")
        if self.task == "text-matching":
            names = ("query_input_ids", "query_token_type_ids", "title_input_ids", "title_token_type_ids")
        else:
            names = ("input_ids", "token_type_ids")
        if len(batch) <= len(names):
            raise HubModuleError(
                f"a batch of {self.task} must hold {', '.join(names)} and labels, but holds {len(batch)}; "
                f"have the data labels?"
            )
        _, loss, metrics = self(**dict(zip(names, batch)), labels=batch[-1])
        return {"loss": loss, "metrics": metrics}

    validation_step = training_step

    def get_params_layer(self) -> dict[str, int]:
        """Parameter name -> the number of its encoder layer, from 0; for learning rates by layer. Embeddings and heads
        are in none.
        """
        found = ((parameter.name, _LAYER.search(name)) for name, parameter in self.named_parameters())
        return {name: int(match[1]) for name, match in found if match}

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
            stem=model_filename or getattr(self, "name", "model"),
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


def _max_batch_tokens(on_gpu: bool) -> int:
    return MAX_BATCH_TOKENS if on_gpu else CPU_BATCH_TOKENS


class _Evaluating:
    """Inside, a layer is in evaluation mode; afterwards it is as it was."""

    def __init__(self, layer: nn.Layer) -> None:
        self._layer = layer

    def __enter__(self) -> None:
        self._was_training = self._layer.training
        self._layer.eval()

    def __exit__(self, *_: Any) -> None:
        if self._was_training:
            self._layer.train()
