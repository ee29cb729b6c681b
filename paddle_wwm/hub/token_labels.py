"""token-cls: a label for every token of the caller's, and for nothing else."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import paddle.nn as nn

from ..config import ModelConfig
from .inputs import Batch, Row, RowEncoder, texts_of
from .networks import TokenNetwork
from .task import IGNORED_LABEL, Predictions, PredictOptions, Program, Task, softmax

OUTSIDE = "O"


class TokenClassification(Task):
    """Labels of tokens. Tokens are joined by `split_char`; a text without it is cut into its pieces, each Chinese character by itself.

    Results: for each text the list of its tokens' labels, as long as the list of its tokens. A token of several pieces has the label of the
    first; one without any (a space) is outside: "O", or None where the label map has no "O". Long texts are read in windows that overlap by half.
    """

    name = "token-cls"
    architecture = "BertForTokenClassification"

    def __init__(self, *, label_map: dict[int, Any], suffix: bool = False) -> None:
        super().__init__(label_map=label_map, suffix=suffix)
        self._outside = OUTSIDE if OUTSIDE in self.labels else None

    def make_network(self, config: ModelConfig) -> nn.Layer:
        return TokenNetwork(config, len(self.labels))

    def rows(self, data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[Row]:
        room = encoder.limit - 2
        rows = []
        for owner, (ids, _) in enumerate(self._tokens(data, encoder=encoder, options=options)):
            last = max(0, len(ids) - room)
            starts = [*range(0, last, max(1, room // 2)), last]
            rows += [
                Row(
                    owner=owner,
                    input_ids=[encoder.vocab.cls_id, *ids[start : start + room], encoder.vocab.sep_id],
                    token_type_ids=[0] * (len(ids[start : start + room]) + 2),
                    start=start,
                )
                for start in starts
            ]
        return rows

    @staticmethod
    def _tokens(data: Sequence[Any], *, encoder: RowEncoder, options: PredictOptions) -> list[tuple[list[int], list[int]]]:
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

    def results(self, data: Sequence[Any], *, rows: Sequence[Row], outputs: list[Any], encoder: RowEncoder, options: PredictOptions) -> Predictions:
        windows: dict[int, list[tuple[int, np.ndarray]]] = {}
        for row, output in zip(rows, outputs):
            windows.setdefault(row.owner, []).append((row.start, output))
        results, probabilities = [], []
        for owner, (ids, firsts) in enumerate(self._tokens(data, encoder=encoder, options=options)):
            values = softmax(_joined(windows[owner], len(ids)))
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
                set(get_entities([str(self.labels[int(number)]) for number in numbers[chosen]], self.suffix)) for numbers in (predicted, wanted)
            )
            num_right += len(found & right)
            num_either += len(found) + len(right)
        return {"f1_score": 2.0 * num_right / num_either if num_either else 0.0}


def _joined(windows: list[tuple[int, np.ndarray]], num_pieces: int) -> np.ndarray:
    """The logits of a text from those of its windows: every piece's from the window in which it stands farthest from an edge."""
    joined = np.zeros((num_pieces, windows[0][1].shape[-1]), np.float32)
    distances = np.full(num_pieces, -1)
    for start, logits in windows:
        place = np.arange(len(logits))
        distance = np.minimum(place, len(logits) - 1 - place)
        # the ends of the text are no edges
        distance = np.where((start == 0) & (place < len(logits) / 2), len(logits), distance)
        distance = np.where((start + len(logits) == num_pieces) & (place >= len(logits) / 2), len(logits), distance)
        better = distance > distances[start : start + len(logits)]
        chosen = start + np.flatnonzero(better)
        joined[chosen], distances[chosen] = logits[better], distance[better]
    return joined
