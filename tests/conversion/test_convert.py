"""Conversion from every source to every target gives the same weights, bit for bit, and the same outputs."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.result import RECORD_NAME
from paddle_wwm.conversion.verify import verify
from paddle_wwm.model.weights import load_model
from paddle_wwm.weights.pdparams import read_pdparams
from paddle_wwm.weights.tensorflow import open_tensorflow

from .sources import (
    CONFIG,
    HF_FOLDER,
    NUM_LAYERS,
    REFERENCE,
    TF_FOLDER,
    bits_of,
    converted,
    hf_arrays,
    hf_folder,
    torch_legacy,
    torch_zip,
    vocab_file,
)

TOLERANCE = 1e-5


# ---- Parity
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parity
@pytest.mark.parametrize(
    "source",
    [HF_FOLDER, HF_FOLDER / "pytorch_model.bin", TF_FOLDER, TF_FOLDER / "bert_model.ckpt"],
    ids=lambda path: path.name,
)
def test_outputs_of_a_converted_model_are_those_that_transformers_computed(tmp_path, source):
    converted(source, tmp_path / "out", config=CONFIG)
    result = verify(tmp_path / "out", REFERENCE)
    assert [item.output for item in result.differences] == [
        "last_hidden_state",
        "pooler_output",
        "prediction_logits",
        "seq_relationship_logits",
    ]
    assert result.largest <= TOLERANCE
    assert min(item.scale for item in result.differences) > 0.1


# ---- Sources
# ----------------------------------------------------------------------------------------------------------------------


def old_names(arrays):
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in arrays.items()
    }


def in_parts(folder, arrays):
    hf_folder(folder, arrays)
    (folder / "model.safetensors").unlink()
    names = sorted(arrays)
    places = {name: f"model-{1 + (number % 3)}.safetensors" for number, name in enumerate(names)}
    for file in set(places.values()):
        save_file({name: arrays[name] for name in names if places[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def torch_folder(folder, write):
    hf_folder(folder, {})
    (folder / "model.safetensors").unlink()
    (folder / "config.json").rename(folder / "bert_config.json")
    write(folder / "pytorch_model.bin", old_names(hf_arrays()))
    return folder


def zipped(folder, source):
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "model.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.iterdir()):
            archive.write(path, f"chinese_L-3_H-64_A-4/{path.name}")
        archive.write(CONFIG, "chinese_L-3_H-64_A-4/bert_config.json")
    return folder / "model.zip"


SOURCES = {
    "Hugging Face, PyTorch zip": lambda folder: HF_FOLDER / "pytorch_model.bin",
    "Hugging Face, older names": lambda folder: hf_folder(folder, old_names(hf_arrays())),
    "Hugging Face, in parts": lambda folder: in_parts(folder, hf_arrays()),
    "PyTorch zip, older names, bert_config.json": lambda folder: torch_folder(folder, torch_zip),
    "PyTorch older format, older names, bert_config.json": lambda folder: torch_folder(folder, torch_legacy),
    "archive of Google": lambda folder: zipped(folder, TF_FOLDER),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_same_model_in_another_format_gives_the_same_bits(tmp_path, kind, expected_bits):
    converted(SOURCES[kind](tmp_path / "source"), tmp_path / "out")
    assert bits_of(open_model(tmp_path / "out")) == expected_bits


def test_a_tensorflow_checkpoint_gives_the_same_bits_and_its_optimizer_slots_are_counted(tmp_path, expected_bits):
    result = converted(TF_FOLDER, tmp_path / "out", config=CONFIG)
    assert bits_of(open_model(tmp_path / "out")) == expected_bits
    assert result.passed_over == {"optimizer slots": 3, "counters": 1}


def test_a_bare_bert_without_the_prefix_is_read(tmp_path, expected_bits):
    arrays = {name.removeprefix("bert."): array for name, array in hf_arrays().items() if name.startswith("bert.")}
    opened = open_model(hf_folder(tmp_path / "bare", arrays))
    assert opened.absent == ("cls.predictions", "cls.seq_relationship")
    assert bits_of(opened) == {name: value for name, value in expected_bits.items() if name.startswith("bert.")}


def test_a_model_of_paddlenlps_roberta_class_is_read_as_a_bert_with_a_note(tmp_path, paddle_folder, expected_bits):
    from paddlenlp.transformers import RobertaConfig, RobertaForMaskedLM

    arrays = read_pdparams(paddle_folder / "model_state.pdparams")
    config = RobertaConfig(**{key: value for key, value in vars(open_model(paddle_folder).config).items()})
    theirs = RobertaForMaskedLM(config)
    renamed = {
        name: arrays[
            name.replace("roberta.", "bert.")
            .replace("lm_head.dense", "cls.predictions.transform")
            .replace("lm_head.layer_norm", "cls.predictions.layer_norm")
            .replace("lm_head.decoder.bias", "cls.predictions.decoder_bias")
            .replace("lm_head.bias", "cls.predictions.decoder_bias")
            .replace("lm_head.decoder.weight", "bert.embeddings.word_embeddings.weight")
        ]
        for name in theirs.state_dict()
    }
    theirs.set_state_dict(renamed)
    theirs.save_pretrained(str(tmp_path / "roberta"))
    opened = open_model(tmp_path / "roberta")
    assert "numbers positions from 1" in opened.notes[0]
    assert opened.absent == ("bert.pooler", "cls.seq_relationship")
    assert bits_of(opened) == {
        name: value for name, value in expected_bits.items() if not name.startswith(opened.absent)
    }


def test_a_paddlenlp_folder_is_read(tmp_path, paddle_folder, expected_bits):
    from paddlenlp.transformers import BertForPretraining

    BertForPretraining.from_pretrained(str(paddle_folder)).save_pretrained(str(tmp_path / "nlp"))
    assert bits_of(open_model(tmp_path / "nlp")) == expected_bits


# ---- Round trips
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
@pytest.mark.parametrize("way", ["huggingface", "tensorflow"])
def test_a_round_trip_is_bit_identical(tmp_path, paddle_folder, way, dtype):
    converted(paddle_folder, tmp_path / "start", dtype=dtype)
    converted(tmp_path / "start", tmp_path / "there", to=way)
    converted(tmp_path / "there", tmp_path / "back")
    start, back = ((tmp_path / name / "model_state.pdparams").read_bytes() for name in ("start", "back"))
    assert start == back
    assert open_model(tmp_path / "there").dtypes == (dtype or "float32",)


def test_a_round_trip_keeps_the_configuration_and_the_vocabulary(tmp_path, paddle_folder):
    folder = tmp_path / "start"
    converted(paddle_folder, folder, vocab=vocab_file(tmp_path / "vocab.txt"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"untrained_parameters": ["bert.pooler"]}))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    for way in ("huggingface", "tensorflow"):
        converted(folder, tmp_path / way, to=way)
        converted(tmp_path / way, tmp_path / f"{way}-back")
        assert json.loads((tmp_path / f"{way}-back" / "config.json").read_text()) == config | {
            "untrained_parameters": ["bert.pooler"]
        }
        assert json.loads((tmp_path / f"{way}-back" / "tokenizer_config.json").read_text())["do_lower_case"] is False
        assert (tmp_path / f"{way}-back" / "vocab.txt").read_bytes() == (tmp_path / "vocab.txt").read_bytes()


def test_the_same_conversion_writes_the_same_bytes(tmp_path, paddle_folder):
    for name in ("one", "two"):
        converted(paddle_folder, tmp_path / name, to="huggingface")
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert files[0] == files[1] and RECORD_NAME in files[0]


# ---- Targets in their own frameworks
# -------------------------------------------------------------------------------------------------------------


def test_a_paddle_target_opens_in_paddlenlp_and_in_ours(paddle_folder):
    from paddlenlp.transformers import AutoModel, BertForPretraining

    reference = np.load(REFERENCE)
    ids, types = (paddle.to_tensor(reference[key]) for key in ("input_ids", "token_type_ids"))
    mask = paddle.to_tensor(reference["attention_mask"].astype(bool))
    theirs = AutoModel.from_pretrained(str(paddle_folder))
    theirs.eval()
    hidden, pooled = theirs(ids, types, attention_mask=mask)
    np.testing.assert_allclose(hidden.numpy(), reference["last_hidden_state"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(pooled.numpy(), reference["pooler_output"], rtol=0, atol=TOLERANCE)
    heads = BertForPretraining.from_pretrained(str(paddle_folder))
    heads.eval()
    scores, relations = heads(ids, types, attention_mask=mask)
    np.testing.assert_allclose(scores.numpy(), reference["prediction_logits"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(relations.numpy(), reference["seq_relationship_logits"], rtol=0, atol=TOLERANCE)
    assert load_model(paddle_folder).config.num_hidden_layers == NUM_LAYERS


def test_a_hugging_face_target_has_the_same_content_as_files_of_transformers(tmp_path, paddle_folder):
    converted(paddle_folder, tmp_path / "out", to="huggingface")
    written, expected = load_file(tmp_path / "out" / "model.safetensors"), hf_arrays()
    assert {name: array.tobytes() for name, array in written.items()} == {
        name: array.tobytes() for name, array in expected.items()
    }
    config, theirs = (json.loads((folder / "config.json").read_text()) for folder in (tmp_path / "out", HF_FOLDER))
    assert {key: value for key, value in config.items() if key in theirs} == {
        key: theirs[key] for key in config if key in theirs
    }


def test_a_tensorflow_target_has_the_same_content_as_files_of_tensorflow(tmp_path, paddle_folder):
    converted(paddle_folder, tmp_path / "out", to="tensorflow")
    written, theirs = (open_tensorflow(folder / "bert_model.ckpt") for folder in (tmp_path / "out", TF_FOLDER))
    assert set(theirs) - set(written) == {name for name in theirs if name.endswith("adam_m") or name == "global_step"}
    for name, tensor in written.items():
        assert tensor.read().tobytes() == theirs[name].read().tobytes(), name


# ---- Layers
# ----------------------------------------------------------------------------------------------------------------------


def test_kept_layers_are_renumbered_and_everything_else_is_unchanged(tmp_path, paddle_folder, expected_bits):
    converted(paddle_folder, tmp_path / "out", keep_layers=(2, 0))
    opened = open_model(tmp_path / "out")
    assert opened.config.num_hidden_layers == 2
    for name, value in bits_of(opened).items():
        original = (
            name.replace(".layers.0.", ".layers.two.")
            .replace(".layers.1.", ".layers.0.")
            .replace(".layers.two.", ".layers.2.")
        )
        assert value == expected_bits[original], name
    assert json.loads((tmp_path / "out" / RECORD_NAME).read_text())["kept_layers"] == [2, 0]
