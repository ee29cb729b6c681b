"""The counted operations of a step equal those of the products that the model computes."""

import dataclasses
import math

import numpy as np
import paddle
import pytest

from paddle_wwm.model import flops
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model_config import ModelConfig

from .builders import TINY

ROWS, LENGTH, PREDICTIONS_A_ROW = 3, 20, 4


@pytest.mark.parametrize("with_next_sentence", [True, False])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_forward_computes_a_third_of_the_counted_operations(monkeypatch, num_layers, with_next_sentence):
    model = BertForPretraining(dataclasses.replace(TINY, num_hidden_layers=num_layers))
    made = []
    product = paddle.matmul

    def counted(left, right, **options):
        result = product(left, right, **options)
        made.append(2 * math.prod(result.shape) * left.shape[-1])
        return result

    monkeypatch.setattr(paddle, "matmul", counted)
    ids = paddle.ones([ROWS, LENGTH], "int64")
    places = np.arange(ROWS)[:, None] * LENGTH + np.array([3, 5, 6, 11])
    positions = paddle.to_tensor(places.ravel())
    model(ids, ids * 0, ids == 1, positions, with_next_sentence)
    if with_next_sentence:
        made.append(2 * ROWS * TINY.hidden_size * 2)  # seq_relationship is an nn.Linear, without paddle.matmul
    counted_flops = flops.training_flops(
        model.config,
        num_rows=ROWS,
        length=LENGTH,
        num_predictions=ROWS * PREDICTIONS_A_ROW,
        with_next_sentence=with_next_sentence,
    )
    assert counted_flops == 3 * sum(made)


def test_a_step_of_bert_base_has_about_six_operations_per_parameter_and_token():
    config = ModelConfig(vocab_size=21128)
    counted = flops.training_flops(config, num_rows=8, length=128, num_predictions=8 * 19, with_next_sentence=False)
    layers = config.num_hidden_layers * (4 * 768 * 768 + 2 * 768 * 3072)
    assert 0.95 < counted / (6 * layers * 8 * 128) < 1.1


def test_measure_peak_returns_a_plausible_number():
    assert 1e8 < flops.measure_peak(size=128, repeats=2) < 1e15
