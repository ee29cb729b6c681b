"""The table of names agrees with the Paddle classes and with files that transformers and TensorFlow wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_wwm.conversion.layers import parse_layers
from paddle_wwm.conversion.names import Naming, naming_of, parameters, tied_parameter
from paddle_wwm.conversion.spelling import spelling_of
from paddle_wwm.errors import ConfigError
from paddle_wwm.model.folder import TIED_NAMES
from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model_config import ModelConfig, count_parameters
from paddle_wwm.variants import VARIANTS
from paddle_wwm.weights.tensorflow import open_tensorflow
from paddle_wwm.weights.tensors import ArrayTensor, cast, to_float32

from .sources import TF_FOLDER, hf_arrays

SMALL = ModelConfig(
    vocab_size=30,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=9,
)
FIXTURE = ModelConfig(
    vocab_size=1000,
    hidden_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=256,
    max_position_embeddings=128,
)


@pytest.mark.golden
def test_paddle_names_and_shapes_are_those_of_our_model_and_of_paddlenlp():
    from paddlenlp.transformers import BertConfig
    from paddlenlp.transformers import BertForPretraining as PaddleNLPBertForPretraining

    expected = {item.name: list(item.shape) for item in parameters(Naming.PADDLE, SMALL)}
    assert {name: tensor.shape for name, tensor in BertForPretraining(SMALL).state_dict().items()} == expected
    theirs = PaddleNLPBertForPretraining(BertConfig(**dataclasses.asdict(SMALL))).state_dict()
    assert {name: tensor.shape for name, tensor in theirs.items() if name not in TIED_NAMES} == expected
    assert set(TIED_NAMES) < set(theirs)


@pytest.mark.golden
def test_hugging_face_names_and_shapes_are_those_that_transformers_wrote():
    expected = {
        item.foreign_name: item.shape[::-1] if item.is_turned else item.shape
        for item in parameters(Naming.HUGGING_FACE, FIXTURE)
    }
    assert {name: array.shape for name, array in hf_arrays().items()} == expected


@pytest.mark.golden
def test_google_names_and_shapes_are_those_that_tensorflow_wrote():
    expected = {
        item.foreign_name: item.shape[::-1] if item.is_turned else item.shape
        for item in parameters(Naming.TENSORFLOW, FIXTURE)
    }
    theirs = {name: tensor.shape for name, tensor in open_tensorflow(TF_FOLDER / "bert_model.ckpt").items()}
    assert {name: shape for name, shape in theirs.items() if name in expected} == expected
    assert all(name.endswith("adam_m") or name == "global_step" for name in set(theirs) - set(expected))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_table_has_every_parameter_of_every_variant(variant):
    total = sum(int(np.prod(item.shape, dtype=np.int64)) for item in parameters(Naming.PADDLE, variant.config))
    assert total == count_parameters(variant.config, with_pretraining_heads=True)


@pytest.mark.parametrize("naming", Naming)
def test_names_are_unique_already_standard_and_show_their_framework(naming):
    names = [item.foreign_name for item in parameters(naming, SMALL)]
    assert len(set(names)) == len(names)
    spelling = spelling_of(names, source=Path("x"))
    assert (spelling.naming, list(spelling.names.values()), spelling.taken_off) == (naming, names, ())
    assert not spelling.skipped
    assert [name for name in names if tied_parameter(name, naming)] == []
    assert naming_of(names) is naming
    assert naming_of(["electra.embeddings_project.weight", "layer.0.weight"]) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("0,1,2", (0, 1, 2)), ("0-2", (0, 1, 2)), ("11, 0-1", (11, 0, 1)), ("7", (7,))]
)
def test_layers_are_given_as_numbers_and_ranges(text, expected):
    assert parse_layers(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1,,2", "1.0", "99999"])
def test_layers_in_another_form_are_refused(text):
    with pytest.raises(ConfigError, match="like 0,1,2 or 0-2"):
        parse_layers(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=50))
def test_bfloat16_is_the_nearest_value_with_ties_to_even(values):
    array = np.array(values, np.float32)
    finite = array[np.abs(array) < 3e38]
    result = cast(ArrayTensor(finite), "bfloat16", name="x").read()
    import paddle

    expected = paddle.to_tensor(finite).astype("bfloat16").astype("float32").numpy() if finite.size else finite
    assert to_float32(result, dtype="bfloat16").tobytes() == expected.tobytes()


def test_nan_stays_nan_in_every_type():
    array = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    array.view(np.uint32)[0] = 0x7F800001  # a NaN whose rounded bits would be infinity
    for dtype in ("float16", "bfloat16", "float64"):
        result = cast(ArrayTensor(array), dtype, name="x").read()
        values = result if dtype == "float64" else to_float32(result, dtype=dtype)
        assert np.isnan(values[0]) and values[1:].tolist() == [np.inf, -np.inf, 1.0]
