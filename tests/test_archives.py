"""Untrusted archives: good ones are unpacked, malicious and damaged ones are rejected and leave no files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import resource
import stat
import subprocess
import sys
import tarfile
import warnings
import zipfile

import pytest

from paddle_wwm.archives import ArchiveLimits, is_archive, unpack_archive
from paddle_wwm.errors import ArchiveError
from paddle_wwm.tar_reader import MAX_HEADER_BYTES

FILES = {
    "chinese_L-2/bert_config.json": b"{}",
    "chinese_L-2/vocab.txt": "[PAD]\n使\n".encode(),
    "chinese_L-2/weights": os.urandom(3_000_000),
}


def write_zip(path, members, *, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about duplicate names
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_tar(path, members, *, mode="w"):
    with tarfile.open(path, mode) as archive:
        for info, content in members:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def write(path, members):
    """Write an archive of the kind of the file ending."""
    if path.suffix == ".zip":
        return write_zip(path, members)
    return write_tar(path, members, mode={".tar": "w", ".gz": "w:gz", ".bz2": "w:bz2"}[path.suffix])


def link(name, *, kind=tarfile.SYMTYPE, to="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def zip_entry(name, *, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def everything_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(archive, tmp_path, **options):
    """Return the error message, and check that no file was written."""
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ArchiveError) as caught:
        unpack_archive(archive, target=tmp_path / "target", **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert str(caught.value).startswith(str(archive))
    return str(caught.value).removeprefix(str(archive))


@pytest.mark.parametrize("name", ["model.zip", "model.tar", "model.tar.gz", "model.tar.bz2"])
def test_archive_kind_is_detected_by_content_not_by_name(name, tmp_path):
    archive = write(tmp_path / name, FILES.items()).rename(tmp_path / "model.bin")
    assert is_archive(archive)
    assert everything_in(unpack_archive(archive, target=tmp_path / "target")) == FILES


def test_folders_dot_paths_and_mode_bits_in_an_archive_are_harmless(tmp_path):
    info = tarfile.TarInfo("./sub/tool")
    info.mode = stat.S_ISUID | 0o777
    folder = tarfile.TarInfo("./sub")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o000
    target = unpack_archive(write_tar(tmp_path / "a.tar", [(folder, b""), (info, b"x")]), target=tmp_path / "target")
    assert everything_in(target) == {"sub/tool": b"x"}
    assert (target / "sub/tool").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "name", ["../outside", "a/../../outside", "/tmp/outside", "..\\outside", "C:\\outside", "a/.."]
)
def test_a_member_path_outside_the_folder_is_rejected(name, suffix, tmp_path):
    archive = write(tmp_path / f"a.{suffix}", [("vocab.txt", b"x"), (name, b"owned")])
    assert "outside of the folder" in refusal(archive, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_rejected(kind, tmp_path):
    archive = write_tar(tmp_path / "a.tar", [(link("vocab.txt", kind=kind), b"")])
    assert "'vocab.txt' is a link or a device" in refusal(archive, tmp_path)


def test_a_later_member_cannot_leave_the_folder_through_a_link(tmp_path):
    archive = write_tar(tmp_path / "a.tar", [(link("sub", to=str(tmp_path)), b""), ("sub/outside", b"owned")])
    assert "'sub' is a link" in refusal(archive, tmp_path)


def test_a_link_in_a_zip_is_rejected(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [(zip_entry("vocab.txt", mode=stat.S_IFLNK | 0o777), b"/etc/passwd")])
    assert "'vocab.txt' is a link" in refusal(archive, tmp_path)


@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "tar.bz2"])
def test_a_zip_bomb_is_rejected_before_it_fills_the_disk(suffix, tmp_path):
    archive = write(tmp_path / f"a.{suffix}", [("vocab.txt", b"x"), ("weights", bytes(30_000_000))])
    limits = ArchiveLimits(free_bytes=1_000_000)
    assert archive.stat().st_size < 200_000
    assert "would unpack to more than" in refusal(archive, tmp_path, limits=limits)


def test_a_zip_with_a_wrong_member_size_is_rejected(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("weights", bytes(5_000_000))])
    content = archive.read_bytes()
    assert content.count((5_000_000).to_bytes(4, "little")) == 2  # in the member's header and in the directory
    archive.write_bytes(content.replace((5_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little")))
    refusal(archive, tmp_path)


def test_too_many_members_are_rejected(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [(f"{number}", b"") for number in range(11)])
    assert "more than 10 members" in refusal(archive, tmp_path, limits=ArchiveLimits(max_members=10))


def test_the_total_size_limit_applies_to_large_archives(tmp_path):
    archive = write_zip(tmp_path / "a.zip", FILES.items())
    assert "more than 2,000,000 bytes" in refusal(archive, tmp_path, limits=ArchiveLimits(max_total_bytes=2_000_000))


@pytest.mark.parametrize("suffix", ["zip", "tar"])
@pytest.mark.parametrize("names", [("a", "a"), ("./a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_members_that_overwrite_each_other_are_rejected(names, suffix, tmp_path):
    refusal(write(tmp_path / f"x.{suffix}", [(name, b"x") for name in names]), tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "x" * 300, "/".join("d" * 40), "."])
def test_invalid_file_names_are_rejected(name, tmp_path):
    refusal(write_tar(tmp_path / "a.tar", [(name, b"x")]), tmp_path)


def test_the_error_for_an_encrypted_zip_has_a_remedy(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("vocab.txt", b"x")], compression=zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    assert "encrypted; unpack the archive by hand" in refusal(archive, tmp_path)


def test_compression_methods_that_can_need_much_memory_are_rejected(tmp_path):
    archive = write_zip(tmp_path / "a.zip", [("vocab.txt", b"x")], compression=zipfile.ZIP_LZMA)
    assert "neither stored nor deflated" in refusal(archive, tmp_path)
    (tmp_path / "a.tar.xz").write_bytes(
        lzma.compress(write_tar(tmp_path / "a.tar", [("vocab.txt", b"x")]).read_bytes())
    )
    assert "not a complete zip, tar" in refusal(tmp_path / "a.tar.xz", tmp_path)


def test_a_header_that_needs_gigabytes_of_memory_is_rejected(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 4 << 30
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        stream.write(bytes(MAX_HEADER_BYTES))
    assert "asks for 4,294,967,296 bytes" in refusal(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.bz2"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_rejected(suffix, share, tmp_path):
    archive = write(tmp_path / f"a.{suffix}", FILES.items())
    os.truncate(archive, int(archive.stat().st_size * share))
    refusal(archive, tmp_path)


def test_flipped_bytes_never_crash_or_unpack_wrong_content(tmp_path):
    """The checksum finds a changed byte of the content; a changed name is still a safe name."""
    files = {"bert_config.json": b'{"hidden_size": 16}', "vocab.txt": b"[PAD]\n" * 50}
    for suffix in ("zip", "tar.gz"):
        whole = write(tmp_path / f"whole.{suffix}", files.items()).read_bytes()
        for position in range(0, len(whole), 3):
            archive = tmp_path / f"flipped-{position}.{suffix}"
            archive.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
            target = tmp_path / f"target-{suffix}-{position}"
            try:
                unpack_archive(archive, target=target)
            except ArchiveError:
                assert not target.exists()
            else:
                assert set(everything_in(target).values()) <= set(files.values())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_missing_file_and_a_file_of_another_kind_have_different_errors(tmp_path):
    (tmp_path / "page.zip").write_text("<html>log in first</html>")
    assert not is_archive(tmp_path / "page.zip") and not is_archive(tmp_path) and not is_archive(tmp_path / "absent")
    assert "not a complete zip, tar" in refusal(tmp_path / "page.zip", tmp_path)
    assert "no such archive" in refusal(tmp_path / "absent.zip", tmp_path)


def test_a_full_disk_raises_the_system_error_and_leaves_no_files(tmp_path):
    archive = write_zip(tmp_path / "a.zip", FILES.items())
    code = "import sys; from paddle_wwm.archives import unpack_archive; unpack_archive(sys.argv[1], target=sys.argv[2])"
    done = subprocess.run(
        [sys.executable, "-c", code, archive, tmp_path / "target"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "OSError: [Errno 27]" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.slow
def test_a_bz2_archive_is_not_read_into_memory_at_once(tmp_path):
    """The limit on one read is far below the size of the member."""
    content = os.urandom(1 << 20) * 18
    with bz2.open(tmp_path / "a.tar.bz2", "wb", compresslevel=1) as stream:
        info = tarfile.TarInfo("weights")
        info.size = len(content)
        stream.write(info.tobuf())
        stream.write(content)
    assert len(content) > MAX_HEADER_BYTES
    assert everything_in(unpack_archive(tmp_path / "a.tar.bz2", target=tmp_path / "target")) == {"weights": content}
