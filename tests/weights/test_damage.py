"""Damage that a format lets one detect is refused. What a format's own reader refuses, ours refuses."""

from __future__ import annotations

import io
import json
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.cli.main import main
from paddle_wwm.conversion.convert import convert
from paddle_wwm.errors import CheckpointError
from paddle_wwm.files import sha256_of_file
from paddle_wwm.weights.opening import open_weights
from paddle_wwm.weights.pdparams import open_pdparams
from paddle_wwm.weights.pytorch import open_pytorch
from paddle_wwm.weights.safetensors import open_safetensors
from paddle_wwm.weights.torch_archive import is_torch_archive

from ..conversion.sources import HF_FOLDER, torch_legacy, torch_zip
from ..interop.digests import read_by
from .damage import FORMATS, arrays, count, damaged, has_gnu_tar, read_by_us, write_paddle, write_safetensors

FILES_PER_FORMAT = 300
FILES_FOR_GNU_TAR = 60  # a process for every file
IN_THIS_ENVIRONMENT = [name for name, form in FORMATS.items() if not isinstance(form.theirs, str)]


@pytest.mark.parity
@pytest.mark.parametrize("name", IN_THIS_ENVIRONMENT)
def test_what_the_formats_own_reader_refuses_is_refused(tmp_path, name):
    if name.startswith("tar") and not has_gnu_tar():
        pytest.skip("GNU tar is not installed")
    form, rng = FORMATS[name], np.random.default_rng(3)
    path = form.write(tmp_path)
    whole, ours, theirs = path.read_bytes(), {}, {}
    expected = read_by_us(form, path)
    assert expected == read_by(form.theirs, path)
    for number in range(FILES_FOR_GNU_TAR if name.startswith("tar") else FILES_PER_FORMAT):
        path.write_bytes(damaged(whole, rng))
        ours[str(number)], theirs[str(number)] = read_by_us(form, path), read_by(form.theirs, path)
    found = count(expected, ours, theirs)
    assert (found.only_theirs, found.different) == ((), ())
    assert found.num_ours >= found.num_theirs > found.num_files // 4
    if name.startswith("zip") or name == "tar.gz":
        assert found.changed == ()  # checksums cover everything


# ---- safetensors
# ----------------------------------------------------------------------------------------------------------------------


def safetensors_file(path: Path, header: dict, data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(begin: int, end: int, *, size: int | None = None) -> dict:
    return {"dtype": "F32", "shape": [(end - begin) // 4 if size is None else size], "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": entry(0, 8), "b": entry(12, 24)}, "4 bytes at 8 of the data, before 'b', belong to no tensor"),
        ({"a": entry(4, 24)}, "4 bytes at 0 of the data, before 'a', belong to no tensor"),
        ({"a": entry(0, 20)}, "4 bytes at 20 of the data, after the last tensor, belong to no tensor"),
        ({}, "24 bytes at 0 of the data, after the last tensor, belong to no tensor"),
        ({"a": entry(0, 16), "b": entry(12, 24)}, "the tensors 'a' and 'b' overlap"),
        ({"a": entry(0, 24, size=5)}, "'a', float32 of shape .5,., takes 20 bytes, not the 24 bytes"),
        ({"a": {**entry(0, 24), "shape": [6, 1.0]}}, "'a' must have a shape"),
        ({"a": {**entry(0, 24), "data_offsets": [0, 24, 24]}}, "'a' must have dtype, shape and two data_offsets"),
        ({"a": entry(0, 24), "__metadata__": {"format": 1}}, "'__metadata__' must map names to strings"),
        ({"a": entry(0, 24), "b\ud800": entry(24, 24)}, "not valid JSON"),
        ({"a": {**entry(0, 24), "scale": float("nan")}}, "NaN is not a number"),
    ],
)
def test_a_safetensors_file_with_a_hole_a_tail_or_a_wrong_number_is_refused(tmp_path, header, message):
    with pytest.raises(CheckpointError, match=message):
        open_safetensors(safetensors_file(tmp_path / "model.safetensors", header, bytes(24)))


def test_a_name_that_a_safetensors_header_has_twice_is_refused(tmp_path):
    path = write_safetensors(tmp_path)
    text = '{"a":' + json.dumps(entry(0, 8)) + ',"a":' + json.dumps(entry(0, 8)) + "}"
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode() + bytes(8))
    with pytest.raises(CheckpointError, match="a name is given twice"):
        open_safetensors(path)


def test_empty_tensors_have_no_bytes_and_are_no_holes(tmp_path):
    header = {"a": entry(0, 8), "empty": entry(8, 8), "b": entry(8, 24)}
    assert set(open_safetensors(safetensors_file(tmp_path / "x.safetensors", header, bytes(24)))) == set(header)


# ---- PyTorch
# ----------------------------------------------------------------------------------------------------------------------


def with_checksums(path: Path, *, change) -> Path:
    """Rewrite the checksums in the directory and in the members of a zip archive."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        infos, place = archive.infolist(), archive.start_dir
    for info in infos:
        crc = change(info)
        struct.pack_into("<I", data, place + 16, crc)
        struct.pack_into("<I", data, info.header_offset + 14, crc)
        place += 46 + len(info.orig_filename) + len(info.extra) + len(info.comment)
    path.write_bytes(data)
    return path


def test_a_flipped_byte_in_a_bin_is_found_whatever_tensor_it_is_in(tmp_path):
    path = torch_zip(tmp_path / "x.bin", arrays())
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    for info in infos:
        place = info.header_offset + 30 + len(info.filename) + info.file_size // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError) as caught:
            open_pytorch(path)
        assert f"the checksum of its member {info.filename!r} is wrong" in str(caught.value)
        assert "set_crc32_options" in str(caught.value) and "--ignore-crc" in str(caught.value)


def test_a_bin_without_checksums_is_read_only_if_they_are_ignored(tmp_path, capsys):
    shutil.copytree(HF_FOLDER, tmp_path / "hf")
    (tmp_path / "hf" / "model.safetensors").unlink()
    with_checksums(tmp_path / "hf" / "pytorch_model.bin", change=lambda info: 0)
    command = ["convert", str(tmp_path / "hf"), str(tmp_path / "out"), "--to", "huggingface"]
    with pytest.raises(SystemExit) as refused:
        main(command)
    message = capsys.readouterr().err
    assert refused.value.code == 2
    assert "it has no checksums" in message and "set_crc32_options" in message and "--ignore-crc" in message
    with pytest.raises(SystemExit) as done:
        main([*command, "--ignore-crc"])
    assert not done.value.code
    read = {name: tensor.read() for name, tensor in open_weights(tmp_path / "out").tensors.items()}
    expected = {name: tensor.read() for name, tensor in open_weights(HF_FOLDER).tensors.items()}
    assert all(np.array_equal(read[name], expected[name]) for name in read) and read


def test_a_bin_whose_directory_does_not_fit_is_refused_even_without_checksums(tmp_path):
    path = torch_zip(tmp_path / "x.bin", arrays())
    whole = path.read_bytes()
    end = len(whole) - 22
    changed = {
        "a tail": whole + b"\0",
        "bytes in front": b"PK\x03\x04" + whole,
        "another count": whole[: end + 10] + b"\x01\x00" + whole[end + 12 :],
        "another disk": whole[: end + 4] + b"\x01\x00" + whole[end + 6 :],
        "a member on another disk": whole[: whole.index(b"PK\x01\x02") + 34]
        + b"\x02"
        + whole[whole.index(b"PK\x01\x02") + 35 :],
        "another offset": whole[: end + 16] + b"\x00\x00\x00\x00" + whole[end + 20 :],
    }
    for data in changed.values():
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"x\.bin: cannot be read as PyTorch weights"):
            open_pytorch(path, ignore_crc=True)


@pytest.mark.parametrize("version", ["", "0", "11", "x"])
def test_another_version_of_torchs_format_is_refused(tmp_path, version):
    path = torch_zip(tmp_path / "x.bin", arrays())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["archive/version"] = version.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match="its version must be from 1 to 10"):
        open_pytorch(path)


def test_strides_that_make_numbers_overlap_are_refused(tmp_path):
    path = torch_zip(tmp_path / "x.bin", {"a": np.zeros((7, 5), np.float32)})
    with zipfile.ZipFile(path) as archive:
        code = archive.read("archive/data.pkl")
    strides = b"K\x05K\x01\x86"
    assert code.count(strides) == 1
    with pytest.raises(CheckpointError, match="has the strides .4, 1., so its numbers overlap"):
        open_pytorch(torch_zip(path, {"a": np.zeros((7, 5))}, data_pickle=code.replace(strides, b"K\x04K\x01\x86")))


def test_a_storage_on_an_unknown_device_is_refused(tmp_path):
    path = torch_legacy(tmp_path / "x.bin", arrays())
    whole = path.read_bytes()
    place = whole.index(b"X\x03\x00\x00\x00cpu") + 7
    path.write_bytes(whole[:place] + b"w" + whole[place + 1 :])
    with pytest.raises(CheckpointError, match="must be on the CPU or an accelerator, but is on 'cpw'|'cwu'"):
        open_pytorch(path)


def test_bytes_after_the_end_of_a_pickle_are_refused(tmp_path):
    for path, opener in (
        (torch_legacy(tmp_path / "x.bin", arrays()), open_pytorch),
        (write_paddle(tmp_path), open_pdparams),
    ):
        size = path.stat().st_size
        with open(path, "ab") as stream:
            stream.write(b"\0")
        with pytest.raises(CheckpointError, match=f"other bytes follow its end, which is at byte {size:,}"):
            opener(path)


def test_an_integer_too_many_in_a_paddle_file_is_refused_with_its_place(tmp_path):
    whole = write_paddle(tmp_path).read_bytes()
    changes = {
        b"(K\x01K\x07K\x05\x86": (b"(K\x02K\x07K\x05\x86", "an array has the invalid version 2"),
        b"K\x03X\x01\x00\x00\x00<": (b"K\x04X\x01\x00\x00\x00<", "a type of numbers has the invalid state"),
        b"K\x00\x85C\x01b": (b"K\x01\x85C\x01b", "an array is made from arguments that numpy never writes"),
    }
    for old, (new, message) in changes.items():
        assert old in whole
        (tmp_path / "x.pdparams").write_bytes(whole.replace(old, new, 1))
        with pytest.raises(CheckpointError, match=message):
            open_pdparams(tmp_path / "x.pdparams")


@pytest.mark.parametrize("name", ["model_state.pdparams", "model.tar"])
def test_a_file_without_checksums_is_compared_with_the_sha256_file_next_to_it(tmp_path, name):
    folder = tmp_path / "model"
    convert(HF_FOLDER, target=folder, to="paddle")
    with tarfile.open(tmp_path / "model.tar", "w") as archive:
        archive.add(folder, "model")
    path = next(tmp_path.rglob(name))
    source = folder if name.endswith(".pdparams") else path
    path.with_name(f"{name}.sha256").write_text(f"{sha256_of_file(path)}  {name}\n")
    convert(source, target=tmp_path / "out", to="paddle")
    whole = path.read_bytes()
    place = len(whole) // 2
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(CheckpointError, match="was expected; the file is damaged or a different one"):
        convert(source, target=tmp_path / "damaged", to="paddle")
    assert not (tmp_path / "damaged").exists()


# ---- The kind of a file
# ----------------------------------------------------------------------------------------------------------------------


def test_a_file_of_torch_is_recognised_by_its_first_bytes(tmp_path):
    path = torch_zip(tmp_path / "x.bin", arrays())
    data = path.read_bytes()
    assert is_torch_archive(path)
    path.write_bytes(data[: len(data) // 2])
    assert is_torch_archive(path)  # cut off, so torch's reader gives the reason
    path.write_bytes(bytes(512) + data)
    assert not is_torch_archive(path)
    with pytest.raises(CheckpointError, match="neither the header of a zip archive nor that of torch's older format"):
        open_pytorch(path)


def test_a_member_that_is_a_zip_is_not_taken_for_a_cut_off_archive(tmp_path):
    inner, outer = torch_zip(tmp_path / "inner.bin", arrays()).read_bytes(), io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("m/data.pkl", b"")
        archive.writestr("m/pytorch_model.bin", inner)
    end = outer.getvalue().index(inner) + len(inner)
    (tmp_path / "x.bin").write_bytes(outer.getvalue()[:end])
    assert zipfile.is_zipfile(tmp_path / "x.bin")
    with pytest.raises(CheckpointError, match="its directory does not fit the file"):
        open_pytorch(tmp_path / "x.bin")
