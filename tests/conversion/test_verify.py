"""verify-conversion loads exactly what was named, strictly, into the class of the source's own framework."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.options import ConversionOptions
from paddle_wwm.conversion.verify import verify
from paddle_wwm.errors import CheckpointError, ConfigError
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams

from .sources import HF_FOLDER, REFERENCE, converted, hf_arrays, hf_folder, torch_zip

TOLERANCE = 1e-5
PADDLENLP = "PaddleNLP's BertForPretraining"
POOLER = "bert.pooler.dense.bias"


@pytest.fixture
def folder_with_two(tmp_path, paddle_folder):
    """A Paddle folder with the model of the fixtures, and with another one in other.pdparams."""
    folder = shutil.copytree(paddle_folder, tmp_path / "two")
    arrays = read_pdparams(folder / "model_state.pdparams")
    write_pdparams(folder / "other.pdparams", arrays | {POOLER: arrays[POOLER] + 0.5})
    return folder


def test_paddlenlp_runs_a_paddle_folder_and_gives_the_outputs_of_transformers(paddle_folder):
    result = verify(paddle_folder, REFERENCE)
    assert result.one == f"{paddle_folder} (run by {PADDLENLP})"
    assert result.largest <= TOLERANCE and len(result.differences) == 4


def test_the_file_that_was_named_is_loaded_and_not_another_one_of_its_folder(tmp_path, folder_with_two, paddle_folder):
    named = folder_with_two / "other.pdparams"
    converted(named, tmp_path / "right")
    right, wrong = (verify(named, other) for other in (tmp_path / "right", paddle_folder))
    assert PADDLENLP in right.one and right.largest == right.largest_of_tensors == 0
    assert wrong.largest > 0.1 and wrong.differing == (POOLER,)


def test_the_configuration_that_was_named_is_used(tmp_path, paddle_folder):
    values = json.loads((paddle_folder / "config.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps(values | {"num_attention_heads": 2}))
    assert verify(paddle_folder, REFERENCE, config=tmp_path / "other.json").largest > 0.01


def test_the_epsilon_of_layer_norm_is_that_of_the_configuration_in_paddlenlp(tmp_path):
    arrays = {name: array if "LayerNorm" in name else array / 1000 for name, array in hf_arrays().items()}
    source = hf_folder(tmp_path / "small", arrays)
    converted(source, tmp_path / "paddle")
    result = verify(tmp_path / "paddle", source)
    assert PADDLENLP in result.one and result.largest <= TOLERANCE


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_paddlenlp_runs_other_types(tmp_path, paddle_folder, dtype):
    converted(paddle_folder, tmp_path / "out", dtype=dtype)
    converted(tmp_path / "out", tmp_path / "hf", to="huggingface")
    result = verify(tmp_path / "out", tmp_path / "hf")
    assert PADDLENLP in result.one and result.largest <= TOLERANCE and result.differing == ()


def test_a_model_without_heads_or_pooler_is_compared_without_random_outputs(tmp_path):
    arrays = {name: array for name, array in hf_arrays().items() if not name.startswith(("cls.", "bert.pooler."))}
    source = hf_folder(tmp_path / "bare", arrays)
    converted(source, tmp_path / "paddle")
    result = verify(source, tmp_path / "paddle")
    assert [item.output for item in result.differences] == ["last_hidden_state"]
    assert result.largest <= TOLERANCE and result.num_same == len(arrays)


@pytest.mark.parametrize("name", ["bert.encoder.layers.0.linear1.bias", "bert.embeddings.layer_norm.weight"])
def test_a_missing_parameter_is_an_error_and_not_a_random_one(tmp_path, paddle_folder, name):
    arrays = read_pdparams(paddle_folder / "model_state.pdparams")
    del arrays[name]
    write_pdparams(tmp_path / "a.pdparams", arrays)
    with pytest.raises(CheckpointError, match=f"missing: {name}"):
        verify(tmp_path / "a.pdparams", REFERENCE, config=paddle_folder / "config.json")


def test_an_extra_parameter_is_an_error(tmp_path, paddle_folder):
    arrays = read_pdparams(paddle_folder / "model_state.pdparams") | {"classifier.weight": np.ones((64, 2))}
    write_pdparams(tmp_path / "a.pdparams", arrays)
    with pytest.raises(
        CheckpointError, match="unexpected: classifier.weight.*--drop-unexpected: of `paddle-wwm convert"
    ):
        verify(tmp_path / "a.pdparams", REFERENCE, config=paddle_folder / "config.json")


def test_a_parameter_that_the_class_does_not_get_is_an_error(paddle_folder):
    from paddlenlp.transformers import BertConfig, BertForPretraining

    from paddle_wwm.conversion.strict import set_strictly

    opened = open_model(paddle_folder)
    own = BertForPretraining(BertConfig(**vars(opened.config))).state_dict()
    given = {name: tensor.read() for name, tensor in opened.tensors.items()}
    lost = {name: array for name, array in given.items() if name != POOLER}
    for state, message in (
        (lost, f"missing in the file: {POOLER}"),
        (given | {"bert.embeddings.more.weight": given[POOLER]}, "not known to the class: bert.embeddings.more.weight"),
        (given | {POOLER: given[POOLER][1:]}, r"misshaped: bert.pooler.dense.bias \(63,\) instead of \(64,\)"),
    ):
        with pytest.raises(CheckpointError, match=message):
            set_strictly(own, state, put=lambda *_: None, model=opened, name="a class")


def test_a_difference_that_the_outputs_do_not_show_is_found(tmp_path, paddle_folder):
    arrays = hf_arrays()
    arrays["bert.embeddings.position_embeddings.weight"][127] += 1  # the inputs are shorter
    result = verify(paddle_folder, hf_folder(tmp_path / "other", arrays))
    assert result.largest <= TOLERANCE and result.largest_of_tensors == pytest.approx(1)
    assert result.differing == ("bert.embeddings.position_embeddings.weight",)


def test_a_file_with_wrappers_is_compared(tmp_path, paddle_folder):
    arrays = {f"module.{name}": array for name, array in hf_arrays().items()}
    source = torch_zip(tmp_path / "a.ckpt", arrays, around=lambda values: {"state_dict": values})
    result = verify(source, paddle_folder, config=HF_FOLDER / "config.json")
    assert (result.largest <= TOLERANCE, result.num_same) == (True, 62)


# ---- PaddleNLP's Roberta class
# ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """A random model of PaddleNLP's Roberta class, saved by PaddleNLP."""
    import paddle
    from paddlenlp.transformers import RobertaConfig, RobertaModel

    paddle.seed(1)
    model = RobertaModel(
        RobertaConfig(
            vocab_size=1000,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=64,
            type_vocab_size=2,
            pad_token_id=0,
        )
    )
    rng = np.random.default_rng(5)
    for parameter in model.parameters():
        parameter.set_value(parameter.numpy() + 0.2 * rng.standard_normal(parameter.shape).astype(np.float32))
    folder = tmp_path_factory.mktemp("roberta") / "model"
    model.save_pretrained(str(folder))
    model.eval()
    return folder, model


def outputs_of_class(model, length, *, positions=None):
    import paddle

    ids = paddle.to_tensor(np.random.default_rng(2).integers(1, 1000, (2, length)))
    places = None if positions is None else paddle.to_tensor(positions).expand(ids.shape)
    with paddle.no_grad():
        return ids, [item.numpy() for item in model(ids, position_ids=places)]


def outputs_of_target(folder, ids):
    import paddle

    from paddle_wwm.model.weights import load_model

    bert = load_model(folder).bert
    bert.eval()
    with paddle.no_grad():
        hidden = bert(ids, paddle.zeros_like(ids), paddle.ones_like(ids).astype(bool))
        return [hidden.numpy(), bert.pooler(hidden[:, 0]).numpy()]


def test_shifted_positions_give_the_outputs_of_the_roberta_class(tmp_path, roberta):
    folder, model = roberta
    plain = convert(folder, target=tmp_path / "plain", to="paddle")
    shifted = convert(
        folder, target=tmp_path / "shifted", to="paddle", options=ConversionOptions(positions_shifted=True)
    )
    assert "--positions-shifted" in plain.notes[0] and "63 positions remain" in shifted.notes[0]
    ids, from_1 = outputs_of_class(model, 63)
    _, from_0 = outputs_of_class(model, 63, positions=np.arange(63))
    for target, same, other in (("shifted", from_1, from_0), ("plain", from_0, from_1)):
        for actual, equal, different in zip(outputs_of_target(tmp_path / target, ids), same, other):
            np.testing.assert_allclose(actual, equal, rtol=0, atol=1e-4)
            assert np.abs(actual - different).max() > 0.1
    values = json.loads((tmp_path / "shifted" / "config.json").read_text())
    tokenizer = json.loads((tmp_path / "shifted" / "tokenizer_config.json").read_text())
    assert values["max_position_embeddings"] == tokenizer["model_max_length"] == 63


def test_an_older_folder_of_the_roberta_class_is_recognised_by_its_class(tmp_path, roberta):
    folder = shutil.copytree(roberta[0], tmp_path / "older")
    values = json.loads((folder / "config.json").read_text())
    for name in ("model_type", "architectures"):
        values.pop(name, None)
    (folder / "config.json").unlink()
    (folder / "model_config.json").write_text(json.dumps({"init_args": [values], "init_class": "RobertaModel"}))
    assert open_model(folder).is_roberta_class
    shifted = convert(folder, target=tmp_path / "out", to="paddle", options=ConversionOptions(positions_shifted=True))
    assert "63 positions remain" in shifted.notes[0]


def test_input_longer_than_the_shifted_positions_is_refused(tmp_path, roberta):
    convert(roberta[0], target=tmp_path / "out", to="paddle", options=ConversionOptions(positions_shifted=True))
    with pytest.raises(Exception, match="63"):
        outputs_of_target(tmp_path / "out", outputs_of_class(roberta[1], 63)[0][:, :1].expand([2, 64]))


def test_verification_runs_a_model_of_the_roberta_class_with_either_positions(tmp_path, roberta):
    folder, _ = roberta
    for target, positions_shifted, first in (("plain", False, 0), ("shifted", True, 1)):
        convert(
            folder,
            target=tmp_path / target,
            to="paddle",
            options=ConversionOptions(positions_shifted=positions_shifted),
        )
        result = verify(folder, tmp_path / target, positions_shifted=positions_shifted)
        assert f"RobertaModel with positions from {first}" in result.one
        assert result.largest <= TOLERANCE and result.largest_of_tensors == 0
    assert verify(folder, tmp_path / "plain", positions_shifted=False).largest <= TOLERANCE
    with pytest.raises(CheckpointError, match="different sizes"):
        verify(folder, tmp_path / "shifted")


def test_positions_of_another_class_are_not_shifted(tmp_path, paddle_folder):
    for call in (
        lambda: convert(
            paddle_folder, target=tmp_path / "out", to="paddle", options=ConversionOptions(positions_shifted=True)
        ),
        lambda: verify(paddle_folder, REFERENCE, positions_shifted=True),
    ):
        with pytest.raises(ConfigError, match="is for a model of PaddleNLP's Roberta class"):
            call()
