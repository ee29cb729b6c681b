"""Keras weights (.h5) are read exactly, and what Keras does not write is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.conversion.opening import open_model
from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.keras_h5 import open_keras
from paddle_wwm.weights.tensorflow import open_tensorflow

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CONFIG = FIXTURES / "tiny_bert_hf" / "config.json"
CLASS = "tf_bert_for_pre_training"


def test_without_h5py_the_error_names_it(tmp_path):
    (tmp_path / "tf_model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    code = (
        "import sys; sys.modules['h5py'] = None\n"
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'h5py' else find(name, *more)\n"
        "del sys.modules['h5py']\n"
        "from paddle_wwm.weights.opening import open_weights\n"
        f"open_weights({str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "needs the package h5py, which is not installed here; run `pip install h5py`" in done.stderr


def keras_arrays() -> dict[str, np.ndarray]:
    """Return the model of the fixtures by the names of transformers' TFBertForPreTraining."""
    arrays = {}
    for name, tensor in open_tensorflow(FIXTURES / "tiny_bert_tf" / "bert_model.ckpt").items():
        if name.endswith("adam_m") or name == "global_step":
            continue
        array = tensor.read()
        if name.endswith("output_weights"):
            name, array = name.replace("output_weights", "kernel"), array.T
        name = name.replace("layer_", "layer_._").replace("output_bias", "bias").replace("cls/", "mlm___cls/")
        name = name.replace("mlm___cls/seq_", "nsp___cls/seq_")
        if name.endswith("_embeddings"):
            name += "/weight" if "word" in name else "/embeddings"
        arrays[f"{name.partition('/')[0]}/{CLASS}/{name}:0"] = array
    return arrays


def write(path, arrays, *, group="", **options):
    h5py = pytest.importorskip("h5py", reason="h5py is an extra (pip install 'paddle_wwm[keras]')")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        root = file.require_group(group) if group else file
        root.attrs["layer_names"] = [b"bert", b"mlm___cls", b"nsp___cls"]
        for name, array in arrays.items():
            root.create_dataset(name, data=array, **options)
        if group:
            file.create_dataset("optimizer_weights/iter:0", data=np.int64(3))
    return path


def is_the_model(opened):
    expected = open_model(FIXTURES / "tiny_bert_tf", config=CONFIG)
    return opened.tensors.keys() == expected.tensors.keys() and all(
        np.array_equal(tensor.read(), expected.tensors[name].read()) for name, tensor in opened.tensors.items()
    )


def test_the_weights_of_a_model_of_transformers_are_read_exactly(tmp_path):
    write(tmp_path / "tf_model.h5", keras_arrays())
    (tmp_path / "config.json").write_text(CONFIG.read_text())
    opened = open_model(tmp_path)
    assert is_the_model(opened) and opened.taken_off == (f"{CLASS}/",)


def test_a_file_with_the_whole_model_and_its_optimizer_is_read(tmp_path):
    opened = open_model(write(tmp_path / "model.h5", keras_arrays(), group="model_weights"), config=CONFIG)
    assert is_the_model(opened)
    assert (opened.taken_off, opened.left_out) == (("model_weights", f"{CLASS}/"), ("optimizer_weights",))


def test_tensors_that_two_layers_share_must_be_equal(tmp_path):
    arrays = keras_arrays()
    name = f"{CLASS}/bert/embeddings/token_type_embeddings/embeddings:0"
    same = arrays[f"bert/{name}"]
    assert is_the_model(open_model(write(tmp_path / "same.h5", arrays | {f"mlm___cls/{name}": same}), config=CONFIG))
    with pytest.raises(CheckpointError, match="twice, with different values"):
        open_keras(write(tmp_path / "other.h5", arrays | {f"mlm___cls/{name}": same + 1}))


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.zeros((64, 64)), {"compression": "gzip"}, "compressed, in pieces or in another file"),
        (np.zeros((64, 64)), {"chunks": (8, 8)}, "compressed, in pieces or in another file"),
        (np.zeros(4), {"external": [("secret.bin", 0, 32)]}, "compressed, in pieces or in another file"),
        (np.zeros(4, ">f4"), {}, "must hold little-endian numbers"),
        (np.array([b"text"]), {}, "must hold little-endian numbers"),
    ],
)
def test_arrays_that_keras_does_not_write_are_refused(tmp_path, monkeypatch, array, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        open_keras(write(tmp_path / "a.h5", {"bert/x:0": array}, **options))


def test_links_to_other_files_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    write(tmp_path / "other.h5", {"bert/secret:0": np.zeros(4)})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["bert"] = h5py.ExternalLink("other.h5", "/bert")
        file["x"] = h5py.SoftLink("/bert")
    assert open_keras(tmp_path / "a.h5") == {}


def test_damaged_files_are_refused_or_give_tensors_of_the_right_size(tmp_path):
    whole = write(tmp_path / "tf_model.h5", keras_arrays()).read_bytes()
    rng = np.random.default_rng(3)
    for number in range(150):
        damaged = bytearray(whole)
        if number % 3 == 0:
            del damaged[int(rng.integers(len(whole))) :]
        else:
            for place in rng.integers(len(whole) if number % 3 == 1 else 4000, size=3):
                damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / "damaged.h5").write_bytes(damaged)
        try:
            for tensor in open_keras(tmp_path / "damaged.h5").values():
                assert tensor.read().shape == tensor.shape
        except CheckpointError:
            pass
