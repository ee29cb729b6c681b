"""Forms in which models come: folders of TensorFlow, other names of files, old heads, pipes and pointers."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.verify import verify
from paddle_wwm.errors import CheckpointError

from .sources import CONFIG, HF_FOLDER, TF_FOLDER, bits_of, converted, hf_arrays, hf_folder, vocab_file

BIAS = "cls.predictions.decoder_bias"


def checkpoint(folder, name, *, source=TF_FOLDER):
    """Copy the checkpoint of the fixtures under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.glob("bert_model.ckpt.*"):
        shutil.copy(path, folder / path.name.replace("bert_model.ckpt", name))
    return folder


def test_a_saved_model_folder_of_tensorflow_is_read(tmp_path, expected_bits):
    checkpoint(tmp_path / "model" / "variables", "variables")
    for name in ("saved_model.pb", "assets.extra"):
        (tmp_path / "model" / name).touch()
    (tmp_path / "model" / "assets").mkdir()
    shutil.copy(CONFIG, tmp_path / "model" / "bert_config.json")
    vocab_file(tmp_path / "model" / "vocab.txt")
    opened = open_model(tmp_path / "model")
    assert bits_of(opened) == expected_bits and len(opened.vocab) == 1000


@pytest.mark.parametrize("path", ["model.ckpt-20", "/home/someone/run/model.ckpt-20", "C:\\\\run\\\\model.ckpt-20"])
def test_the_file_checkpoint_decides_which_of_several_checkpoints_is_read(tmp_path, path, expected_bits):
    checkpoint(tmp_path, "model.ckpt-20")
    checkpoint(tmp_path, "model.ckpt-10")
    (tmp_path / "model.ckpt-10.index").write_bytes(b"another one")
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{path}"\nall_model_checkpoint_paths: "model.ckpt-10"\n'
    )
    opened = open_model(tmp_path, config=CONFIG)
    assert bits_of(opened) == expected_bits
    assert "checkpoint model.ckpt-20 (named by the file `checkpoint`)" in opened.description


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "several checkpoints: a.index, b.index; the file `checkpoint` does not name one of them. Pass one"),
        ("", "does not name one of them"),
        ('model_checkpoint_path: "c"', "names c.index"),
    ],
)
def test_several_checkpoints_without_a_decision_are_an_error_with_their_names(tmp_path, text, message):
    checkpoint(checkpoint(tmp_path, "a"), "b")
    if text is not None:
        (tmp_path / "checkpoint").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        open_model(tmp_path, config=CONFIG)


@pytest.mark.parametrize("name", ["lert_config.json", "bert_config_rbt3.json", "macbert_base_config.json"])
def test_a_configuration_under_another_name_is_found_if_it_is_the_only_one(tmp_path, name, expected_bits):
    checkpoint(tmp_path, "bert_model.ckpt")
    shutil.copy(CONFIG, tmp_path / name)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    (tmp_path / "train_config.json").write_text("[1")
    assert bits_of(open_model(tmp_path)) == expected_bits
    shutil.copy(CONFIG, tmp_path / "student_config.json")
    with pytest.raises(CheckpointError, match="pass the configuration with --config"):
        open_model(tmp_path)


def test_an_mlm_head_without_an_output_bias_has_zeros_and_a_note(tmp_path):
    arrays = {name: array for name, array in hf_arrays().items() if name != "cls.predictions.bias"}
    source = hf_folder(tmp_path / "source", arrays)
    result = converted(source, tmp_path / "out")
    assert f"The source has no {BIAS}" in result.notes[0]
    assert not open_model(tmp_path / "out").tensors[BIAS].read().any()
    assert verify(source, tmp_path / "out").largest <= 1e-5
    del arrays["cls.predictions.transform.dense.bias"]  # any other missing parameter is an error
    with pytest.raises(CheckpointError, match="missing: cls.predictions.transform.bias"):
        open_model(hf_folder(tmp_path / "other", arrays))


def test_gelu_python_is_gelu_and_its_approximations_are_refused(tmp_path):
    source = hf_folder(tmp_path / "source", hf_arrays(), config={"hidden_act": "gelu_python"})
    converted(source, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["hidden_act"] == "gelu"
    for name in ("gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu"):
        with pytest.raises(CheckpointError, match=f"`hidden_act` must be gelu or relu, but is '{name}'"):
            open_model(hf_folder(tmp_path / name, hf_arrays(), config={"hidden_act": name}))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "model_state.pdparams", "x.ckpt"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    shutil.copy(CONFIG, tmp_path / "config.json")
    with pytest.raises(CheckpointError, match="is not a regular file; .*Write them to a file first"):
        converted(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "model_state.pdparams"])
def test_a_pointer_of_git_lfs_is_recognised(tmp_path, name):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 411553788\n"
    (tmp_path / name).write_text(pointer)
    shutil.copy(CONFIG, tmp_path / "config.json")
    for source in (tmp_path, tmp_path / name):
        with pytest.raises(CheckpointError, match="is a pointer of Git LFS.*411,553,788 bytes with `git lfs pull`"):
            converted(source, tmp_path / "out")


def test_a_pointer_instead_of_a_data_file_of_tensorflow_is_recognised(tmp_path):
    checkpoint(tmp_path, "bert_model.ckpt")
    (tmp_path / "bert_model.ckpt.data-00000-of-00001").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match="is a pointer of Git LFS"):
        open_model(tmp_path, config=CONFIG)


def test_the_folder_of_the_fixtures_is_read_as_before(expected_bits):
    assert bits_of(open_model(HF_FOLDER)) == expected_bits
