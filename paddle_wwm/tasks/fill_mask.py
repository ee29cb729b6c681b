"""The task fill-mask: the best tokens for every [MASK] of a text."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle
import paddle.nn as nn

from ..errors import DataError
from ..model.heads import BertForPretraining
from ..model_config import ModelConfig
from ..tokenization.vocab import MASK
from ..tokenization.wordpiece import WordPieceTokenizer
from .examples import Example, TextExample
from .results import FilledTextResult, FilledToken, MaskPlace, Result
from .rows import Batch, Row, row_of_texts
from .task import Features, Reading, ResultOptions, Task, softmax


class MaskedWordsNetwork(BertForPretraining):
    """The masked language model, with logits at the given positions only."""

    def forward(  # type: ignore[override]
        self,
        input_ids: paddle.Tensor,
        token_type_ids: paddle.Tensor,
        attention_mask: paddle.Tensor,
        flat_positions: paddle.Tensor,
    ) -> paddle.Tensor:
        """Compute the logits, shape (P, V).

        Args:
            input_ids, token_type_ids: int64 (B, T).
            attention_mask: bool (B, T).
            flat_positions: int64 (P,), row * T + column.
        """
        hidden = self.bert(input_ids, token_type_ids, attention_mask, flat_positions)
        return self.cls.predictions(hidden, self.bert.embeddings.word_embeddings.weight)


class FillMask(Task):
    """The text with the best tokens filled in, and the `top_k` best for each [MASK].

    A result has "text", "masks" (for each [MASK] a list of {"token", "score"}) and "places" (for each [MASK] its
    "start" and "end" in the caller's text, and its "filled_start" and "filled_end" in the result's "text").

    A score is a probability over the whole vocabulary. When hub.Trainer trains, labels are token ids (B, T), and -100
    where nothing is predicted.
    """

    name = "fill-mask"
    architecture = "BertForMaskedLM"
    has_classifier = needs_labels = False
    num_texts = (1,)
    max_batch_tokens = 1024  # every token may be a [MASK] with a logit per vocabulary entry

    def encode(
        self, examples: Sequence[Example], *, tokenizer: WordPieceTokenizer, reading: Reading, with_labels: bool = False
    ) -> Features:
        """Make one row per text. This task has no data sets, so it has no labels."""
        assert not with_labels
        vocab, room = tokenizer.vocab, reading.max_seq_length - 2
        rows: list[Row] = []
        num_cut = 0
        for owner, example in enumerate(examples):
            assert isinstance(example, TextExample)
            if MASK not in example.text:
                raise DataError(
                    f"{example.example_id}: a text for fill-mask must contain {MASK}, but has none; for vectors use "
                    f"get_embedding."
                )
            ids: list[int] = []
            for number, (pieces, _) in enumerate(tokenizer.encode_each(example.text.split(MASK))):
                ids += ([vocab.mask_id] if number else []) + pieces
            if vocab.mask_id in ids[room:]:
                raise DataError(
                    f"{example.example_id}: a {MASK} is beyond the first {room} tokens; shorten the text before it."
                )
            row, is_cut = row_of_texts(owner, ids, vocab=vocab, limit=reading.max_seq_length)
            rows.append(row)
            num_cut += is_cut
        return Features(rows=rows, counts={"texts_cut": num_cut})

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return MaskedWordsNetwork(config)

    def inputs(self, batch: Batch, *, mask_id: int) -> tuple[np.ndarray, ...]:
        """Return the arrays of a batch, and the flat positions of its masks, int64 (P,)."""
        flat = np.flatnonzero(batch.input_ids == mask_id)
        return batch.input_ids, batch.token_type_ids, batch.attention_mask, flat

    def logits(self, network: nn.Layer, inputs: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """Compute the logits of every token, shape (B, T, V)."""
        rows, columns = inputs[0].shape
        return network(*inputs, paddle.arange(rows * columns, dtype="int64")).reshape([rows, columns, -1])

    def outputs_of_batch(
        self, outputs: np.ndarray, batch: Batch, *, mask_id: int, options: ResultOptions
    ) -> list[np.ndarray]:
        """Return for each row (2, masks, top_k): the best tokens and their probabilities.

        Only the best are kept, because the logits of the whole vocabulary would not fit into memory.
        """
        flat = np.flatnonzero(batch.input_ids == mask_id)
        probabilities = softmax(outputs)
        top_k = min(options.top_k, probabilities.shape[-1])
        best = np.argpartition(-probabilities, top_k - 1, axis=-1)[:, :top_k]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(probabilities, best, axis=-1), axis=-1), axis=-1)
        both = np.stack([best.astype(np.float64), np.take_along_axis(probabilities, best, axis=-1)])
        return [both[:, flat // batch.input_ids.shape[1] == row] for row in range(len(batch.indices))]

    def results(
        self,
        examples: Sequence[Example],
        *,
        features: Features,
        outputs: Sequence[Any],
        tokenizer: WordPieceTokenizer,
        options: ResultOptions,
    ) -> Sequence[Result]:
        names = tokenizer.vocab.tokens
        found = []
        for example, (tokens, scores) in zip(examples, outputs):
            assert isinstance(example, TextExample)
            masks = tuple(
                tuple(FilledToken(token=names[int(token)], score=float(score)) for token, score in zip(*candidates))
                for candidates in zip(tokens, scores)
            )
            found.append(_filled(example.text, masks))
        return found


def _filled(text: str, masks: tuple[tuple[FilledToken, ...], ...]) -> FilledTextResult:
    """Return a text with the best token in the place of every [MASK]."""
    first, *parts = text.split(MASK)
    filled, start, places = first, len(first), []
    for candidates, part in zip(masks, parts):
        token = candidates[0].token.removeprefix("##")
        places.append(
            MaskPlace(start=start, end=start + len(MASK), filled_start=len(filled), filled_end=len(filled) + len(token))
        )
        filled += token + part
        start += len(MASK) + len(part)
    return FilledTextResult(text=filled, masks=masks, places=tuple(places))
