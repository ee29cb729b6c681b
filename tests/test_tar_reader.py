"""The tar reader: it reads what tarfile and GNU tar write, and refuses a damaged archive."""

from __future__ import annotations

import gzip
import io
import logging
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from paddle_wwm.archives import is_archive, unpack_archive
from paddle_wwm.conversion.convert import convert
from paddle_wwm.errors import ArchiveError
from paddle_wwm.hub.install import install_module
from paddle_wwm.tar_reader import read_tar

from .conversion.sources import CONFIG, HF_FOLDER
from .weights.damage import files_in, has_gnu_tar, members, write_tar

needs_gnu_tar = pytest.mark.skipif(not has_gnu_tar(), reason="GNU tar is not installed")


def by_us(data: bytes, *, block_bytes: int = 1 << 20) -> dict[str, tuple]:
    result = {}
    for member in read_tar(io.BytesIO(data)):
        content = b"".join(iter(lambda member=member: member.read(block_bytes), b""))
        result[member.name.rstrip("/")] = (member.is_file, member.is_folder, content)
    return result


def by_tarfile(data: bytes) -> dict[str, tuple]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {
            info.name: (info.isreg(), info.isdir(), archive.extractfile(info).read() if info.isreg() else b"")
            for info in archive
        }


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_tarfile_are_read_as_tarfile_reads_them(tar_format):
    rng = random.Random(1)
    letters, lengths = ("abc", (3, 80, 130)) if tar_format == tarfile.USTAR_FORMAT else ("ab模é", (3, 99, 101, 300))
    for _ in range(30):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
            for number in range(rng.randint(1, 6)):
                name = "/".join("".join(rng.choices(letters, k=20)) for _ in range(rng.choice(lengths) // 21 + 1))
                info = tarfile.TarInfo(f"{number}/{name}")
                info.type = tarfile.DIRTYPE if rng.random() < 0.2 else tarfile.REGTYPE
                info.mtime = rng.choice([0, 1.5]) if tar_format == tarfile.PAX_FORMAT else 7
                info.size = rng.choice([0, 1, 511, 512, 513, 9000]) if info.isreg() else 0
                archive.addfile(info, io.BytesIO(rng.randbytes(info.size)))
        data = buffer.getvalue()
        assert by_us(data, block_bytes=rng.choice([1, 700, 1 << 20])) == by_tarfile(data)


@needs_gnu_tar
@pytest.mark.parametrize("tar_format", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_archives_of_gnu_tar_are_read(tmp_path, tar_format):
    folder = tmp_path / "model" / ("d" * 60) / ("e" * (90 if tar_format in ("gnu", "oldgnu", "posix") else 10))
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(os.urandom(3000))
    (folder / "empty").touch()
    command = ["tar", f"--format={tar_format}", "-C", str(tmp_path), "-cf", str(tmp_path / "a.tar"), "model"]
    subprocess.run(command, check=True)
    unpacked = unpack_archive(tmp_path / "a.tar", target=tmp_path / "out")
    assert files_in(unpacked / "model") == files_in(tmp_path / "model")


# name, what is done to a good archive, part of the message; None: read, as by GNU tar
HEADER_OF_SECOND, END_OF_SECOND = 1024, 2048  # config.json and vocab.txt have one header and one block each
CASES = [
    ("a changed byte in a later header", lambda data: flip(data, HEADER_OF_SECOND + 5), "header at byte 1,024"),
    ("a changed checksum", lambda data: flip(data, HEADER_OF_SECOND + 148), "header at byte 1,024 is damaged"),
    ("bytes missing inside of a member", lambda data: data[:600] + data[604:], "header at byte 1,024 is damaged"),
    ("bytes added inside of a member", lambda data: data[:600] + b"x" + data[600:], "header at byte 1,024 is damaged"),
    ("junk between two members", lambda data: data[:1024] + b"j" * 512 + data[1024:], "header at byte 1,024"),
    ("a cut inside of a member", lambda data: data[:600], "is cut off: it ends inside of the member at byte 0"),
    ("a cut inside of the padding", lambda data: data[:1000], "is cut off: it ends inside of the member at byte 0"),
    ("a cut inside of a header", lambda data: data[:1100], "is cut off: it ends inside of the header at byte 1,024"),
    ("other bytes after the end", lambda data: data + b"x", "has other bytes after the end of the archive"),
    ("a second archive after the end", lambda data: data + data, "has other bytes after the end of the archive"),
    ("one block of zeros at the end", lambda data: data[: len_of_members(data) + 512], None),
    ("no blocks at the end", lambda data: data[: len_of_members(data)], None),
    ("a part of a block of zeros at the end", lambda data: data[: len_of_members(data) + 100], None),
]


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def len_of_members(data: bytes) -> int:
    """Return the place of the blocks of zeros at the end of an archive."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        last = archive.getmembers()[-1]
    return last.offset_data + -(-last.size // 512) * 512


@pytest.mark.parametrize(("name", "change", "message"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_damage_is_refused_where_gnu_tar_refuses_it(tmp_path, name, change, message, is_compressed):
    good = write_tar(tmp_path / "good.tar", mode="w", tar_format=tarfile.GNU_FORMAT).read_bytes()
    data = change(good)
    path = tmp_path / "a.tar"
    path.write_bytes(gzip.compress(data) if is_compressed else data)
    if message is None:
        assert files_in(unpack_archive(path, target=tmp_path / "out")) == members()
    else:
        with pytest.raises(ArchiveError, match=rf"a\.tar: .*{message}"):
            unpack_archive(path, target=tmp_path / "out")
        assert not (tmp_path / "out").exists()
    if has_gnu_tar():
        done = subprocess.run(["tar", "-tf", str(path)], capture_output=True)
        assert done.returncode == 0 or message is not None


def test_missing_blocks_at_the_end_are_reported(tmp_path, caplog):
    path = write_tar(tmp_path / "a.tar", mode="w", tar_format=tarfile.GNU_FORMAT)
    path.write_bytes(path.read_bytes()[: len_of_members(path.read_bytes())])
    with caplog.at_level(logging.WARNING, logger="paddle_wwm"):
        unpack_archive(path, target=tmp_path / "out")
    assert "has no end-of-archive blocks" in caplog.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"mtime=1700000000.5", b"mtime=17000x0000.5"),
        (b" mtime=", b" mtime:"),
        (b"22 mtime=", b"23 mtime="),
        (b"22 mtime=", b"99 mtime="),
        (b"22 mtime=", b"2x mtime="),
        (b".5\n", b".5x"),
    ],
)
def test_a_damaged_extended_header_is_refused(tmp_path, old, new):
    path = write_tar(tmp_path / "a.tar", mode="w")
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    with pytest.raises(ArchiveError, match="the extended header at byte 0"):
        unpack_archive(path, target=tmp_path / "out")


def test_an_archive_that_ends_in_a_zip_is_a_tar(tmp_path):
    """zipfile looks at the end of a file, where the directory of the last member is."""
    folder = tmp_path / "m"
    folder.mkdir()
    shutil.copyfile(CONFIG, folder / "config.json")
    shutil.copyfile(HF_FOLDER / "pytorch_model.bin", folder / "pytorch_model.bin")
    for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz")):
        path = tmp_path / f"model{suffix}"
        with tarfile.open(path, mode) as archive:
            for name in ("config.json", "pytorch_model.bin"):
                archive.add(folder / name, f"m/{name}")
        assert zipfile.is_zipfile(path) is (suffix == ".tar") and is_archive(path)
        done = convert(path, target=tmp_path / f"out{suffix}", to="huggingface")
        assert done.description.startswith("PyTorch file")


def test_hub_install_refuses_a_damaged_archive(tmp_path):
    path = write_tar(tmp_path / "module.tar", mode="w", tar_format=tarfile.GNU_FORMAT)
    path.write_bytes(flip(path.read_bytes(), HEADER_OF_SECOND))
    with pytest.raises(ArchiveError, match="header at byte 1,024 is damaged"):
        install_module(path, home=tmp_path / "home")


def test_bytes_around_a_zip_are_refused(tmp_path):
    path: Path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/config.json", "{}")
    whole = path.read_bytes()
    for data in (whole + b"x", whole[:4] + whole):
        path.write_bytes(data)
        assert zipfile.is_zipfile(path) and is_archive(path)
        with pytest.raises(ArchiveError, match="its directory does not fit the file"):
            unpack_archive(path, target=tmp_path / "out")
    path.write_bytes(b"x" + whole)
    assert zipfile.is_zipfile(path) and not is_archive(path)
