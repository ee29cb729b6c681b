"""token-cls: a label for every token of the caller's, and for nothing else."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle.nn as nn

from ..config import ModelConfig
from ..model.finetuned import HEADS
from ..model.networks import TokenNetwork
from ..tasks.network.rows import Batch, Row, join_windows, overlapping_rows
from ..tokenization.vocab import IGNORED_LABEL
from .inputs import RowEncoder, texts_of
from .task import Predictions, PredictOptions, Program, Task, softmax

OUTSIDE = "O"


class TokenClassification(Task):
    """Labels of tokens. Tokens are joined by `split_char`; a text without it is cut into its pieces, each Chinese
    character by itself.

    Results: for each text the list of its tokens' labels, as long as the list of its tokens. A token of several pieces
    has the label of the first; one without any (a space) is outside: "O", or None where the label map has no "O". Long
    texts are read in windows that overlap by half.
    """

    name = "token-cls"
    architecture = HEADS[name]

    def __init__(self, *, label_map: dict[int, Any], suffix: bool = False) -> None:
        super().__init__(label_map=label_map, suffix=suffix)
        self._outside = OUTSIDE if OUTSIDE in self.labels else None

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return TokenNetwork(config, len(self.labels))

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        tokens = self._tokens(data, encoder=encoder, options=options)
        return [
            row
            for owner, (ids, _) in enumerate(tokens)
            for row in overlapping_rows(owner, ids, vocab=encoder.vocab, limit=encoder.limit)
        ]

    @staticmethod
    def _tokens(
        data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions
    ) -> list[tuple[list[int], list[int]]]:
        """For each text its pieces, and for each of its tokens the number of its first piece, -1 where it has none."""
        found = []
        for (text,) in texts_of(data):
            if not options.split_char or options.split_char not in text:
                [ids] = encoder.pieces([text])
                found.append((ids, list(range(len(ids)))))
                continue
            ids, firsts = [], []
            for pieces in encoder.pieces(text.split(options.split_char)):
                firsts.append(len(ids) if pieces else -1)
                ids += pieces
            found.append((ids, firsts))
        return found

    def run(self, program: Program, batch: Batch, *, encoder: RowEncoder, options: PredictOptions) -> list[np.ndarray]:
        """Logits of the pieces, without [CLS], [SEP] and padding."""
        lengths = batch.attention_mask.sum(axis=1)
        outputs = program(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        return [np.ascontiguousarray(output[1 : length - 1]) for output, length in zip(outputs, lengths)]

    def results(
        self,
        data: Sequence[Any],
        *,
        rows: Sequence[Row],
        outputs: list[Any],
        encoder: RowEncoder,
        options: PredictOptions,
    ) -> Predictions:
        windows: dict[int, list[tuple[int, np.ndarray]]] = {}
        for row, output in zip(rows, outputs):
            windows.setdefault(row.owner, []).append((row.start, output))
        results, probabilities = [], []
        for owner, (ids, firsts) in enumerate(self._tokens(data, encoder=encoder, options=options)):
            values = softmax(join_windows(windows[owner], num_pieces=len(ids)))
            best = values.argmax(-1) if len(ids) else values
            results.append([self._outside if first < 0 else self.labels[int(best[first])] for first in firsts])
            probabilities.append([None if first < 0 else values[first].tolist() for first in firsts])
        return Predictions(results=results, probabilities=probabilities)

    def metrics(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """f1_score: of whole entities (B-, I- … labels) in the batch."""
        from seqeval.metrics.sequence_labeling import get_entities

        num_right = num_either = 0
        for predicted, wanted in zip(logits.argmax(-1), labels.reshape(logits.shape[:-1])):
            chosen = np.flatnonzero(wanted != IGNORED_LABEL)
            found, right = (
                set(get_entities([str(self.labels[int(number)]) for number in numbers[chosen]], self.suffix))
                for numbers in (predicted, wanted)
            )
            num_right += len(found & right)
            num_either += len(found) + len(right)
        return {"f1_score": 2.0 * num_right / num_either if num_either else 0.0}
