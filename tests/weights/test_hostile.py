"""Hostile weights files: those that run code, name other files, take all memory or have a false header are refused."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import zipfile
from pathlib import Path

import crc32c
import numpy as np
import pytest

from paddle_wwm.errors import CheckpointError
from paddle_wwm.weights.opening import open_weights
from paddle_wwm.weights.pdparams import open_pdparams
from paddle_wwm.weights.pytorch import open_pytorch
from paddle_wwm.weights.safetensors import open_safetensors
from paddle_wwm.weights.tensorflow import open_tensorflow, write_tensorflow
from paddle_wwm.weights.tensors import ArrayTensor
from paddle_wwm.weights.tf_table import build_table, encode_field, encode_varint, masked_crc, read_table

from ..conversion.sources import torch_legacy, torch_zip

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.float32)}


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments) -> None:
        self._call = function, arguments

    def __reduce__(self):
        return self._call


# ---- Pickles
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["zip", "older format", "first pickle of the older format"])
@pytest.mark.parametrize("function", [os.system, builtins.eval, builtins.exec, builtins.getattr])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, where, function):
    witness, path = tmp_path / "it-ran", tmp_path / "pytorch_model.bin"
    argument = f"touch {witness}" if function is os.system else f"open({str(witness)!r}, 'w').close()"
    code = pickle.dumps({"a": Call(function, argument)}, protocol=2)
    if where == "zip":
        torch_zip(path, {}, data_pickle=code)
    else:
        whole = torch_legacy(path, ARRAYS).read_bytes()
        end_of_head = whole.index(b"type_sizes") if where == "older format" else 0
        end_of_head = whole.index(b".", end_of_head) + 1 if where == "older format" else 15
        path.write_bytes(whole[:end_of_head] + code)
    with pytest.raises(
        CheckpointError, match=rf"pytorch_model\.bin: cannot be read as PyTorch weights: it names .*{function.__name__}"
    ):
        open_pytorch(path)
    assert not witness.exists()


def test_a_whole_module_instead_of_its_weights_is_refused(tmp_path):
    code = b"\x80\x02ctorch.nn.modules.linear\nLinear\n)R."
    with pytest.raises(CheckpointError, match="it names torch.nn.modules.linear.Linear, which weights do not need"):
        open_pytorch(torch_zip(tmp_path / "x.bin", {}, data_pickle=code))


def laughs(depth: int = 60) -> bytes:
    """Return the pickle of nested tuples (x, x), `depth` levels deep: visiting all takes 2 ** depth steps."""
    return b")" + b"".join(b"2\x86" for _ in range(depth))


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02}(" + laughs() + b"K\x01u.",  # as a key
        b"\x80\x02}" + laughs() + b"K\x01s.",
        b"\x80\x02(" + laughs() + b"K\x01d.",
        b"\x80\x02ccollections\nOrderedDict\n](" + laughs() + b"K\x01\x86e\x85R.",
        b"\x80\x04\x8f(" + laughs() + b"\x90.",  # in a set
    ],
)
def test_nested_tuples_that_take_forever_to_hash_are_refused_at_once(tmp_path, code):
    for path, opener in ((tmp_path / "x.pdparams", open_pdparams), (tmp_path / "x.bin", open_pytorch)):
        path.write_bytes(code) if opener is open_pdparams else torch_zip(path, {}, data_pickle=code)
        with pytest.raises(CheckpointError):
            opener(path)


STORAGE_OF_SIX = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"


def rebuilt(arguments: bytes) -> bytes:
    """Return a data.pkl of {"a": tensor} with a storage of six numbers and the given offset, sizes and strides."""
    return (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(" + STORAGE_OF_SIX + arguments + b"\x89}tRs."
    )


@pytest.mark.parametrize(
    "arguments",
    [
        b"K\x00K\x07\x85K\x01\x85",  # one number too many
        b"K\x01K\x06\x85K\x01\x85",  # an offset that exceeds the storage
        b"K\x00K\x02K\x03\x86K\x03K\x02\x86",  # strides that exceed the storage
        b"J\xff\xff\xff\xffK\x02\x85K\x01\x85",  # a negative offset
        b"K\x05K\x02\x85J\xff\xff\xff\xff\x85",  # a negative stride
        b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85",  # stride 0: two billion values from one number
        b"K\x00K\x02K\x03\x86K\x01\x85",  # more sizes than strides
        b"K\x00X\x01\x00\x00\x002\x85K\x01\x85",  # a size that is text
        # nine sizes
        b"K\x00(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t(K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01t",
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(tmp_path, arguments):
    good = torch_zip(
        tmp_path / "good.bin",
        {"0": np.arange(6, dtype=np.float32)},
        data_pickle=rebuilt(b"K\x00K\x02K\x03\x86K\x03K\x01\x86"),
    )
    assert open_pytorch(good)["a"].read().tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(CheckpointError, match="cannot be read as PyTorch weights: a tensor"):
        open_pytorch(
            torch_zip(tmp_path / "bad.bin", {"0": np.arange(6, dtype=np.float32)}, data_pickle=rebuilt(arguments))
        )


def test_a_storage_shorter_than_stated_is_refused(tmp_path):
    path = torch_zip(
        tmp_path / "x.bin", {"0": np.arange(5, dtype=np.float32)}, data_pickle=rebuilt(b"K\x00K\x02\x85K\x01\x85")
    )
    with pytest.raises(CheckpointError, match="storage '0' should have 24 bytes, but the file has 20"):
        open_pytorch(path)
    with pytest.raises(CheckpointError, match="the storage of 'a' is missing"):
        open_pytorch(torch_zip(tmp_path / "y.bin", {}, data_pickle=rebuilt(b"K\x00K\x02\x85K\x01\x85")))


def test_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}." + bytes(10_000))
    with pytest.raises(CheckpointError, match="is compressed or encrypted, which torch does not do"):
        open_pytorch(tmp_path / "x.bin")


# ---- safetensors
# ----------------------------------------------------------------------------------------------------------------------


def safetensors_file(path: Path, header: object, *, data: bytes = bytes(24), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(begin: object = 0, end: object = 24, shape: object = (2, 3), dtype: object = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry(4, 28)}, "places 'a' at bytes 4 to 28, but the file has 24 bytes of data"),
        ({"a": entry(0, 2**63)}, "places 'a' at bytes 0"),
        ({"a": entry(-24, 0)}, "offsets of at least 0"),
        ({"a": entry(24, 0)}, "places 'a' at bytes 24 to 0"),
        ({"a": entry(0, 8, (2,)), "b": entry(4, 12, (2,))}, "'a' and 'b' overlap"),
        ({"a": entry(shape=(2, 4))}, "'a', float32 of shape .2, 4., takes 32 bytes, not the 24"),
        ({"a": entry(shape=(-2, -3))}, "sizes"),
        ({"a": entry(shape=(2.0, 3))}, "sizes"),
        ({"a": entry(shape=[1] * 9)}, "up to 8 sizes"),
        ({"a": entry(dtype="F4")}, "the type of 'a' must be one of .*, but is 'F4'"),
        ({"a": entry(dtype=["F32"])}, "must have dtype, shape and two data_offsets"),
        ({"a": {"dtype": "F32", "shape": [6]}}, "must have dtype, shape and two data_offsets"),
        ({"a": [1, 2, 3]}, "must have dtype"),
        ([], "must be a JSON object"),
        (b"{" * 100_000, "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
    ],
)
def test_an_invalid_header_is_refused(tmp_path, header, message):
    with pytest.raises(CheckpointError, match=message):
        open_safetensors(safetensors_file(tmp_path / "model.safetensors", header))


@pytest.mark.parametrize("length", [2**63, 2**40, 1000, 101_000_000])
def test_a_header_longer_than_the_file_is_refused(tmp_path, length):
    with pytest.raises(CheckpointError, match=f"a header of {length:,} bytes"):
        open_safetensors(safetensors_file(tmp_path / "model.safetensors", {}, length=length))


@pytest.mark.parametrize("name", ["../../secret.safetensors", "/etc/passwd", "..", "", "sub/model.safetensors"])
def test_an_index_that_names_files_elsewhere_is_refused(tmp_path, name):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="must name 1 to 1000 files in its own folder"):
        open_weights(tmp_path)


# ---- TensorFlow
# ----------------------------------------------------------------------------------------------------------------------


def checkpoint(folder: Path, *, changes: dict[bytes, bytes] | None = None) -> Path:
    """Write a small checkpoint and return its prefix. changes: other values for its index."""
    prefix = folder / "model.ckpt"
    write_tensorflow(prefix, {name: ArrayTensor(array) for name, array in ARRAYS.items()})
    items = dict(read_table((folder / "model.ckpt.index").read_bytes())) | (changes or {})
    (folder / "model.ckpt.index").write_bytes(build_table(sorted(items.items())))
    return prefix


def bundle_entry(
    *,
    dtype: int = 1,
    shape: tuple[int, ...] = (4,),
    shard: int = 0,
    offset: int = 24,
    size: int = 16,
    more: bytes = b"",
) -> bytes:
    dimensions = b"".join(encode_field(2, encode_field(1, size)) for size in shape)
    return (
        encode_field(1, dtype)
        + encode_field(2, dimensions)
        + encode_field(3, shard)
        + encode_field(4, offset)
        + encode_field(5, size)
        + more
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {b"b": bundle_entry(offset=25)},
            "places 'b' at bytes 25 to 41 of model.ckpt.data-00000-of-00001, which has 40",
        ),
        ({b"b": bundle_entry(offset=2**62)}, "places 'b' at bytes 4,6"),
        ({b"b": bundle_entry(size=2**62)}, "places 'b' at bytes 24 to"),
        ({b"b": bundle_entry(shape=(5,))}, "'b', float32 of shape .5,., takes 20 bytes, not the 16"),
        ({b"b": bundle_entry(shape=(2**63,))}, "a shape has a size below 0"),
        ({b"b": bundle_entry(shape=(1,) * 9)}, "a shape has 9 sizes"),
        ({b"b": bundle_entry(shard=7)}, "no such shard"),
        ({b"": encode_field(1, 1) + encode_field(2, 1)}, "big-endian"),
        ({b"": b""}, "no number of shards"),
        ({b"b": b"\xff\xff\xff"}, "cut off or too long"),
    ],
)
def test_an_index_that_does_not_fit_the_data_is_refused(tmp_path, changes, message):
    with pytest.raises(CheckpointError, match=message):
        open_tensorflow(checkpoint(tmp_path, changes=changes))


def test_a_corrupt_tensor_is_detected_by_its_checksum(tmp_path):
    prefix = checkpoint(tmp_path)
    data = Path(f"{prefix}.data-00000-of-00001")
    whole = bytearray(data.read_bytes())
    whole[30] ^= 1
    data.write_bytes(whole)
    tensors = open_tensorflow(prefix)
    assert tensors["a"].read().tolist() == ARRAYS["a"].tolist()
    with pytest.raises(CheckpointError, match="is corrupt: the checksum of 'b' differs"):
        tensors["b"].read()


def test_reading_a_text_raises_with_the_reason(tmp_path):
    tensors = open_tensorflow(checkpoint(tmp_path, changes={b"text": bundle_entry(dtype=7)}))
    with pytest.raises(CheckpointError, match="holds no numbers"):
        tensors["text"].read()


def test_keys_out_of_order_and_overlapping_blocks_are_refused(tmp_path):
    from paddle_wwm.weights.tf_table import TableError

    with pytest.raises(TableError, match="not in order"):
        list(read_table(build_table([(b"b", b""), (b"a", b"")])))
    # an index can name the same block a million times, and reading it so often would take forever
    handle = encode_varint(0) + encode_varint(8)
    block = bytes(4) + (1).to_bytes(4, "little") + b"\0"
    block += masked_crc(crc32c.crc32c(block)).to_bytes(4, "little")
    index = b"".join(
        encode_varint(0) + encode_varint(1) + encode_varint(len(handle)) + bytes([key]) + handle for key in (1, 2)
    )
    index += bytes(4) + (1).to_bytes(4, "little")
    place = encode_varint(len(block)) + encode_varint(len(index))
    index += b"\0" + masked_crc(crc32c.crc32c(index + b"\0")).to_bytes(4, "little")
    table = block + index + (place + place).ljust(40, b"\0") + build_table([])[-8:]
    with pytest.raises(TableError, match="overlap"):
        list(read_table(table))


def test_a_table_of_many_blocks_is_read_back():
    items = [
        (f"bert/encoder/layer_{number:04d}/kernel".encode(), bytes([number % 256]) * (number % 37))
        for number in range(2000)
    ]
    for block_bytes in (1, 100, 5000, 1 << 20):
        assert list(read_table(build_table(items, block_bytes=block_bytes))) == items
