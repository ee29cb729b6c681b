"""Training of the whole model, fast and exact.

Gradients, losses of 20 steps, positions that are read, and the tied gradient.
"""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.compute.choice import exact
from paddle_wwm.compute.dropout import seed_dropout
from paddle_wwm.model.shortcuts import ReadPositions
from paddle_wwm.runs.fleet import recompute_layers

from .builders import TINY, outputs_of, padded_inputs, scrambled_model

TOLERANCE = 1e-5
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def loss_of(model, inputs):
    scores, relations = outputs_of(model, inputs)
    return F.cross_entropy(scores, inputs.labels) + F.cross_entropy(relations, inputs.next_sentence_labels)


def gradients_of(model, inputs, *, key=1) -> dict[str, np.ndarray]:
    seed_dropout(key)
    loss_of(model, inputs).backward()
    grads = {name: parameter.grad.numpy().copy() for name, parameter in model.named_parameters()}
    model.clear_gradients()
    return grads


def assert_same(actual, expected, *, factor=1.0) -> None:
    assert set(actual) == set(expected)
    for name in expected:
        np.testing.assert_allclose(actual[name], factor * expected[name], rtol=0, atol=TOLERANCE, err_msg=name)


def trained_model(**changes):
    model = scrambled_model(**changes)
    model.train()
    return model


@pytest.mark.parametrize("changes", [{}, DROPOUT], ids=["without dropout", "with dropout"])
def test_all_gradients_equal_the_exact_ones(changes):
    model, inputs = trained_model(**changes), padded_inputs()
    fast = gradients_of(model, inputs)
    with exact():
        assert_same(fast, gradients_of(model, inputs))


@pytest.mark.parametrize("changes", [{}, DROPOUT], ids=["without dropout", "with dropout"])
def test_losses_of_twenty_steps_equal_the_exact_ones(changes):
    def losses():
        model = trained_model(**changes)
        optimizer = paddle.optimizer.AdamW(1e-3, parameters=model.parameters())
        found = []
        for step in range(20):
            seed_dropout(step)
            loss = loss_of(model, padded_inputs(seed=step))
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            found.append(float(loss))
        return found

    fast = losses()
    with exact():
        by_paddle = losses()
    np.testing.assert_allclose(fast, by_paddle, rtol=0, atol=TOLERANCE)
    assert by_paddle[-1] < by_paddle[0]


def test_the_same_key_gives_the_same_bytes_and_another_key_others():
    model, inputs = trained_model(**DROPOUT), padded_inputs()
    first, again, other = (gradients_of(model, inputs, key=key) for key in (1, 1, 2))
    assert {name: grad.tobytes() for name, grad in again.items()} == {
        name: grad.tobytes() for name, grad in first.items()
    }
    assert other["bert.embeddings.layer_norm.weight"].tobytes() != first["bert.embeddings.layer_norm.weight"].tobytes()


def test_recomputed_layers_have_the_same_gradients_under_dropout():
    model, inputs = trained_model(**DROPOUT), padded_inputs()
    expected = gradients_of(model, inputs)
    recompute_layers(model.bert.encoder.layers)
    assert_same(gradients_of(model, inputs), expected)


# ---- Positions that are read
# ---------------------------------------------------------------------------------------------------------------


@given(flat=st.lists(st.integers(0, 3 * 20 - 1), min_size=1, max_size=40))
@settings(max_examples=25, deadline=None)
def test_states_at_any_positions_in_any_order_equal_those_of_the_full_output(flat):
    model, inputs = _MODEL, padded_inputs()
    positions = paddle.to_tensor(flat)
    with paddle.no_grad():
        whole = model.bert(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask)
        some = model.bert(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask, positions)
    np.testing.assert_allclose(some.numpy(), whole.reshape([-1, whole.shape[-1]]).numpy()[flat], rtol=0, atol=TOLERANCE)


_MODEL = scrambled_model()


def test_read_positions_are_grouped_by_row_and_found_by_their_places():
    read = ReadPositions.of(paddle.to_tensor([11, 2, 10, 3, 3]), shape=[4, 5])
    # rows 0 to 3 begin at 0, 5, 10 and 15; rows 1 and 3 have none
    assert read.queries.tolist() == [[2, 3, 3], [5, 5, 5], [11, 10, 10], [15, 15, 15]]
    assert read.queries.flatten()[read.places].tolist() == [11, 2, 10, 3, 3]


# ---- The tied gradient
# ---------------------------------------------------------------------------------------------------------------------


def test_a_second_backward_pass_adds_to_the_first():
    model, inputs = trained_model(), padded_inputs()
    expected = gradients_of(model, inputs)
    for _ in range(2):
        loss_of(model, inputs).backward()
    assert_same({name: parameter.grad.numpy() for name, parameter in model.named_parameters()}, expected, factor=2)


def test_two_passes_with_added_losses_have_twice_the_gradients():
    model, inputs = trained_model(), padded_inputs()
    expected = gradients_of(model, inputs)
    (loss_of(model, inputs) + loss_of(model, inputs)).backward()
    assert_same({name: parameter.grad.numpy() for name, parameter in model.named_parameters()}, expected, factor=2)


@pytest.mark.parametrize("which", ["scores", "relations"])
def test_a_loss_of_only_one_head_has_the_exact_gradients(which):
    model, inputs = trained_model(), padded_inputs()

    def gradients():
        scores, relations = outputs_of(model, inputs)
        (scores if which == "scores" else relations).square().mean().backward()
        found = {
            name: parameter.grad.numpy().copy()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }
        model.clear_gradients()
        return found

    fast = gradients()
    with exact():
        by_paddle = gradients()
    assert_same({name: fast[name] for name in by_paddle}, by_paddle)
    assert not any(np.any(fast[name]) for name in set(fast) - set(by_paddle))


@pytest.mark.parametrize("frozen", ["word_embeddings", "layer_norm", "all"])
def test_a_model_with_frozen_embeddings_has_the_exact_gradients(frozen):
    model, inputs = trained_model(), padded_inputs()
    for name, parameter in model.bert.embeddings.named_parameters():
        if frozen == "all" or name.startswith(frozen):
            parameter.stop_gradient = True

    def gradients():
        loss_of(model, inputs).backward()
        found = {
            name: parameter.grad.numpy().copy()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }
        model.clear_gradients()
        return found

    fast = gradients()
    with exact():
        by_paddle = gradients()
    assert_same(fast, by_paddle)
    assert len(fast) == sum(not parameter.stop_gradient for parameter in model.parameters())


def test_inputs_that_are_too_long_are_refused_before_compiled_loops_read_them():
    model, inputs = trained_model(), padded_inputs((TINY.max_position_embeddings + 1,))
    with pytest.raises(ValueError, match="at most 24 columns"):
        outputs_of(model, inputs)
