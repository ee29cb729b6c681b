"""Reading and writing .pdparams files as Paddle does, and refusing hostile or corrupt ones."""

from __future__ import annotations

import builtins
import os
import pickle
import resource
from collections import OrderedDict
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.pdparams import read_pdparams, write_pdparams


def some_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "linear.weight": rng.standard_normal((5, 7)).astype(np.float32),
        "linear.bias": np.zeros(7, np.float32),
        "half": rng.standard_normal((2, 3, 4)).astype(np.float16),
        "double": rng.standard_normal(11),
        "steps": np.array([1, -2, 2**40]),
        "scalar": np.array(2.5, np.float32),
        "flags": np.array([True, False]),
    }


def assert_same(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Assert that names, order, dtypes, shapes and bytes are equal."""
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (array.dtype, array.shape), name
        assert actual[name].tobytes() == array.tobytes(), name


def pickled(value, path: Path, *, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


# ---- Reading and writing
# ----------------------------------------------------------------------------------------------------------------------


# Paddle 2.0 wrote protocol 2 by default, later versions write protocol 4
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_files_of_paddle_save_are_read(tmp_path, protocol):
    layer = paddle.nn.Linear(5, 7)
    paddle.save(layer.state_dict(), str(tmp_path / "layer.pdparams"), protocol=protocol)
    assert_same(
        read_pdparams(tmp_path / "layer.pdparams"),
        {name: tensor.numpy() for name, tensor in layer.state_dict().items()},
    )


def test_tensors_that_paddle_saves_together_with_arrays_are_read(tmp_path):
    # in this case paddle.save writes (name, array) pairs instead of arrays
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    paddle.save({"tensor": paddle.to_tensor(weight), "array": weight + 1}, str(tmp_path / "mixed.pdparams"))
    assert_same(read_pdparams(tmp_path / "mixed.pdparams"), {"tensor": weight, "array": weight + 1})


def test_written_arrays_are_read_back_bit_for_bit(tmp_path):
    write_pdparams(tmp_path / "x.pdparams", some_arrays())
    assert_same(read_pdparams(tmp_path / "x.pdparams"), some_arrays())


def test_our_files_are_read_by_paddle_load(tmp_path):
    arrays = {name: array for name, array in some_arrays().items() if array.ndim}
    write_pdparams(tmp_path / "x.pdparams", arrays)
    assert_same(paddle.load(str(tmp_path / "x.pdparams"), return_numpy=True), arrays)
    loaded = paddle.load(str(tmp_path / "x.pdparams"))
    assert_same({name: tensor.numpy() for name, tensor in loaded.items()}, arrays)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("mapping", [dict, OrderedDict])
def test_plain_pickles_of_arrays_are_read(tmp_path, protocol, mapping):
    path = pickled(mapping(some_arrays()), tmp_path / "x.pdparams", protocol=protocol)
    assert_same(read_pdparams(path), some_arrays())


def test_arrays_in_fortran_order_keep_their_values(tmp_path):
    array = np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))
    write_pdparams(tmp_path / "x.pdparams", {"a": array})
    assert read_pdparams(tmp_path / "x.pdparams")["a"].tolist() == array.tolist()


def test_the_same_array_under_two_names_is_stored_once(tmp_path):
    array = np.random.default_rng(0).standard_normal((100, 100)).astype(np.float32)
    write_pdparams(tmp_path / "once.pdparams", {"a": array})
    write_pdparams(tmp_path / "twice.pdparams", {"a": array, "b": array})
    sizes = [(tmp_path / name).stat().st_size for name in ("once.pdparams", "twice.pdparams")]
    assert sizes[1] - sizes[0] < 100
    assert_same(read_pdparams(tmp_path / "twice.pdparams"), {"a": array, "b": array})


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_pdparams(tmp_path / "x.pdparams", some_arrays())
    with pytest.raises(TypeError):
        write_pdparams(tmp_path / "x.pdparams", {"a": (item for item in ())})
    assert os.listdir(tmp_path) == ["x.pdparams"]
    assert_same(read_pdparams(tmp_path / "x.pdparams"), some_arrays())


# ---- Refused
# ----------------------------------------------------------------------------------------------------------------------


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments) -> None:
        self._call = function, arguments

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, "system"),
        (builtins.eval, "eval"),
        (builtins.exec, "exec"),
        (builtins.getattr, "getattr"),
        (np.load, "load"),
    ],
)
def test_a_file_that_would_run_code_is_refused_and_does_not_run(tmp_path, protocol, function, name):
    witness = tmp_path / "it-ran"
    argument = f"touch {witness}" if function is os.system else f"open({str(witness)!r}, 'w').close()"
    path = pickled({"a": np.zeros(3), "b": Call(function, argument)}, tmp_path / "x.pdparams", protocol=protocol)
    with pytest.raises(
        CheckpointError,
        match=rf"x\.pdparams: cannot be read as Paddle weights: it names .*{name}, which weights do not need",
    ):
        read_pdparams(path)
    assert not witness.exists()
    # the file is really hostile: pickle.loads runs its code
    if function in (os.system, builtins.eval, builtins.exec):
        pickle.loads(path.read_bytes())
        assert witness.exists()


@pytest.mark.parametrize("name", ["system", "_codecs.encode", "ndarray.tofile", "core.multiarray.fromfile"])
def test_dotted_names_are_refused(tmp_path, name):
    # protocol 4 allows attributes of attributes, such as numpy.core.multiarray.fromfile
    code = b"\x80\x04\x8c\x05numpy\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    (tmp_path / "x.pdparams").write_bytes(code)
    with pytest.raises(CheckpointError, match=rf"it names numpy\.{name}"):
        read_pdparams(tmp_path / "x.pdparams")


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", 1, None], object),
        np.array([("a", 1)], [("name", object), ("number", np.int64)]),
        np.array(["text"]),
        np.array([(1, 2.0)], [("a", np.int64), ("b", np.float32)]),
        np.array(["2020-02-02"], "datetime64[D]"),
    ],
    ids=["objects", "objects in a structure", "text", "structure", "dates"],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, array):
    path = pickled({"good": np.zeros(3), "bad": array}, tmp_path / "x.pdparams")
    with pytest.raises(
        CheckpointError,
        match=r"x\.pdparams: cannot be read as Paddle weights: it holds an array of '\w+', not of numbers",
    ):
        read_pdparams(path)


@pytest.mark.parametrize(
    "value", [[1.0, 2.0], 3.0, "text", {"nested": np.zeros(3)}, ("name", "no array"), np.dtype("f4"), None]
)
def test_entries_that_are_not_arrays_are_refused(tmp_path, value):
    path = pickled({"good": np.zeros(3), "bad": value}, tmp_path / "x.pdparams")
    with pytest.raises(CheckpointError, match=r"x\.pdparams: entry 'bad' must be an array of numbers"):
        read_pdparams(path)
    with pytest.raises(CheckpointError, match="entry 7"):
        read_pdparams(pickled({7: np.zeros(3)}, path))


@pytest.mark.parametrize("value", [[np.zeros(3)], np.zeros(3), "text", None])
def test_a_file_without_a_mapping_is_refused(tmp_path, value):
    with pytest.raises(CheckpointError, match="must hold a mapping of names to arrays"):
        read_pdparams(pickled(value, tmp_path / "x.pdparams"))


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(CheckpointError, match="no such weights file"):
        read_pdparams(tmp_path / "x.pdparams")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_pdparams(tmp_path)


# ---- Corrupt
# ----------------------------------------------------------------------------------------------------------------------


def read_or_refuse(path: Path) -> bool:
    """Return True if arrays were read, False if CheckpointError was raised. Other errors are not caught."""
    try:
        arrays = read_pdparams(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        return False
    assert all(
        isinstance(name, str) and isinstance(array, np.ndarray) and array.dtype.kind in "biufc"
        for name, array in arrays.items()
    )
    return True


def test_a_file_truncated_anywhere_is_refused(tmp_path):
    write_pdparams(tmp_path / "whole.pdparams", some_arrays())
    whole = (tmp_path / "whole.pdparams").read_bytes()
    path = tmp_path / "cut.pdparams"
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        assert not read_or_refuse(path), length


@pytest.mark.parametrize("protocol", [2, 4])
def test_flipped_bytes_are_refused_or_give_arrays(tmp_path, protocol):
    path = pickled(some_arrays(), tmp_path / "x.pdparams", protocol=protocol)
    whole, rng = path.read_bytes(), np.random.default_rng(11)
    outcomes = []
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        path.write_bytes(flipped)
        outcomes.append(read_or_refuse(path))
    # flips in the values cannot be detected; those in the structure are
    assert 20 < sum(outcomes) < 190


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02}r\x00\x00\x00\x04.",  # LONG_BINPUT: a memo index that takes 1 GB in the C unpickler
        b"\x80\x05}\x96\x00\x00\x00\x20\x00\x00\x00\x00.",  # BYTEARRAY8: half a gigabyte of zeros
        b"\x80\x04}B\xff\xff\xff\x3f.",  # BINBYTES: a length of 1 GB in a file of a few bytes
        b"\x80\x04}\x8e\xff\xff\xff\xff\xff\xff\xff\x3f.",  # BINBYTES8: a length of 4 EB
    ],
)
def test_a_few_bytes_do_not_take_gigabytes(tmp_path, code):
    (tmp_path / "x.pdparams").write_bytes(code)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read_or_refuse(tmp_path / "x.pdparams")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@pytest.mark.parametrize("flags", [1, 4, 8, 63, 255])
def test_dtype_flags_that_make_numpy_treat_numbers_as_pointers_are_refused(tmp_path, flags):
    # the flags are the last entry of a pickled dtype; numpy trusts them, and the process crashes
    array = np.arange(6, dtype=np.float32)
    code = pickle.dumps({"a": array}, protocol=2)
    state = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK"
    assert code.count(state + b"\x00") == 1
    (tmp_path / "x.pdparams").write_bytes(code.replace(state + b"\x00", state + bytes([flags])))
    with pytest.raises(CheckpointError, match="a type of numbers has the invalid state"):
        read_pdparams(tmp_path / "x.pdparams")
