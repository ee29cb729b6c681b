"""What differs between the kinds of tasks once examples are rows: the network, its loss, and how outputs become
predictions.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F

from ...config import ModelConfig
from ...model.finetuned import QUESTION_ANSWERING
from ...model.networks import ANSWER_KINDS, AnswerNetwork, PooledNetwork, TokenNetwork, split_kinds
from ...tokenization.vocab import IGNORED_LABEL
from ..answer_kinds import KIND_TEXTS, kind_of_windows
from ..reading_comprehension import DecodingConfig, decode
from ..types import AnswerKind, Example, TaskKind
from .features import Features, Reading
from .rows import Batch, Row, WindowRow, join_windows

OUTSIDE = "O"
TASK_NAMES = {  # in config.json, and of hub modules
    TaskKind.CLASSIFICATION: "seq-cls",
    TaskKind.TOKEN_LABELS: "token-cls",
    TaskKind.READING_COMPREHENSION: QUESTION_ANSWERING,
}


def make_network(config: ModelConfig, *, reading: Reading) -> nn.Layer:
    """A network whose weights are new, drawn from paddle.seed's state. What its outputs do not depend on is not
    trained.
    """
    if reading.kind is TaskKind.CLASSIFICATION:
        return PooledNetwork(config, len(reading.labels))
    if reading.with_kinds:
        return AnswerNetwork(config)
    network = TokenNetwork(config, len(reading.labels) if reading.kind is TaskKind.TOKEN_LABELS else 2)
    for (
        parameter
    ) in network.bert.pooler.parameters():  # the exchange of gradients needs one of every parameter that is trained
        parameter.stop_gradient = True
    return network


def label_map_of_reading(reading: Reading) -> dict[int, str]:
    """What config.json is to say of the classes."""
    return dict(enumerate(ANSWER_KINDS if reading.with_kinds else reading.labels))


def labels_of_batch(features: Features, batch: Batch, *, reading: Reading) -> np.ndarray:
    """The labels of a batch's rows, int64: (B,), of reading comprehension (B, 2 or 3), of tokens (B, T) with -100
    where there is none.
    """
    labels = [features.labels[index] for index in batch.indices]
    if reading.kind is not TaskKind.TOKEN_LABELS:
        return np.stack(labels)
    padded = np.full(batch.input_ids.shape, IGNORED_LABEL, np.int64)
    for row, label in enumerate(labels):
        padded[row, : np.size(label)] = label
    return padded


def num_targets(labels: Sequence[np.ndarray], *, reading: Reading) -> int:
    """What the loss of rows with these labels is a mean over: rows, or labelled tokens."""
    return (
        sum(int((label != IGNORED_LABEL).sum()) for label in labels)
        if reading.kind is TaskKind.TOKEN_LABELS
        else len(labels)
    )


def summed_loss(
    outputs: paddle.Tensor, labels: paddle.Tensor, attention_mask: paddle.Tensor, *, reading: Reading
) -> paddle.Tensor:
    """The loss summed over the targets of a batch. Of reading comprehension the mean of both ends' cross-entropies,
    plus that of the kind.
    """
    if reading.kind is TaskKind.CLASSIFICATION:
        return F.cross_entropy(outputs, labels, reduction="sum")
    if reading.kind is TaskKind.TOKEN_LABELS:
        flat = outputs.reshape([-1, outputs.shape[-1]])
        return F.cross_entropy(flat, labels.reshape([-1]), ignore_index=IGNORED_LABEL, reduction="sum")
    tokens, kinds = split_kinds(outputs) if reading.with_kinds else (outputs, None)
    # padding is no candidate, so that the loss does not depend on what else is in the batch
    bias_BT1 = paddle.where(attention_mask, 0.0, -1e30).unsqueeze(-1)
    by_ends = (tokens + bias_BT1).transpose([0, 2, 1])
    loss = F.cross_entropy(by_ends.reshape([-1, by_ends.shape[-1]]), labels[:, :2].reshape([-1]), reduction="sum") / 2
    return loss if kinds is None else loss + F.cross_entropy(kinds, labels[:, 2], reduction="sum")


def output_size(row: Row, *, reading: Reading) -> tuple[int, ...]:
    """The shape of `row_output`."""
    if reading.kind is TaskKind.CLASSIFICATION:
        return (len(reading.labels),)
    if reading.kind is TaskKind.TOKEN_LABELS:
        return (len(row) - 2, len(reading.labels))
    return (len(row) + 2 * reading.with_kinds, 2)


def row_output(output: np.ndarray, row: Row, *, reading: Reading) -> np.ndarray:
    """The network's output for a row of a batch, without padding: (C,), of tokens (pieces, C), of reading
    comprehension (T, 2) or (T + 2, 2).
    """
    if reading.kind is TaskKind.CLASSIFICATION:
        return output
    if reading.kind is TaskKind.TOKEN_LABELS:
        return output[1 : len(row) - 1]
    return np.concatenate([output[: len(row)], output[-2:]]) if reading.with_kinds else output[: len(row)]


def predictions_of(
    examples: Sequence[Example],
    features: Features,
    outputs: Sequence[np.ndarray],
    *,
    reading: Reading,
    decoding: DecodingConfig,
) -> dict[str, str | tuple[str, ...]]:
    """By the examples' ids: a label, the labels of all tokens, or the text of the answer."""
    if reading.kind is TaskKind.CLASSIFICATION:
        return {example.example_id: reading.labels[int(output.argmax())] for example, output in zip(examples, outputs)}
    windows: list[list[int]] = [[] for _ in examples]
    for number, row in enumerate(features.rows):
        windows[row.owner].append(number)
    if reading.kind is TaskKind.TOKEN_LABELS:
        outside = OUTSIDE if OUTSIDE in reading.labels else reading.labels[0]
        found: dict[str, str | tuple[str, ...]] = {}
        for example, numbers, firsts, num_pieces in zip(examples, windows, features.first_pieces, features.num_pieces):
            logits = join_windows(
                [(features.rows[number].start, outputs[number]) for number in numbers], num_pieces=num_pieces
            )
            found[example.example_id] = tuple(
                outside if first < 0 else reading.labels[int(logits[first].argmax())] for first in firsts
            )
        return found
    return {
        example.example_id: _answer(
            [row for row in (features.rows[number] for number in numbers) if isinstance(row, WindowRow)],
            [outputs[number] for number in numbers],
            reading,
            decoding,
        )
        for example, numbers in zip(examples, windows)
    }


def _answer(
    rows: Sequence[WindowRow], outputs: Sequence[np.ndarray], reading: Reading, decoding: DecodingConfig
) -> str:
    logits = outputs
    if reading.with_kinds:
        logits, kinds = zip(*map(split_kinds, outputs))
        kind = kind_of_windows(kinds)
        if kind is not AnswerKind.SPAN:
            return KIND_TEXTS[kind]
    found = decode(rows[0].encoded, windows=[row.window for row in rows], logits=logits, config=decoding)
    return found[0].text if found else ""
