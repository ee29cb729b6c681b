"""A LoRA adapter of peft is merged exactly, or refused with the reason. The reference is computed with numpy."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save_file

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.result import RECORD_NAME
from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.safetensors import open_safetensors

from .sources import HF_FOLDER, converted, hf_arrays

QUERY, VALUE = ("bert.encoder.layer.{}.attention.self.query", "bert.encoder.layer.{}.attention.self.value")
CONFIG = {
    "peft_type": "LORA",
    "base_model_name_or_path": "base",
    "r": 4,
    "lora_alpha": 16,
    "bias": "none",
    "fan_in_fan_out": False,
    "target_modules": ["query"],
    "init_lora_weights": True,
    "lora_dropout": 0.1,
    "use_rslora": False,
    "use_dora": False,
    "modules_to_save": None,
}


def factors(module, *, rank=4, out=64, inner=64, seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"base_model.model.{module}.lora_A.weight": rng.standard_normal((rank, inner)).astype(np.float32),
        f"base_model.model.{module}.lora_B.weight": rng.standard_normal((out, rank)).astype(np.float32),
    }


def adapter(folder, arrays, **config):
    folder.mkdir(parents=True)
    save_file(arrays, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | config))
    return folder


def merged(tmp_path, arrays, *, drop_unexpected=False, **config):
    """Return the arrays after the merge, by their Hugging Face names, and the conversion."""
    folder = adapter(tmp_path / "adapter", arrays, **config)
    result = converted(HF_FOLDER, tmp_path / "out", to="huggingface", merge=folder, drop_unexpected=drop_unexpected)
    tensors = open_safetensors(tmp_path / "out" / "model.safetensors")
    return {name: tensor.read() for name, tensor in tensors.items()}, result


def with_change(module, arrays, scale):
    """Return the expected arrays: the weight of one module is W + scale * B A."""
    a, b = (arrays[f"base_model.model.{module}.lora_{key}.weight"].astype(np.float64) for key in "AB")
    expected = hf_arrays()
    expected[f"{module}.weight"] = expected[f"{module}.weight"] + scale * (b @ a)
    return expected


def assert_close(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(actual[name], array, rtol=1e-6, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 4.0),
        ({"use_rslora": True}, 16 / math.sqrt(4)),
        ({"lora_alpha": 3}, 0.75),
        ({"fan_in_fan_out": True}, 4.0),  # peft sets it to false for linear layers
        ({"alpha_pattern": {"query": 2}}, 0.5),
        ({"alpha_pattern": {"layer.1.attention.self.query": 2, "uery": 7}}, 0.5),
        ({"alpha_pattern": {"^query": 2, "layer.2.attention.self.query": 1}}, 4.0),
        ({"r": 8, "rank_pattern": {"attention.self.query": 4}}, 4.0),
    ],
)
def test_the_merged_matrix_is_w_plus_scale_b_a(tmp_path, config, scale):
    arrays = factors(QUERY.format(1))
    actual, result = merged(tmp_path, arrays, **config)
    assert_close(actual, with_change(QUERY.format(1), arrays, scale))
    assert "1 matrices changed" in result.notes[0]
    record = json.loads((tmp_path / "out" / RECORD_NAME).read_text())
    assert [file["name"] for file in record["source"]["files"]] == [
        "model.safetensors",
        "adapter_model.safetensors",
        "adapter_config.json",
    ]


def test_an_adapter_is_merged_into_a_paddle_folder_and_into_matrices_that_are_not_square(tmp_path, paddle_folder):
    module = "bert.encoder.layer.0.intermediate.dense"
    arrays = factors(module, out=256)
    converted(paddle_folder, tmp_path / "out", merge=adapter(tmp_path / "adapter", arrays))
    weight = open_model(tmp_path / "out").tensors["bert.encoder.layers.0.linear1.weight"].read()
    expected = with_change(module, arrays, 4.0)[f"{module}.weight"]
    np.testing.assert_allclose(weight, expected.T, rtol=1e-6, atol=2e-5)


def test_an_adapter_of_a_bare_model_fits_a_model_with_heads(tmp_path):
    arrays = factors(QUERY.format(0))
    bare = {name.replace("model.bert.", "model."): array for name, array in arrays.items()}
    assert_close(merged(tmp_path, bare)[0], with_change(QUERY.format(0), arrays, 4.0))


def test_an_adapter_of_the_word_embeddings_is_merged_with_a_note(tmp_path):
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, 1000), (64, 4)))
    name = "bert.embeddings.word_embeddings"
    stored = {f"base_model.model.{name}.lora_embedding_A": a, f"base_model.model.{name}.lora_embedding_B": b}
    actual, result = merged(tmp_path, stored)
    expected = hf_arrays()
    expected[f"{name}.weight"] = expected[f"{name}.weight"] + 4.0 * (b @ a).T
    assert_close(actual, expected)
    assert "the output layer that BERT ties to them" in result.notes[1]


def test_whole_tensors_of_an_adapter_replace_those_of_the_base(tmp_path):
    rng = np.random.default_rng(3)
    new = {
        "bert.pooler.dense.weight": rng.standard_normal((64, 64)).astype(np.float32),
        f"{QUERY.format(0)}.base_layer.bias": rng.standard_normal(64).astype(np.float32),
    }
    arrays = factors(QUERY.format(0)) | {f"base_model.model.{name}": array for name, array in new.items()}
    actual, result = merged(tmp_path, arrays, modules_to_save=["pooler"], bias="lora_only")
    replaced = {name.replace(".base_layer", ""): array for name, array in new.items()}
    assert_close(actual, with_change(QUERY.format(0), arrays, 4.0) | replaced)
    assert "1 matrices changed, 2 tensors replaced" in result.notes[0]


def test_a_trained_classifier_of_an_adapter_is_left_out_only_with_the_flag(tmp_path):
    arrays = factors(QUERY.format(0)) | {"base_model.model.classifier.weight": np.ones((2, 64), np.float32)}
    with pytest.raises(CheckpointError, match="not part of a BERT: classifier.weight. .*--drop-unexpected"):
        merged(tmp_path / "one", arrays, modules_to_save=["classifier"])
    actual, result = merged(tmp_path / "two", arrays, modules_to_save=["classifier"], drop_unexpected=True)
    assert_close(actual, with_change(QUERY.format(0), arrays, 4.0))
    assert result.dropped == ("classifier.weight",)


@pytest.mark.parametrize(
    ("task_type", "name", "size"), [("SEQ_CLS", "classifier", 3), ("QUESTION_ANS", "qa_outputs", 2)]
)
def test_the_head_of_an_adapter_with_a_task_is_kept(tmp_path, task_type, name, size):
    rng = np.random.default_rng(4)
    head = {f"{name}.weight": rng.standard_normal((size, 64)), f"{name}.bias": rng.standard_normal(size)}
    head = {key: array.astype(np.float32) for key, array in head.items()}
    arrays = factors(QUERY.format(0)) | {f"base_model.model.{key}": array for key, array in head.items()}
    actual, result = merged(tmp_path, arrays, modules_to_save=["classifier"], task_type=task_type)
    expected = with_change(QUERY.format(0), arrays, 4.0)
    left_out = ("cls.",) if task_type == "SEQ_CLS" else ("cls.", "bert.pooler.")
    expected = {key: array for key, array in expected.items() if not key.startswith(left_out)}
    assert_close(actual, expected | head)
    assert result.head.startswith("seq-cls, 3 labels: LABEL_0" if task_type == "SEQ_CLS" else "question-answering")
    assert sum(result.passed_over.values()) == 7 and result.dropped == ()


def test_labels_name_the_classes_of_an_adapter(tmp_path):
    head = {"classifier.weight": np.ones((2, 64), np.float32), "classifier.bias": np.ones(2, np.float32)}
    arrays = factors(QUERY.format(0)) | {f"base_model.model.{key}": array for key, array in head.items()}
    folder = adapter(tmp_path / "adapter", arrays, modules_to_save=["classifier"], task_type="SEQ_CLS")
    result = converted(HF_FOLDER, tmp_path / "out", merge=folder, labels=["bad", "good"])
    assert result.head == "seq-cls, 2 labels: bad, good"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"peft_type": "LOHA"}, "`peft_type` must be LORA"),
        ({"use_dora": True}, "`use_dora` is True"),
        ({"lora_bias": True}, "`lora_bias` is True"),
        ({"init_lora_weights": "pissa"}, "`init_lora_weights` is 'pissa', which changed the weights of the base"),
        ({"layer_replication": [[0, 2]]}, "`layer_replication` is"),
        ({"method_of_next_year": {"x": 1}}, "`method_of_next_year` is"),
        ({"alpha_pattern": {"(query|value)": 2}}, "regular expressions are not read"),
        ({"r": 0}, "`r` must be a number above 0"),
        ({"lora_alpha": "16"}, "`lora_alpha` must be a number above 0"),
        ({"r": 8}, r"must have the factors A of shape \(8, …\)"),
    ],
)
def test_an_adapter_of_another_method_is_refused(tmp_path, config, message):
    with pytest.raises(CheckpointError, match=message):
        merged(tmp_path, factors(QUERY.format(0)), **config)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (factors("bert.encoder.layer.9.attention.self.query"), r"not a matrix of its own in a BERT"),
        (factors(QUERY.format(0), out=32), r"has shape \(64, 64\) in the base model, but \(32, 64\) in the adapter"),
        (factors("cls.predictions.decoder", out=1000), "is not a matrix of its own in a BERT"),
        (dict(list(factors(QUERY.format(0)).items())[:1]), "must have the factors A"),
        (factors(QUERY.format(0)) | {"base_model.model.bert.encoder.layer.0.gate.weight": np.ones(2)}, "gate.weight"),
        (factors("classifier"), r"not part of a BERT: classifier \(LoRA\)"),
    ],
)
def test_an_adapter_of_another_model_is_refused(tmp_path, arrays, message):
    with pytest.raises(CheckpointError, match=message):
        merged(tmp_path, arrays)


def test_an_adapter_without_its_base_names_the_command(tmp_path):
    folder = adapter(tmp_path / "adapter", factors(QUERY.format(0)))
    for source in (folder, folder / "adapter_model.safetensors"):
        with pytest.raises(CheckpointError, match=rf"Convert its base model \(base\) with --merge {folder}"):
            converted(source, tmp_path / "out")
