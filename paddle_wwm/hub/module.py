"""A BERT as a PaddleHub module: the calls of PaddleHub's TransformerModule, for every task."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import Any, Mapping, Sequence

import paddle
from paddlehub.module.module import runnable
from paddlehub.module.nlp_module import TransformerModule

from ..errors import HubModuleError
from ..model.folder import VOCAB_NAME
from ..tokenization.added_words import is_chinese_word
from ..tokenization.wordpiece import WordPieceTokenizer
from .calls import ModuleCalls
from .command_line import run_from_command_line
from .export import export_program
from .export_onnx import export_onnx
from .inference import ModulePrograms
from .inputs import checked_options, hub_errors
from .loading import load_parts
from .old_calls import check_not_old
from .training import attention_mask_of, encoder_layers, forward_outputs, named_batch, network_inputs
from .untrained import InitialValues
from .weights import find_weights, load_checkpoint


class BertHubModule(ModuleCalls, TransformerModule):
    """The base class of all modules; a subclass adds its `moduleinfo`.

    Args:
        task: A name in `task_table.TASKS`; None: the task of a fine-tuned module, or hidden states.
        load_checkpoint: A file or folder of hub.Trainer, or a fine-tuned model folder.
        label_map, num_classes: The labels by class number (a dict or a list), or their number.
        suffix: Entity labels end in B, I, … instead of starting with them.
        weights: A model folder to use instead of the module's own.
        compatible: Results have the forms of PaddleHub 2.4's own modules, for programs that were written for them:
            token-cls also gives the labels of [CLS] and [SEP], get_embedding gives lists [pooled, sequence]. See
            `hub.compatible` and docs/official-modules.md.
    """

    def __init__(
        self,
        task: str | None = None,
        load_checkpoint: str | None = None,
        label_map: Mapping[Any, Any] | Sequence[Any] | None = None,
        num_classes: int | None = None,
        suffix: bool = False,
        weights: str | None = None,
        compatible: bool = False,
    ) -> None:
        super().__init__()
        given = checked_options(load_checkpoint=load_checkpoint, suffix=suffix, weights=weights, compatible=compatible)
        self.compatible, suffix = given["compatible"], given["suffix"]
        folder = find_weights(given=weights, module_folder=self._module_folder(), name=getattr(self, "name", None))
        parts = load_parts(folder, task=task, label_map=label_map, num_classes=num_classes, suffix=suffix)
        self._weights_folder = folder
        self.task = parts.task.name
        self.label_map = parts.label_map
        self._task = parts.task
        self._config = parts.config
        self.model = parts.network
        is_random = parts.has_new_classifier and load_checkpoint is None
        self._initial_values = InitialValues(self.model, task=self._task, has_new_classifier=is_random)
        self._vocab = parts.vocab
        self._do_lower_case = parts.do_lower_case
        self._programs = ModulePrograms(self.model, task=self._task, config=self._config)
        self._tokenizer = WordPieceTokenizer(vocab=self._vocab, do_lower_case=self._do_lower_case)
        if load_checkpoint is not None:
            self._load_checkpoint(load_checkpoint)  # sets every parameter
        self.eval()

    @classmethod
    def _module_folder(cls) -> Path:
        return Path(inspect.getfile(cls)).parent

    def _load_checkpoint(self, path: str) -> None:
        load_checkpoint(self.model, path, task=self.task)

    def __getattr__(self, name: str) -> Any:
        check_not_old(name)
        return super().__getattr__(name)

    # ---- Use (predict, get_embedding, predict_method: see ModuleCalls)

    @runnable
    def run_cmd(self, arguments: Sequence[str]) -> Any:
        """Run `hub run NAME --input_text …`."""
        return run_from_command_line(self, arguments)

    def get_tokenizer(self, **options: Any) -> Any:
        """Return PaddleNLP's BertTokenizer for this vocabulary, for PaddleHub's data sets."""
        from paddlenlp.transformers import BertTokenizer

        if words := [token for token in self._vocab.tokens if is_chinese_word(token)]:
            options = {"additional_special_tokens": words, **options}  # without it, they are split into characters
        return BertTokenizer(str(self._weights_folder / VOCAB_NAME), do_lower_case=self._do_lower_case, **options)

    # ---- Training

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
        """Return probabilities, or with labels (probabilities, loss, metrics).

        Without a task: (hidden states (B, T, D), pooled states (B, D)). input_ids, token_type_ids: int64 (B, T).
        attention_mask: (B, T), 0 at positions that are not attended to (default: padding). text-matching takes query_…
        and title_… instead. labels, by task: int64 (B,), int64 (B, T) with -100 for no label, or float (B, C).
        seq_lengths: not used, as labels mark the positions that count. Positions are always 0, 1, 2, …
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
        outputs = forward_outputs(logits, inputs, task=self._task, network=self.model)
        if labels is None or self.task is None:
            return outputs
        with hub_errors():
            loss = self._task.loss(logits, labels, attention_mask_of(inputs))
        return outputs, loss, self._task.batch_scores(logits.numpy(), labels.numpy())

    def training_step(self, batch: Sequence[paddle.Tensor], batch_idx: int) -> dict[str, Any]:
        """Compute the loss and metrics of a batch for hub.Trainer.

        batch: input_ids and token_type_ids (of both towers) first, labels last; other tensors are not used.
        """
        _, loss, metrics = self(**named_batch(batch, task=self.task))
        return {"loss": loss, "metrics": metrics}

    validation_step = training_step

    def get_params_layer(self) -> dict[str, int]:
        """Return the encoder layer (from 0) of each parameter, by parameter name.

        It serves learning rates by layer. Embeddings and heads are left out.
        """
        return encoder_layers(self)

    # ---- Saving

    def save_inference_model(
        self,
        dirname: str,
        model_filename: str | None = None,
        params_filename: str | None = None,
        input_spec: Sequence[Any] | None = None,
        include_sub_modules: bool = True,
        combined: bool = True,
    ) -> None:
        """Write `forward` for paddle.inference: DIRNAME/NAME.json, .pdiparams, vocab.txt.

        model_filename, params_filename: other names for the two files; a missing ".json" is added to the first.
        """
        stem = Path(dirname) / (model_filename or str(getattr(self, "name", "model"))).removesuffix(".json")
        weights = Path(dirname) / params_filename if params_filename else None
        export_program(self.model, stem, weights=weights, **self._exported_parts(input_spec))

    def export_onnx_model(
        self, dirname: str, input_spec: Sequence[Any] | None = None, include_sub_modules: bool = True, **options: Any
    ) -> None:
        """Write `forward` as DIRNAME/NAME.onnx. Unlike PaddleHub, install nothing."""
        path = Path(dirname) / f"{getattr(self, 'name', 'model')}.onnx"
        export_onnx(self.model, path, options=options, **self._exported_parts(input_spec))

    def _exported_parts(self, input_spec: Sequence[Any] | None) -> dict[str, Any]:
        if type(self).forward is not BertHubModule.forward:
            raise HubModuleError(
                f"{type(self).__name__} has its own `forward`, which a module cannot export; use paddle.jit.save in a "
                f"process that does nothing else."
            )
        return {"task": self._task, "config": self._config, "vocab": self._vocab, "input_spec": input_spec}
