"""The tensors of a batch for the training step."""

from __future__ import annotations

import numpy as np

from paddle_wwm.pretraining.loader import tensors_of
from paddle_wwm.pretraining_data.collate import PretrainBatch
from paddle_wwm.tokenization.vocab import IGNORED_LABEL


def batch_of(labels: list[list[int]], positions: list[list[int]]) -> PretrainBatch:
    shape = (2, 5)
    return PretrainBatch(
        input_ids=np.ones(shape, dtype=np.int64),
        token_type_ids=np.zeros(shape, dtype=np.int64),
        attention_mask=np.ones(shape, dtype=bool),
        masked_lm_positions=np.array(positions, dtype=np.int64),
        masked_lm_labels=np.array(labels, dtype=np.int64),
        next_sentence_labels=None,
    )


def test_positions_refer_to_the_flattened_batch_and_padding_labels_are_dropped():
    tensors = tensors_of(batch_of([[7, 8], [9, IGNORED_LABEL]], [[1, 3], [2, 0]]))
    assert tensors["flat_positions"].tolist() == [1, 3, 5 + 2]
    assert tensors["labels"].tolist() == [7, 8, 9] and tensors["num_predictions"] == 3


def test_a_batch_without_predictions_has_one_position_with_an_ignored_label():
    """The heads must be part of every backward pass, because the exchange of gradients waits for them."""
    nothing = [[IGNORED_LABEL, IGNORED_LABEL]] * 2
    tensors = tensors_of(batch_of(nothing, [[0, 0]] * 2))
    assert tensors["flat_positions"].tolist() == [0] and tensors["labels"].tolist() == [IGNORED_LABEL]
    assert tensors["num_predictions"] == 0
