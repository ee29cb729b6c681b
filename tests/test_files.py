"""Atomic files and folders: they are complete or absent."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from paddle_wwm.errors import ConfigError
from paddle_wwm.files import (
    atomic_directory,
    atomic_write,
    check_space,
    locked,
    read_log,
    remove_leftovers,
    require_local,
    sha256_of_file,
    size_text,
    write_json,
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_after_its_block(tmp_path):
    path = tmp_path / "new" / "file.bin"
    with atomic_write(path) as stream:
        stream.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert names_in(path.parent) == ["file.bin"]


def test_text_is_written_as_utf8(tmp_path):
    with atomic_write(str(tmp_path / "file.txt"), "w") as stream:
        stream.write("模型\n")
    assert (tmp_path / "file.txt").read_bytes() == "模型\n".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_keeps_the_old_file_and_leaves_no_temporary_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(error), atomic_write(path, "w") as stream:
        stream.write("new and half")
        raise error
    assert path.read_text(encoding="utf-8") == "old"
    assert names_in(tmp_path) == ["file.txt"]


def test_a_failed_rename_leaves_no_temporary_file(tmp_path):
    (tmp_path / "name").mkdir()
    with pytest.raises(OSError), atomic_write(tmp_path / "name") as stream:
        stream.write(b"whole")
    assert names_in(tmp_path) == ["name"]


def test_a_folder_appears_only_after_its_block(tmp_path):
    path = tmp_path / "new" / "folder"
    with atomic_directory(path) as folder:
        (folder / "part").write_text("1", encoding="utf-8")
        assert not path.exists()
    assert (path / "part").read_text(encoding="utf-8") == "1"
    assert names_in(path.parent) == ["folder"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_no_folder(tmp_path, error):
    with pytest.raises(error), atomic_directory(tmp_path / "folder") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "part").write_text("1", encoding="utf-8")
        raise error
    assert names_in(tmp_path) == []


def test_a_folder_never_replaces_a_folder_with_content(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("1", encoding="utf-8")
    with pytest.raises(OSError), atomic_directory(tmp_path / "folder") as folder:
        (folder / "new").write_text("2", encoding="utf-8")
    assert (names_in(tmp_path), names_in(tmp_path / "folder")) == (["folder"], ["old"])


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_directory(tmp_path / "folder") as folder, atomic_write(folder / "file"):
            pass
        assert os.umask(0o027) == 0o027, "the umask itself must not change"
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("folder", "folder/file")] == [0o750, 0o640]


def test_json_keeps_key_order_and_characters(tmp_path):
    value = {"词": ["预测", 1, None], "a": 0.5}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.index("词") < text.index('"a"')
    assert text.endswith("}\n")


def test_a_failed_json_write_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"good": 1, "bad": object()})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == "1\n"
    assert names_in(tmp_path) == ["x.json"]


@pytest.mark.parametrize("size", [0, 5, (1 << 20) + 1])
def test_the_checksum_covers_all_bytes(tmp_path, size):
    data = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(data)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_only_leftovers_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / ".shards.abc123").mkdir()
    (tmp_path / ".shards.abc123" / "half").touch()
    (tmp_path / ".other.abc123").mkdir()
    (tmp_path / ".shards.lock").touch()
    (tmp_path / "shards").mkdir()
    remove_leftovers(tmp_path / "shards")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.abc123", ".shards.lock", "shards"]


@pytest.mark.parametrize("write", [atomic_write, atomic_directory])
def test_a_disk_error_names_the_file_that_was_written(tmp_path, write):
    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/target'"), write(tmp_path / "target"):
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError, match="'other'"), write(tmp_path / "target"):
        raise OSError(28, "No space left on device", "other")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_flushed_to_disk_before_the_rename(tmp_path, monkeypatch):
    done, fsync, rename = [], os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda descriptor: (done.append(os.fstat(descriptor).st_ino), fsync(descriptor)))
    monkeypatch.setattr(os, "rename", lambda *paths: (done.append("rename"), rename(*paths)))
    with atomic_directory(tmp_path / "folder") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "part").write_text("1", encoding="utf-8")
    inner = [tmp_path / "folder", tmp_path / "folder" / "sub", tmp_path / "folder" / "sub" / "part"]
    before, after = done[: done.index("rename")], done[done.index("rename") :]
    assert {path.stat().st_ino for path in inner} == set(before)
    assert after == ["rename", tmp_path.stat().st_ino]  # the name is flushed, too


def test_a_folder_is_replaced_only_when_the_new_one_is_complete(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    with pytest.raises(ValueError), atomic_directory(tmp_path / "folder", replace=True):
        raise ValueError
    assert names_in(tmp_path / "folder") == ["old"]
    with atomic_directory(tmp_path / "folder", replace=True) as folder:
        (folder / "new").touch()
        assert names_in(tmp_path / "folder") == ["old"]
    assert (names_in(tmp_path), names_in(tmp_path / "folder")) == (["folder"], ["new"])


def test_on_busy_is_called_before_waiting_for_a_lock(tmp_path):
    asked, entered = threading.Event(), []

    def second():
        with locked(tmp_path / "lock", on_busy=asked.set):
            entered.append(True)

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert asked.wait(30) and not entered
    thread.join(30)
    assert entered


def test_reading_json_lines_stops_at_an_incomplete_line(tmp_path):
    path = tmp_path / "log.jsonl"
    assert read_log(path) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st', encoding="utf-8")
    assert read_log(path) == [{"step": 1}, {"step": 2}]


def test_too_little_disk_space_raises_the_given_error(tmp_path):
    absent = tmp_path / "not" / "yet"
    check_space(absent, num_bytes=1, what="it", remedy="make room", error=ConfigError)
    with pytest.raises(ConfigError, match=r"not/yet: it needs about [\d,]+\.0 GB, but .* free; make room\."):
        check_space(absent, num_bytes=10**18, what="it", remedy="make room", error=ConfigError)


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(3_100, "3.1 kB"), (412_000_000, "412.0 MB"), (1_302_000_000, "1.3 GB")]
)
def test_numbers_of_bytes_are_formatted_with_a_suitable_unit(num_bytes, text):
    assert size_text(num_bytes) == text


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("s3://bucket/corpus", "or mount the store as a folder"),
        ("S3://bucket/*.txt", "or mount the store as a folder"),
        ("gs://bucket", "or mount the store as a folder"),
        ("abfss://container@account/x", "or mount the store as a folder"),
        ("hf://datasets/owner/name", "hf download"),
        ("http://user:secret@host.example/a.txt?key=secret", "download it first"),
        ("https://host.example/a.txt", "download it first"),
        ("file:///corpus/a.txt", "leave out file://"),
    ],
)
def test_an_address_is_never_a_local_path(tmp_path, monkeypatch, kind, address, remedy):
    monkeypatch.chdir(tmp_path)
    scheme = address.partition(":")[0].lower()
    match = rf"^{scheme}://.*must be a local path, but is an address; .*{remedy}"
    with pytest.raises(ConfigError, match=match) as caught:
        require_local(kind(address))
    assert "secret" not in str(caught.value)
    for write in (atomic_write, atomic_directory):
        with pytest.raises(ConfigError, match=match), write(kind(address)):
            pass
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "path", ["a.txt", "/x/y", "C:/x", "a/s3:/x", "./x", "a:b", "modelscope:OWNER/NAME", "", "第一:卷"]
)
def test_other_names_are_local_paths(path):
    require_local(path)
    require_local(Path(path))
