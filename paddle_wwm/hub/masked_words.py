"""fill-mask: the best tokens for every [MASK]."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..config import ModelConfig
from ..errors import HubModuleError
from ..model.heads import BertForPretraining
from ..tasks.network.rows import Batch, Row
from ..tokenization.vocab import MASK
from .inputs import RowEncoder, texts_of
from .task import Predictions, PredictOptions, Program, Task, softmax


class MaskedWordsNetwork(BertForPretraining):
    """The masked language model's scores at the asked positions."""

    def forward(  # type: ignore[override]
        self,
        input_ids: paddle.Tensor,
        token_type_ids: paddle.Tensor,
        attention_mask: paddle.Tensor,
        flat_positions: paddle.Tensor,
    ) -> paddle.Tensor:
        """Shape (P, V); flat_positions: int64 (P,), row * T + column."""
        hidden = self.bert(input_ids, token_type_ids, attention_mask, flat_positions)
        return self.cls.predictions(hidden, self.bert.embeddings.word_embeddings.weight)


class FillMask(Task):
    """Results: {"text": the text with the best tokens filled in, "masks": for each [MASK] the `top_k` best as
    {"token", "score"}}.

    A score is a probability over the whole vocabulary. In training, labels are (batch_size, seq_len) token ids, -100
    where nothing is predicted.
    """

    name = "fill-mask"
    architecture = "BertForMaskedLM"
    has_classifier = False
    max_batch_tokens = 1024  # all of them may be masks, with a score for every vocabulary entry

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return MaskedWordsNetwork(config)

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        if not isinstance(options.top_k, int) or options.top_k < 1:
            raise HubModuleError(f"`top_k` must be at least 1, but is {options.top_k!r}.")
        rows = []
        for owner, (text,) in enumerate(texts_of(data)):
            if MASK not in text:
                raise HubModuleError(
                    f"data[{owner}]: predict fills masks, so a text must contain {MASK}; for vectors use get_embedding."
                )
            ids: list[int] = []
            for number, pieces in enumerate(encoder.pieces(text.split(MASK))):
                ids += ([encoder.vocab.mask_id] if number else []) + pieces
            if encoder.vocab.mask_id in ids[encoder.limit - 2 :]:
                raise HubModuleError(
                    f"data[{owner}]: a {MASK} lies beyond the first {encoder.limit - 2} tokens; shorten the "
                    f"text before it."
                )
            rows.append(encoder.row(owner, ids))
        return rows

    def run(self, program: Program, batch: Batch, *, encoder: RowEncoder, options: PredictOptions) -> list[np.ndarray]:
        """For each row (2, masks, top_k): the best tokens and their probabilities; all scores would not fit into
        memory.
        """
        flat = np.flatnonzero(batch.input_ids == encoder.vocab.mask_id)
        probabilities = softmax(program(batch.input_ids, batch.token_type_ids, batch.attention_mask, flat))
        top_k = min(options.top_k, probabilities.shape[-1])
        best = np.argpartition(-probabilities, top_k - 1, axis=-1)[:, :top_k]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(probabilities, best, axis=-1), axis=-1), axis=-1)
        both = np.stack([best.astype(np.float64), np.take_along_axis(probabilities, best, axis=-1)])
        return [both[:, flat // batch.input_ids.shape[1] == row] for row in range(len(batch.indices))]

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        names = encoder.vocab.tokens
        results: list[dict[str, Any]] = []
        for (text,), (tokens, scores) in zip(texts_of(data), outputs):
            masks: list[list[dict[str, Any]]] = [
                [{"token": names[int(token)], "score": float(score)} for token, score in zip(*candidates)]
                for candidates in zip(tokens, scores)
            ]
            parts = text.split(MASK)
            filled = [candidates[0]["token"].removeprefix("##") for candidates in masks]
            results.append(
                {"text": parts[0] + "".join(token + part for token, part in zip(filled, parts[1:])), "masks": masks}
            )
        return Predictions(
            results=results,
            probabilities=[[[item["score"] for item in mask] for mask in result["masks"]] for result in results],
        )

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Of every token, shape (B, T, V)."""
        rows, columns = inputs[0].shape
        return network(*inputs, paddle.arange(rows * columns, dtype="int64")).reshape([rows, columns, -1])
