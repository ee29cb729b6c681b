"""ONNX files of the encoder and of every head give the outputs of the model, for any batch size and length."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer

from paddle_wwm.conversion.heads import HeadKind
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.verify import make_inputs, run_model
from paddle_wwm.errors import CheckpointError, ConfigError

from .fine_tuned import KINDS, LABELS, OUR_KINDS, config_of, fine_tuned, fine_tuned_here
from .sources import HF_FOLDER, REFERENCE, converted, hf_arrays, hf_folder, vocab_file

TOLERANCE = 1e-4


def run_onnx(folder, inputs):
    """Run model.onnx with onnxruntime if it is installed, else with the reference implementation of onnx."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(str(folder / "model.onnx"))
        names = session.output_names
    else:
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {name: np.asarray(array) for name, array in inputs.items()})))


def reference():
    arrays = np.load(REFERENCE)
    return arrays, {name: arrays[name] for name in ("input_ids", "attention_mask", "token_type_ids")}


@pytest.mark.parity
def test_the_encoder_gives_the_outputs_of_transformers(tmp_path):
    converted(HF_FOLDER, tmp_path / "out", to="onnx")
    expected, inputs = reference()
    found = run_onnx(tmp_path / "out", inputs)
    assert list(found) == ["last_hidden_state", "pooler_output"]
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], atol=TOLERANCE)


@pytest.mark.parity
def test_fill_mask_gives_the_scores_of_transformers(tmp_path):
    converted(HF_FOLDER, tmp_path / "out", to="onnx", task="fill-mask")
    expected, inputs = reference()
    np.testing.assert_allclose(
        run_onnx(tmp_path / "out", inputs)["logits"], expected["prediction_logits"], atol=TOLERANCE
    )


@pytest.mark.parity
@KINDS
@pytest.mark.parametrize("sizes", [(1, 1), (3, 17), (2, 128)])
def test_every_head_gives_the_logits_of_the_model_for_any_shape(tmp_path, kind, sizes):
    source = fine_tuned(tmp_path / "hf", kind)
    converted(source, tmp_path / "out", to="onnx")
    model = open_model(source)
    rows, length = sizes
    rng = np.random.default_rng(2)
    lengths = rng.integers(1, length + 1, rows)
    inputs = {
        "input_ids": rng.integers(5, 1000, sizes),
        "attention_mask": (np.arange(length) < lengths[:, None]).astype(np.int64),
        "token_type_ids": rng.integers(0, 2, sizes),
    }
    expected, _ = run_model(model, inputs)
    found = run_onnx(tmp_path / "out", inputs)
    if kind is HeadKind.ANSWERS:
        assert list(found) == ["start_logits", "end_logits"]
        found = {"logits": np.stack(list(found.values()), -1)}
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=TOLERANCE)


@pytest.mark.parity
@OUR_KINDS
def test_a_head_that_only_this_project_has_gives_the_logits_of_the_model(tmp_path, kind):
    converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE), tmp_path / "base", drop_unexpected=True)
    source = fine_tuned_here(tmp_path / "ours", kind, base=tmp_path / "base")
    converted(source, tmp_path / "out", to="onnx")
    model = open_model(source)
    inputs = make_inputs(model.config)
    expected, _ = run_model(model, inputs)
    if kind is HeadKind.MATCHING:  # `run_model` compares every text with the next one
        others = {f"title_{name}": np.roll(array, -1, axis=0) for name, array in inputs.items()}
        inputs = {**{f"query_{name}": array for name, array in inputs.items()}, **others}
        shapes = {
            one.name: one.type.tensor_type.shape for one in onnx.load(tmp_path / "out" / "model.onnx").graph.input
        }
        lengths = {name: shape.dim[1].dim_param for name, shape in shapes.items()}
        # onnxruntime takes sizes of one name as equal, but the two texts have other lengths
        assert lengths == {name: f"{name.split('_')[0]}_sequence_length" for name in inputs}
    found = run_onnx(tmp_path / "out", inputs)
    if kind is HeadKind.ANSWERS_WITH_KINDS:
        assert list(found) == ["start_logits", "end_logits", "kind_logits"]
        np.testing.assert_allclose(found["kind_logits"], expected["kind_logits"], atol=TOLERANCE)
        found = {"logits": np.stack([found["start_logits"], found["end_logits"]], -1)}
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=TOLERANCE)
    assert tuple(json.loads((tmp_path / "out" / "labels.json").read_text())) == LABELS[kind]


@pytest.mark.parametrize("kind", HeadKind, ids=lambda kind: kind.value)
def test_the_code_of_the_card_runs_the_file(tmp_path, kind, monkeypatch):
    converted(fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE), tmp_path / "base", drop_unexpected=True)
    converted(fine_tuned_here(tmp_path / "ours", kind, base=tmp_path / "base"), tmp_path / "out", to="onnx")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "The outputs are logits." in card
    assert ("sigmoid" if kind is HeadKind.MULTI_LABEL else "softmax") in card
    code = re.search("```python\n(.*)```", card, re.DOTALL)[1]
    # without onnxruntime; `make interop` runs the code with it
    code = code.replace("import onnxruntime", "import onnx.reference")
    code = code.replace("onnxruntime.InferenceSession", "onnx.reference.ReferenceEvaluator")
    monkeypatch.chdir(tmp_path / "out")
    found: dict = {}
    exec(code, found)
    assert all(np.isfinite(array).all() for array in found["outputs"])


@KINDS
def test_the_tokenizer_the_labels_and_a_card_are_next_to_the_file(tmp_path, kind):
    source = fine_tuned(tmp_path / "hf", kind)
    converted(source, tmp_path / "out", to="onnx")
    tokenizer = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert tokenizer.encode("t7 T9").ids == [2, 12, 14, 3]
    assert tokenizer.encode("t7", "t9").type_ids == [0, 0, 0, 1, 1]
    labels = tmp_path / "out" / "labels.json"
    assert (tuple(json.loads(labels.read_text())) if labels.exists() else ()) == LABELS[kind]
    assert config_of(tmp_path / "out").get("id2label", {}) == dict(zip("0123", LABELS[kind]))
    assert f"Fine-tuned for {kind.value}" in (tmp_path / "out" / "README.md").read_text()


def test_the_file_has_opset_17_dynamic_axes_and_the_same_bytes_every_time(tmp_path):
    for name in ("one", "two"):
        converted(HF_FOLDER, tmp_path / name, to="onnx")
    content = (tmp_path / "one" / "model.onnx").read_bytes()
    assert content == (tmp_path / "two" / "model.onnx").read_bytes()
    model = onnx.load_from_string(content)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "input_ids": ["batch_size", "sequence_length"],
        "attention_mask": ["batch_size", "sequence_length"],
        "token_type_ids": ["batch_size", "sequence_length"],
        "last_hidden_state": ["batch_size", "sequence_length", 64],
        "pooler_output": ["batch_size", 64],
    }


@pytest.mark.parity
@pytest.mark.parametrize("changes", [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-3}, {"num_attention_heads": 2}])
def test_settings_of_the_configuration_are_used(tmp_path, changes):
    arrays = {name: array if "LayerNorm" in name else array / 10 for name, array in hf_arrays().items()}
    source = hf_folder(tmp_path / "source", arrays, config=changes)
    converted(source, tmp_path / "out", to="onnx")
    model = open_model(source)
    inputs = make_inputs(model.config)
    expected, _ = run_model(model, inputs)
    np.testing.assert_allclose(
        run_onnx(tmp_path / "out", inputs)["last_hidden_state"], expected["last_hidden_state"], atol=TOLERANCE
    )


def test_an_untrained_pooler_is_no_output(tmp_path):
    arrays = {name: array for name, array in hf_arrays().items() if "pooler" not in name and "cls." not in name}
    hf_folder(tmp_path / "bare", arrays)
    converted(tmp_path / "bare", tmp_path / "ours")  # with a random pooler
    converted(tmp_path / "ours", tmp_path / "out", to="onnx")
    assert list(run_onnx(tmp_path / "out", reference()[1])) == ["last_hidden_state"]
    with pytest.raises(CheckpointError, match="no trained head for masked words"):
        converted(tmp_path / "ours", tmp_path / "words", to="onnx", task="fill-mask")
    assert not (tmp_path / "words").exists()


def test_tasks_and_types_that_do_not_fit_are_refused(tmp_path):
    source = fine_tuned(tmp_path / "hf", HeadKind.SEQUENCE)
    with pytest.raises(ConfigError, match="fine-tuned for seq-cls"):
        converted(source, tmp_path / "out", to="onnx", task="fill-mask")
    with pytest.raises(ConfigError, match="written in float32"):
        converted(source, tmp_path / "out", to="onnx", dtype="float16")
    with pytest.raises(ConfigError, match="`task` must be one of"):
        converted(source, tmp_path / "out", task="fill-mask")


def test_weights_of_16_bits_become_float32(tmp_path):
    converted(HF_FOLDER, tmp_path / "half", to="huggingface", dtype="bfloat16")
    vocab_file(tmp_path / "half" / "vocab.txt")
    converted(tmp_path / "half", tmp_path / "out", to="onnx")
    model = open_model(tmp_path / "half")
    inputs = make_inputs(model.config)
    expected, _ = run_model(model, inputs)
    np.testing.assert_allclose(
        run_onnx(tmp_path / "out", inputs)["pooler_output"], expected["pooler_output"], atol=TOLERANCE
    )
