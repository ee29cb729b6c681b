"""Our BERT equals PaddleNLP's (outputs and all gradients) and stored outputs of Hugging Face's.

The tolerance is 1e-5 everywhere.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from safetensors.numpy import load_file

from paddle_wwm.compute.choice import exact
from paddle_wwm.model.folder import read_model_config
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model.weights import load_arrays, save_model
from paddle_wwm.model_config import ModelConfig

from .builders import Inputs, numbered_vocab, outputs_of, padded_inputs, scrambled_model

pytestmark = pytest.mark.parity

TOLERANCE = 1e-5
# gradients are enabled in all tests here, so the fast operations are used unless `exact` is active
both_ways = pytest.mark.parametrize("way", [contextlib.nullcontext, exact], ids=["fast", "exact"])
HF_DIRECTORY = Path(__file__).resolve().parent.parent / "fixtures" / "tiny_bert_hf"

# our name, Hugging Face's name; Hugging Face's Linear weights are transposed
HF_NAMES = [
    ("bert.embeddings.word_embeddings", "bert.embeddings.word_embeddings"),
    ("bert.embeddings.position_embeddings", "bert.embeddings.position_embeddings"),
    ("bert.embeddings.token_type_embeddings", "bert.embeddings.token_type_embeddings"),
    ("bert.embeddings.layer_norm", "bert.embeddings.LayerNorm"),
    ("bert.encoder.layers.{}.self_attn.q_proj", "bert.encoder.layer.{}.attention.self.query"),
    ("bert.encoder.layers.{}.self_attn.k_proj", "bert.encoder.layer.{}.attention.self.key"),
    ("bert.encoder.layers.{}.self_attn.v_proj", "bert.encoder.layer.{}.attention.self.value"),
    ("bert.encoder.layers.{}.self_attn.out_proj", "bert.encoder.layer.{}.attention.output.dense"),
    ("bert.encoder.layers.{}.norm1", "bert.encoder.layer.{}.attention.output.LayerNorm"),
    ("bert.encoder.layers.{}.linear1", "bert.encoder.layer.{}.intermediate.dense"),
    ("bert.encoder.layers.{}.linear2", "bert.encoder.layer.{}.output.dense"),
    ("bert.encoder.layers.{}.norm2", "bert.encoder.layer.{}.output.LayerNorm"),
    ("bert.pooler.dense", "bert.pooler.dense"),
    ("cls.predictions.transform", "cls.predictions.transform.dense"),
    ("cls.predictions.layer_norm", "cls.predictions.transform.LayerNorm"),
    ("cls.seq_relationship", "cls.seq_relationship"),
]


def assert_close(actual, expected) -> None:
    actual, expected = (value.numpy() if isinstance(value, paddle.Tensor) else value for value in (actual, expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def loss_of(scores, relations, inputs: Inputs):
    """Return MLM + NSP, each a sum divided by its count."""
    mlm = F.cross_entropy(scores, inputs.labels, reduction="sum") / len(inputs.labels)
    return mlm + F.cross_entropy(relations, inputs.next_sentence_labels, reduction="sum") / len(
        inputs.next_sentence_labels
    )


# ---- PaddleNLP
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Our model, and PaddleNLP's model opened from the folder that ours wrote."""
    from paddlenlp.transformers import BertForPretraining as PaddleNLPBertForPretraining

    directory = tmp_path_factory.mktemp("parity")
    ours = scrambled_model()
    save_model(directory, model=ours, vocab=numbered_vocab(), do_lower_case=True)
    theirs = PaddleNLPBertForPretraining.from_pretrained(str(directory))
    theirs.eval()
    return ours, theirs


def paddlenlp_outputs(model, inputs: Inputs):
    return model(
        inputs.input_ids,
        inputs.token_type_ids,
        attention_mask=inputs.attention_mask,
        masked_positions=inputs.flat_positions,
    )


@both_ways
def test_hidden_states_equal_those_of_paddlenlp(models, way):
    ours, theirs = models
    inputs = padded_inputs()
    with way():
        hidden = ours.bert(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask)
    their_hidden, their_pooled = theirs.bert(
        inputs.input_ids, inputs.token_type_ids, attention_mask=inputs.attention_mask
    )
    assert_close(hidden, their_hidden)
    assert_close(ours.bert.pooler(hidden[:, 0]), their_pooled)


@both_ways
def test_mlm_and_nsp_scores_equal_those_of_paddlenlp(models, way):
    inputs = padded_inputs()
    with way():
        outputs = outputs_of(models[0], inputs)
    for actual, expected in zip(outputs, paddlenlp_outputs(models[1], inputs), strict=True):
        assert_close(actual, expected)


@both_ways
def test_all_gradients_equal_those_of_paddlenlp(models, way):
    ours, theirs = models
    inputs = padded_inputs()
    with way():
        losses = [loss_of(*outputs_of(ours, inputs), inputs), loss_of(*paddlenlp_outputs(theirs, inputs), inputs)]
    assert_close(losses[0], losses[1])
    for model, loss in zip(models, losses):
        model.clear_gradients()
        loss.backward()
    their_parameters = theirs.state_dict()
    names = [name for name, _ in ours.named_parameters()]
    assert {name for name in their_parameters if ".decoder." not in name} == set(names)
    for name, parameter in ours.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), their_parameters[name].grad.numpy(), rtol=0, atol=TOLERANCE, err_msg=name
        )
        # a gradient of zeros would prove nothing; only that of k_proj.bias is really 0 (softmax ignores a shift)
        assert name.endswith("k_proj.bias") or float(parameter.grad.abs().max()) > 100 * TOLERANCE, name


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_both_activations_equal_those_of_paddlenlp(tmp_path, activation):
    from paddlenlp.transformers import BertForPretraining as PaddleNLPBertForPretraining

    ours = scrambled_model(hidden_act=activation, num_hidden_layers=1)
    save_model(tmp_path, model=ours, vocab=numbered_vocab(), do_lower_case=True)
    theirs = PaddleNLPBertForPretraining.from_pretrained(str(tmp_path))
    theirs.eval()
    inputs = padded_inputs()
    for actual, expected in zip(outputs_of(ours, inputs), paddlenlp_outputs(theirs, inputs), strict=True):
        assert_close(actual, expected)


# ---- Padding
# ----------------------------------------------------------------------------------------------------------------------


def test_padding_changes_nothing():
    model, inputs = scrambled_model(), padded_inputs()
    padded = model.bert(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask)
    _, padded_relations = outputs_of(model, inputs)
    for row, length in enumerate(inputs.lengths):
        ids, types = (tensor[row : row + 1, :length] for tensor in (inputs.input_ids, inputs.token_type_ids))
        alone = model.bert(ids, types, paddle.ones([1, length], "bool"))
        assert_close(padded[row, :length], alone[0])
        assert_close(padded_relations[row], model.cls.seq_relationship(model.bert.pooler(alone[:, 0]))[0])


def test_the_ids_in_the_padding_change_nothing():
    model, inputs = scrambled_model(), padded_inputs()
    other_ids = paddle.where(inputs.attention_mask, inputs.input_ids, paddle.full_like(inputs.input_ids, 77))
    scores, relations = outputs_of(model, inputs)
    other_scores, other_relations = model(
        other_ids, inputs.token_type_ids, inputs.attention_mask, inputs.flat_positions, True
    )
    assert scores.numpy().tobytes() == other_scores.numpy().tobytes()
    assert relations.numpy().tobytes() == other_relations.numpy().tobytes()


def test_states_at_some_positions_equal_those_of_the_full_output():
    model, inputs = scrambled_model(), padded_inputs()
    whole = model.bert(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask)
    some = model.bert(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask, inputs.flat_positions)
    assert_close(some, whole.reshape([-1, whole.shape[-1]])[inputs.flat_positions])


def test_scores_have_the_order_of_the_requested_positions():
    model, inputs = scrambled_model(), padded_inputs()
    scores, _ = outputs_of(model, inputs)
    order = paddle.to_tensor(np.random.default_rng(0).permutation(len(inputs.flat_positions)))
    shuffled, relations = model(
        inputs.input_ids, inputs.token_type_ids, inputs.attention_mask, inputs.flat_positions[order], False
    )
    assert_close(shuffled, scores[order])
    assert relations is None


# ---- Hugging Face
# ----------------------------------------------------------------------------------------------------------------------


def arrays_from_hugging_face(arrays: dict[str, np.ndarray], *, num_layers: int) -> dict[str, np.ndarray]:
    """Return the arrays under our names."""
    result = {"cls.predictions.decoder_bias": arrays["cls.predictions.bias"]}
    for ours, theirs in HF_NAMES:
        for layer in range(num_layers if "{}" in ours else 1):
            for kind in ("weight", "bias"):
                array = arrays.get(f"{theirs}.{kind}".format(layer))
                if array is not None:
                    is_linear = array.ndim == 2 and "embeddings" not in ours
                    result[f"{ours}.{kind}".format(layer)] = array.T if is_linear else array
    return result


@pytest.fixture(scope="module")
def hugging_face_model():
    config: ModelConfig = read_model_config(HF_DIRECTORY)
    stored = load_file(HF_DIRECTORY / "model.safetensors")
    translated = arrays_from_hugging_face(stored, num_layers=config.num_hidden_layers)
    assert len(translated) == len(stored)
    model = BertForPretraining(config)
    load_arrays(model, translated, source=HF_DIRECTORY)
    model.eval()
    return model


@both_ways
def test_outputs_equal_those_of_hugging_face(hugging_face_model, way):
    model, reference = hugging_face_model, np.load(HF_DIRECTORY / "reference.npz")
    ids, types = paddle.to_tensor(reference["input_ids"]), paddle.to_tensor(reference["token_type_ids"])
    mask = paddle.to_tensor(reference["attention_mask"].astype(bool))
    with way():
        hidden = model.bert(ids, types, mask)
        scores, relations = model(ids, types, mask, paddle.arange(ids.size), True)
    assert not reference["attention_mask"].all() and reference["token_type_ids"].any()
    assert_close(hidden, reference["last_hidden_state"])
    assert_close(model.bert.pooler(hidden[:, 0]), reference["pooler_output"])
    assert_close(scores.reshape(reference["prediction_logits"].shape), reference["prediction_logits"])
    assert_close(relations, reference["seq_relationship_logits"])


def test_the_config_of_hugging_face_is_read_unchanged():
    stored = json.loads((HF_DIRECTORY / "config.json").read_text())
    config = read_model_config(HF_DIRECTORY)
    assert {name: getattr(config, name) for name in vars(config)} == {name: stored[name] for name in vars(config)}
