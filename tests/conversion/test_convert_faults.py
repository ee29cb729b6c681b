"""A source with missing, unexpected or wrong content is reported in one error, and no parameter or folder is lost."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.conversion.names import Naming, parameters
from paddle_wwm.conversion.opening import open_model
from paddle_wwm.conversion.result import RECORD_NAME
from paddle_wwm.errors import ArchiveError, CheckpointError
from paddle_wwm.files import write_json
from paddle_wwm.model.folder import paddle_config
from paddle_wwm.model.weights import load_model
from paddle_wwm.variants import find_variant
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams
from paddle_wwm.weights.tensors import ArrayTensor

from .sources import CONFIG, HF_FOLDER, TF_FOLDER, bits_of, converted, hf_arrays, hf_folder, vocab_file

# ---- Missing and unexpected content
# ----------------------------------------------------------------------------------------------------


def headless(folder):
    return hf_folder(folder, {name: array for name, array in hf_arrays().items() if not name.startswith("cls.")})


def test_missing_heads_are_initialised_for_paddle_and_recorded(tmp_path, expected_bits):
    result = converted(headless(tmp_path / "source"), tmp_path / "out")
    assert result.made_anew == ("cls.predictions", "cls.seq_relationship")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["untrained_parameters"] == [
        "cls.predictions",
        "cls.seq_relationship",
    ]
    assert json.loads((tmp_path / "out" / RECORD_NAME).read_text())["made_anew"]["parts"] == [
        "cls.predictions",
        "cls.seq_relationship",
    ]
    arrays = read_pdparams(tmp_path / "out" / "model_state.pdparams")
    transform = arrays["cls.predictions.transform.weight"]
    assert 0.015 < transform.std() < 0.02 and np.abs(transform).max() <= 0.04
    assert not arrays["cls.predictions.decoder_bias"].any() and (arrays["cls.predictions.layer_norm.weight"] == 1).all()
    load_model(tmp_path / "out")
    bare = {name: value for name, value in expected_bits.items() if name.startswith("bert.")}
    assert {name: value for name, value in bits_of(open_model(tmp_path / "out")).items() if name in bare} == bare


@pytest.mark.parametrize("to", ["huggingface", "tensorflow"])
def test_missing_heads_stay_missing_for_other_targets_and_are_recorded(tmp_path, to):
    result = converted(headless(tmp_path / "source"), tmp_path / "out", to=to)
    assert (result.made_anew, result.absent) == ((), ("cls.predictions", "cls.seq_relationship"))
    assert open_model(tmp_path / "out").absent == result.absent
    assert json.loads((tmp_path / "out" / RECORD_NAME).read_text())["absent"] == list(result.absent)


def test_one_error_lists_all_missing_unexpected_and_misshaped_tensors(tmp_path):
    arrays = hf_arrays()
    del arrays["bert.encoder.layer.1.output.dense.bias"], arrays["cls.predictions.transform.dense.weight"]
    arrays["classifier.weight"] = np.zeros((2, 64), np.float32)
    arrays["bert.pooler.dense.bias"] = np.zeros(63, np.float32)
    with pytest.raises(CheckpointError) as caught:
        open_model(hf_folder(tmp_path / "bad", arrays))
    for part in (
        "missing: bert.encoder.layers.1.linear2.bias, cls.predictions.transform.weight",
        "unexpected: classifier.weight",
    ):
        assert part in str(caught.value)
    assert "misshaped: bert.pooler.dense.bias (63,) instead of (64,)" in str(caught.value)
    assert "--drop-unexpected" not in str(caught.value)  # with the other faults, the flag would lead nowhere


def test_drop_unexpected_leaves_out_a_fine_tuned_head_and_records_it(tmp_path):
    arrays = hf_arrays() | {"classifier.weight": np.zeros((2, 64), np.float32)}
    result = converted(hf_folder(tmp_path / "fine-tuned", arrays), tmp_path / "out", drop_unexpected=True)
    with pytest.raises(CheckpointError, match="of layers that the configuration does not have"):
        converted(
            hf_folder(tmp_path / "deeper", arrays, config={"num_hidden_layers": 2}),
            tmp_path / "cut",
            drop_unexpected=True,
        )
    assert result.dropped == ("classifier.weight",)
    assert json.loads((tmp_path / "out" / RECORD_NAME).read_text())["dropped"] == ["classifier.weight"]


@pytest.mark.parametrize("name", ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"])
def test_a_separate_output_layer_is_refused(tmp_path, name):
    arrays = hf_arrays()
    source = "bert.embeddings.word_embeddings.weight" if name.endswith("weight") else "cls.predictions.bias"
    open_model(hf_folder(tmp_path / "same", arrays | {name: arrays[source].copy()}))
    with pytest.raises(CheckpointError, match=rf"{name} differs from {source}, but BERT ties the two"):
        open_model(hf_folder(tmp_path / "other", arrays | {name: arrays[source] + 1}))


def test_a_parameter_under_two_spellings_is_refused(tmp_path):
    arrays = hf_arrays()
    arrays["bert.embeddings.LayerNorm.gamma"] = arrays["bert.embeddings.LayerNorm.weight"]
    with pytest.raises(CheckpointError, match="are the same parameter of a BERT"):
        open_model(hf_folder(tmp_path / "twice", arrays))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "electra"}, "`model_type` must be bert, but is 'electra'"),
        (
            {"model_type": "roberta"},
            "is not a BERT and cannot be converted. The RoBERTa-wwm-ext and RBT models are BERT models",
        ),
        ({"position_embedding_type": "relative_key"}, "`position_embedding_type` must be absolute"),
        ({"num_attention_heads": 5}, "`hidden_size` must be a multiple of `num_attention_heads`"),
        ({"num_hidden_layers": 2}, "of layers that the configuration does not have: bert.encoder.layers.2.norm1"),
        ({"num_hidden_layers": 10**9}, "states 1,000,000,000 layers"),
        ({"vocab_size": 999}, r"misshaped: bert.embeddings.word_embeddings.weight \(1000, 64\) instead of \(999, 64\)"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tmp_path, config, message):
    with pytest.raises(CheckpointError, match=message):
        open_model(hf_folder(tmp_path / "bad", hf_arrays(), config=config))


def test_sizes_that_the_configuration_does_not_state_are_taken_from_the_weights(tmp_path):
    folder = hf_folder(tmp_path / "source", hf_arrays())
    config = json.loads(CONFIG.read_text())
    for name in ("vocab_size", "type_vocab_size", "max_position_embeddings"):
        del config[name]
    (folder / "config.json").write_text(json.dumps(config))
    opened = open_model(folder)
    assert (opened.config.vocab_size, opened.config.type_vocab_size, opened.config.max_position_embeddings) == (
        1000,
        2,
        128,
    )


def test_the_configuration_of_older_paddlenlp_versions_is_read(tmp_path, paddle_folder, expected_bits):
    config = json.loads((paddle_folder / "config.json").read_text())
    folder = tmp_path / "older"
    folder.mkdir()
    (folder / "model_config.json").write_text(json.dumps({"init_args": [config], "init_class": "BertForPretraining"}))
    write_pdparams(folder / "model_state.pdparams", read_pdparams(paddle_folder / "model_state.pdparams"))
    assert bits_of(open_model(folder)) == expected_bits


def test_the_error_for_a_source_without_configuration_asks_for_it():
    with pytest.raises(CheckpointError, match="not the number of heads: pass the configuration with --config"):
        open_model(TF_FOLDER)


def test_a_vocabulary_of_another_size_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="has 999 entries, but the word embeddings have 1,000"):
        open_model(HF_FOLDER, vocab=vocab_file(tmp_path / "vocab.txt", size=999))


@pytest.mark.parametrize(("extra", "expected"), [((), True), (("Berlin", "##Berlin"), False)])
def test_casing_follows_the_vocabulary_if_no_file_states_it(tmp_path, extra, expected):
    assert open_model(HF_FOLDER, vocab=vocab_file(tmp_path / "vocab.txt", extra=extra)).do_lower_case is expected


def test_a_dtype_that_is_too_small_for_a_value_is_refused(tmp_path):
    arrays = hf_arrays()
    arrays["bert.pooler.dense.bias"][3] = 1e6
    folder = hf_folder(tmp_path / "large", arrays)
    with pytest.raises(CheckpointError, match=r"bert.pooler.dense.bias: 1 values are too large for float16"):
        converted(folder, tmp_path / "out", dtype="float16")
    assert not (tmp_path / "out").exists()
    converted(folder, tmp_path / "out", dtype="bfloat16")


# ---- The target folder
# ---------------------------------------------------------------------------------------------------------------------


def test_an_existing_folder_is_replaced_only_with_overwrite_and_only_if_convert_wrote_it(tmp_path, paddle_folder):
    converted(paddle_folder, tmp_path / "out", to="huggingface")
    with pytest.raises(CheckpointError, match="exists already; name another folder, or add --overwrite"):
        converted(paddle_folder, tmp_path / "out")
    converted(paddle_folder, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "model_state.pdparams").exists() and not (
        tmp_path / "out" / "model.safetensors"
    ).exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(CheckpointError, match="so it is not replaced"):
        converted(paddle_folder, tmp_path / "mine", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_a_corrupt_checkpoint_leaves_no_target(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for path in TF_FOLDER.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    data = source / "bert_model.ckpt.data-00000-of-00001"
    whole = bytearray(data.read_bytes())
    whole[len(whole) // 2] ^= 1
    data.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"data-00000-of-00001: is corrupt: the checksum of 'bert/.*' differs"):
        converted(source, tmp_path / "out", config=CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_error_in_an_archive_names_the_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("model/readme.txt", "nothing here")
    with pytest.raises(CheckpointError, match=r"model\.zip.*: holds no weights that are recognised"):
        converted(tmp_path / "model.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]


GROWTH = """
import sys
from pathlib import Path
from paddle_wwm.conversion.convert import convert
from paddle_wwm.conversion.saving import Target

def memory(name):
    return int(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))) * 1024

before = memory("VmRSS")
convert(sys.argv[1], target=sys.argv[2], to=Target(sys.argv[3]))
print(memory("VmHWM") - before)
"""  # noqa: E501


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_is_a_small_part_of_the_file_size(tmp_path):
    config = dataclasses.replace(find_variant("rbt3").config, vocab_size=8000)
    tensors = {item.name: ArrayTensor(np.zeros(item.shape, np.float32)) for item in parameters(Naming.PADDLE, config)}
    (tmp_path / "source").mkdir()
    write_pdparams(tmp_path / "source" / "model_state.pdparams", tensors)
    write_json(tmp_path / "source" / "config.json", paddle_config(config))
    num_bytes = (tmp_path / "source" / "model_state.pdparams").stat().st_size
    for start, end in (("source", "huggingface"), ("huggingface", "tensorflow"), ("tensorflow", "paddle")):
        command = [sys.executable, "-c", GROWTH, str(tmp_path / start), str(tmp_path / end), end]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 0.4 * num_bytes, (start, end)


def test_a_dry_run_writes_nothing(tmp_path, paddle_folder):
    result = converted(paddle_folder, tmp_path / "out", to="huggingface", dry_run=True)
    assert (result.files, list(tmp_path.iterdir())) == ((), [])
    assert result.num_parameters == 231_978


def test_conversion_does_not_need_paddle_torch_or_tensorflow(tmp_path):
    code = (
        "import sys\n"
        "for name in ('paddle', 'paddlenlp', 'torch', 'tensorflow'): sys.modules[name] = None\n"
        "from paddle_wwm.conversion.convert import convert\n"
        "from paddle_wwm.conversion.saving import Target\n"
        f"convert({str(HF_FOLDER)!r}, target={str(tmp_path / 'pd')!r}, to=Target.PADDLE)\n"
        f"convert({str(tmp_path / 'pd')!r}, target={str(tmp_path / 'tf')!r}, to=Target.TENSORFLOW)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- Truncated files and archives
# ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index"]
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    source = TF_FOLDER if name.startswith("bert_model") else HF_FOLDER
    for path in source.iterdir():
        if path.name == name or path.name.startswith("bert_model"):
            whole = path.read_bytes()
            (tmp_path / path.name).write_bytes(whole[: int(share * len(whole))] if path.name == name else whole)
    with pytest.raises(CheckpointError):
        open_model(tmp_path, config=CONFIG)


def test_an_archive_with_outside_paths_or_too_large_members_is_refused_and_leaves_nothing(tmp_path):
    def archive(member: str, data: bytes) -> Path:
        with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as stream:
            stream.writestr(member, data)
        return tmp_path / "model.zip"

    for path in (("../escaped.txt", b"x"), ("/tmp/escaped.txt", b"x"), ("bert_model.ckpt.index", bytes(257 << 20))):
        with pytest.raises(ArchiveError):
            converted(archive(*path), tmp_path / "out" / "model")
        assert sorted(item.name for item in tmp_path.iterdir()) in (["model.zip"], ["model.zip", "out"])
        assert not list((tmp_path / "out").iterdir())
