"""Parameters of a new model: BERT's distributions, and the names and shapes of the published models."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import paddle
import pytest

from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model_config import ModelConfig

# All sizes differ, so that a shape shows which sizes it has. D hidden, I intermediate, V vocabulary, P positions,
# T types.
SIZES = {"D": 24, "I": 40, "V": 300, "P": 16, "T": 3, "2": 2}
CONFIG = ModelConfig(
    vocab_size=SIZES["V"],
    hidden_size=SIZES["D"],
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=SIZES["I"],
    max_position_embeddings=SIZES["P"],
    type_vocab_size=SIZES["T"],
)
# Standard deviation of a standard normal distribution that is cut at two, as in Google's truncated_normal_initializer.
CUT_STD = 0.8796

EMBEDDINGS_AND_HEADS = {
    "bert.embeddings.word_embeddings.weight": "VD",
    "bert.embeddings.position_embeddings.weight": "PD",
    "bert.embeddings.token_type_embeddings.weight": "TD",
    "bert.embeddings.layer_norm.weight": "D",
    "bert.embeddings.layer_norm.bias": "D",
    "bert.pooler.dense.weight": "DD",
    "bert.pooler.dense.bias": "D",
    "cls.predictions.decoder_bias": "V",
    "cls.predictions.transform.weight": "DD",
    "cls.predictions.transform.bias": "D",
    "cls.predictions.layer_norm.weight": "D",
    "cls.predictions.layer_norm.bias": "D",
    "cls.seq_relationship.weight": "D2",
    "cls.seq_relationship.bias": "2",
}
LAYER = {
    **{
        f"self_attn.{name}_proj.{kind}": shape
        for name in ("q", "k", "v", "out")
        for kind, shape in (("weight", "DD"), ("bias", "D"))
    },
    "linear1.weight": "DI",
    "linear1.bias": "I",
    "linear2.weight": "ID",
    "linear2.bias": "D",
    **{f"norm{number}.{kind}": "D" for number in (1, 2) for kind in ("weight", "bias")},
}


def golden_shapes(sizes: dict[str, int], *, num_layers: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter of a model with those sizes, by name."""
    names = EMBEDDINGS_AND_HEADS | {
        f"bert.encoder.layers.{layer}.{name}": shape for layer in range(num_layers) for name, shape in LAYER.items()
    }
    return {name: tuple(sizes[letter] for letter in shape) for name, shape in names.items()}


def arrays_of(model) -> dict[str, np.ndarray]:
    return {name: parameter.numpy() for name, parameter in model.named_parameters()}


def new_model(seed: int, **changes) -> BertForPretraining:
    paddle.seed(seed)
    return BertForPretraining(dataclasses.replace(CONFIG, **changes))


def is_drawn(name: str) -> bool:
    """Return True for weights of Linear and Embedding layers.

    All other parameters are constants.
    """
    return name.endswith(".weight") and not re.search(r"(layer_norm|norm\d)\.weight$", name)


@pytest.mark.parametrize("initializer_range", [0.02, 0.5])
def test_weights_are_normal_and_cut_at_two_standard_deviations(initializer_range):
    weights = {
        name: array
        for name, array in arrays_of(new_model(1, initializer_range=initializer_range)).items()
        if is_drawn(name)
    }
    for name, array in weights.items():
        assert np.abs(array).max() <= 2 * initializer_range * (1 + 1e-6), name
        # five standard errors; cutting a normal distribution makes its fourth moment smaller
        assert abs(array.std() / initializer_range - CUT_STD) < 5 / np.sqrt(2 * array.size), name
        assert abs(array.mean() / initializer_range) < 5 / np.sqrt(array.size), name
    together = np.concatenate([array.ravel() for array in weights.values()]) / initializer_range
    assert abs(together.std() - CUT_STD) < 0.02
    assert (np.abs(together) > 1.9).mean() > 0.005  # cut, not squeezed


def test_layer_norm_weights_are_1_and_all_biases_are_0():
    constants = {name: array for name, array in arrays_of(new_model(1)).items() if not is_drawn(name)}
    assert {name: set(array.tolist()) for name, array in constants.items()} == {
        name: {1.0} if name.endswith("weight") else {0.0} for name in constants
    }


def test_no_two_layers_have_the_same_weights():
    drawn = [array.tobytes()[:64] for name, array in arrays_of(new_model(1)).items() if is_drawn(name)]
    assert len(set(drawn)) == len(drawn)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    one, again, other = (arrays_of(new_model(seed)) for seed in (1, 1, 2))
    assert {name: array.tobytes() for name, array in one.items()} == {
        name: array.tobytes() for name, array in again.items()
    }
    assert [name for name in one if one[name].tobytes() == other[name].tobytes()] == [
        name for name in one if not is_drawn(name)
    ]


@pytest.mark.golden
@pytest.mark.parametrize("num_layers", [1, 2, 12])
def test_parameters_have_these_names_and_shapes(num_layers):
    model = new_model(1, num_hidden_layers=num_layers)
    assert {name: tuple(parameter.shape) for name, parameter in model.named_parameters()} == golden_shapes(
        SIZES, num_layers=num_layers
    )
    assert set(model.state_dict()) == set(golden_shapes(SIZES, num_layers=num_layers))


@pytest.mark.golden
def test_the_default_sizes_are_those_of_bert_base():
    config = ModelConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size) == (
        768,
        12,
        12,
        3072,
    )
    assert (config.max_position_embeddings, config.type_vocab_size, config.layer_norm_eps) == (512, 2, 1e-12)
    assert (config.hidden_act, config.hidden_dropout_prob, config.attention_probs_dropout_prob) == ("gelu", 0.1, 0.1)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "hidden_size", "num_layers", "num_parameters"),
    [
        # without the pretraining heads; the readme of the published models has 102M, 325M, 38M and 61M
        ("base", 768, 12, 102_267_648),
        ("large", 1024, 24, 325_522_432),
        ("rbt3", 768, 3, 38_476_800),
        ("rbtl3", 1024, 3, 61_001_728),
    ],
)
def test_the_published_sizes_have_the_published_numbers_of_parameters(name, hidden_size, num_layers, num_parameters):
    sizes = {"D": hidden_size, "I": 4 * hidden_size, "V": 21128, "P": 512, "T": 2, "2": 2}
    shapes = golden_shapes(sizes, num_layers=num_layers)
    assert sum(int(np.prod(shape)) for name, shape in shapes.items() if name.startswith("bert.")) == num_parameters
