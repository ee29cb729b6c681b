"""A BERT as a PaddleHub module: fill masked words, embed texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn
from paddlehub.module.nlp_module import TransformerModule

from ..errors import HubModuleError
from ..model.weights import CONFIG_NAME, TOKENIZER_CONFIG_NAME, VOCAB_NAME, load_model, read_json
from ..tokenization.vocab import MASK, load_vocab
from ..tokenization.wordpiece import WordPieceTokenizer

ASSETS = "assets"
TASKS = (None, "fill-mask")
POOLINGS = ("cls", "mean", "pooler")


class BertHubModule(nn.Layer, TransformerModule):
    """What every module of the series is; a subclass adds its `moduleinfo`.

    task: None or "fill-mask". weights: a model folder to use instead of the one in the module.
    """

    def __init__(self, task: str | None = None, weights: str | None = None) -> None:
        super().__init__()
        if task not in TASKS:
            raise HubModuleError(f"`task` must be None or 'fill-mask', but is {task!r}.")
        self.task = task
        folder = Path(weights) if weights is not None else self._module_directory() / ASSETS
        if not (folder / CONFIG_NAME).exists():
            raise HubModuleError(
                f"{folder}: holds no model. Give weights=DIR, a folder with config.json, model_state.pdparams and vocab.txt; "
                "or install an archive that has its weights inside. Random weights are never used."
            )
        self.model = load_model(folder)
        self._untrained = read_json(folder / CONFIG_NAME).get("untrained_parameters", [])
        self.model.eval()
        vocab = load_vocab(folder / VOCAB_NAME)
        if len(vocab) != self.model.config.vocab_size:
            raise HubModuleError(f"{folder}: vocab.txt has {len(vocab)} entries, but the model {self.model.config.vocab_size}.")
        do_lower_case = bool(read_json(folder / TOKENIZER_CONFIG_NAME).get("do_lower_case", True))
        self._tokenizer = WordPieceTokenizer(vocab=vocab, do_lower_case=do_lower_case)

    @classmethod
    def _module_directory(cls) -> Path:
        return Path(sys.modules[cls.__module__].__file__).parent

    def predict(
        self, data: Sequence[Any], max_seq_len: int | None = None, batch_size: int = 32, top_k: int = 5
    ) -> list[dict[str, Any]]:
        """Fill the [MASK]s of every text.

        data: texts, or lists of one text each as PaddleHub has them. Returns for each text {"text": the text with the best tokens filled in,
        "masks": for each [MASK] the `top_k` best tokens as {"token", "score"}, the score a probability}.
        """
        texts = self._texts(data)
        without = [index for index, text in enumerate(texts) if MASK not in text]
        if without:
            raise HubModuleError(f"data[{without[0]}]: predict fills masks, so a text must contain {MASK}; for vectors use get_embedding.")
        if "cls.predictions" in self._untrained:
            raise HubModuleError(
                "this model's weights came without a masked language model head, so it is random and would fill in anything: pretrain the model "
                "further (--init) first; vectors come from get_embedding."
            )
        if top_k < 1:
            raise HubModuleError(f"`top_k` must be at least 1, but is {top_k}.")
        rows = [self._encode(text, max_seq_len=max_seq_len, index=index) for index, text in enumerate(texts)]
        results: list[dict[str, Any]] = [{} for _ in rows]
        mask_id = self._tokenizer.vocab.mask_id
        for chosen, inputs in self._batches(rows, batch_size):
            ids = inputs[0].numpy()
            flat = np.flatnonzero(ids == mask_id)
            with paddle.no_grad():
                scores, _ = self.model(*inputs, paddle.to_tensor(flat), False)
                probabilities, tokens = paddle.topk(nn.functional.softmax(scores), min(top_k, scores.shape[-1]))
            owners = flat // ids.shape[1]
            for row, index in enumerate(chosen):
                mine = np.flatnonzero(owners == row)
                results[index] = self._filled(texts[index], tokens.numpy()[mine], probabilities.numpy()[mine])
        return results

    def _filled(self, text: str, tokens: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
        names = self._tokenizer.vocab.tokens
        parts = text.split(MASK)
        best = [names[row[0]].removeprefix("##") for row in tokens]
        return {
            "text": parts[0] + "".join(token + part for token, part in zip(best, parts[1:])),
            "masks": [
                [{"token": names[token], "score": float(score)} for token, score in zip(row, scores)] for row, scores in zip(tokens, probabilities)
            ],
        }

    def get_embedding(
        self, data: Sequence[Any], pooling: str = "cls", max_seq_len: int | None = None, batch_size: int = 32
    ) -> np.ndarray:
        """One vector a text: float32, shape (len(data), hidden_size).

        pooling: "cls" the last hidden state of [CLS]; "mean" the mean over the text's tokens without special ones; "pooler" BERT's pooler.
        """
        if pooling not in POOLINGS:
            raise HubModuleError(f"`pooling` must be one of {', '.join(POOLINGS)}, but is {pooling!r}.")
        if pooling == "pooler" and "bert.pooler" in self._untrained:
            raise HubModuleError("this model was trained without sentence pairs, so its pooler is random; use pooling='cls' or 'mean'.")
        rows = [self._encode(text, max_seq_len=max_seq_len, index=index) for index, text in enumerate(self._texts(data))]
        vectors = np.zeros((len(rows), self.model.config.hidden_size), np.float32)
        for chosen, inputs in self._batches(rows, batch_size):
            with paddle.no_grad():
                hidden = self.model.bert(*inputs)
                if pooling == "pooler":
                    vectors[chosen] = self.model.bert.pooler(hidden[:, 0]).numpy()
                    continue
            states = hidden.numpy()
            for row, index in enumerate(chosen):
                length = len(rows[index])
                # an empty text has no tokens of its own: its mean is that of [CLS] and [SEP]
                inner = slice(1, length - 1) if length > 2 else slice(0, length)
                vectors[index] = states[row, 0] if pooling == "cls" else states[row, inner].mean(0)
        return vectors

    @staticmethod
    def _texts(data: Sequence[Any]) -> list[str]:
        if isinstance(data, str):
            raise HubModuleError("`data` must be a list of texts, but is one text; write [text].")
        texts = []
        for index, item in enumerate(data):
            text = item[0] if isinstance(item, (list, tuple)) and len(item) == 1 else item
            if not isinstance(text, str):
                raise HubModuleError(f"data[{index}] must be a text, but is {type(text).__name__}.")
            texts.append(text)
        return texts

    def _encode(self, text: str, *, max_seq_len: int | None, index: int) -> list[int]:
        """Ids with [CLS] and [SEP]. A text that is too long is cut at its end; a [MASK] that would be cut off is an error."""
        longest = self.model.config.max_position_embeddings
        limit = longest if max_seq_len is None else max_seq_len
        if not 3 <= limit <= longest:
            raise HubModuleError(f"`max_seq_len` must be between 3 and the model's {longest} positions, but is {limit}.")
        vocab = self._tokenizer.vocab
        pieces: list[int] = []
        parts = text.split(MASK)
        encoded = self._tokenizer.encode(parts)
        for number in range(len(parts)):
            pieces += ([vocab.mask_id] if number else []) + encoded.ids_of_text(number).tolist()
        if vocab.mask_id in pieces[limit - 2 :]:
            raise HubModuleError(f"data[{index}]: a {MASK} lies beyond the first {limit - 2} tokens; shorten the text before it.")
        return [vocab.cls_id, *pieces[: limit - 2], vocab.sep_id]

    def _batches(self, rows: list[list[int]], batch_size: int):
        """Batches of like length, as (indices, (input_ids, token_type_ids, attention_mask)); nothing is padded beyond its batch."""
        if batch_size < 1:
            raise HubModuleError(f"`batch_size` must be at least 1, but is {batch_size}.")
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            width = max(len(rows[index]) for index in chosen)
            ids = np.full((len(chosen), width), self._tokenizer.vocab.pad_id, np.int64)
            mask = np.zeros(ids.shape, bool)
            for row, index in enumerate(chosen):
                ids[row, : len(rows[index])] = rows[index]
                mask[row, : len(rows[index])] = True
            yield chosen, (paddle.to_tensor(ids), paddle.zeros(ids.shape, "int64"), paddle.to_tensor(mask))
