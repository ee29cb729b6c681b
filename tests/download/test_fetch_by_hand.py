"""Fetching models from an address, an archive or a folder."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import zipfile
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from paddle_wwm.download import fetch, find_stored, plan
from paddle_wwm.download.remote import git_sha1_of_file
from paddle_wwm.errors import ArchiveError, CheckpointError, ConfigError, DownloadError
from paddle_wwm.weights.pdparams import read_pdparams

TF = Path(__file__).resolve().parents[1] / "fixtures" / "tiny_bert_tf"
NAME = "chinese-bert-wwm"
NEEDED = ("config.json", "vocab.txt", "model.safetensors", "tokenizer_config.json")
ARCHIVE = "chinese_wwm_pytorch.zip"


def zip_of(files, *, folder=""):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return stream.getvalue()


@pytest.fixture
def files(model_files):
    return {name: model_files[name] for name in NEEDED}


def is_whole(folder, model_files):
    return (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"] and (
        folder / "model_state.pdparams"
    ).exists()


@pytest.mark.parametrize("inner", ["", "chinese_wwm_L-12_H-768_A-12/", "a/b/c/"])
def test_a_local_zip_becomes_the_model(inner, hub, files, tmp_path, quick, model_files):
    path = tmp_path / ARCHIVE
    path.write_bytes(zip_of({**files, "__MACOSX/config.json": b"junk"} if inner == "" else files, folder=inner))
    folder = fetch(NAME, source=path, settings=quick)
    assert is_whole(folder, model_files) and path.exists() and hub.requests == []
    record = find_stored(NAME, home=folder.parents[1]).record
    assert record["from"] == str(path) and {file["checked_by"] for file in record["files"]} == {"not checked"}
    assert not (folder.parents[1] / "downloads" / NAME).exists()


def test_an_archive_with_a_tensorflow_checkpoint_becomes_the_model(hub, tmp_path, quick, model_files):
    checkpoint = {path.name: path.read_bytes() for path in TF.iterdir() if path.name.startswith("bert_model.ckpt")}
    files = {**checkpoint, "bert_config.json": model_files["config.json"], "vocab.txt": model_files["vocab.txt"]}
    path = tmp_path / "chinese_wwm_L-12_H-768_A-12.zip"
    path.write_bytes(zip_of(files, folder="chinese_wwm_L-12_H-768_A-12/"))
    folder = fetch(path.stem, source=path, settings=quick)  # the name of the archive is also a name of the model
    assert folder.name == NAME
    from_hub = fetch(NAME, home=tmp_path / "other", settings=quick)  # the same weights, in another format
    by_hand, from_hub = (read_pdparams(folder / "model_state.pdparams") for folder in (folder, from_hub))
    assert by_hand.keys() == from_hub.keys()
    assert all(np.array_equal(by_hand[name], from_hub[name]) for name in by_hand)


def test_a_pickle_that_would_run_code_is_refused(hub, files, tmp_path, quick):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    source = tmp_path / "model"
    source.mkdir()
    for name in ("config.json", "vocab.txt"):
        (source / name).write_bytes(files[name])
    for name in ("pytorch_model.bin", "model_state.pdparams"):
        (source / name).write_bytes(pickle.dumps({"weight": Hostile()}, protocol=2))
        with pytest.raises(CheckpointError, match=name):
            fetch(NAME, source=source, settings=quick)
        (source / name).unlink()
    assert not (tmp_path / "owned").exists()


def test_a_tar_or_a_folder_becomes_the_model(hub, files, tmp_path, quick, model_files):
    source = tmp_path / "by-hand"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(source, arcname="model")
    assert is_whole(fetch(NAME, source=source, settings=quick), model_files)
    assert fetch(NAME, source=source, settings=quick) == fetch(NAME, settings=quick)  # stored already
    assert is_whole(fetch("my-own-name", source=tmp_path / "model.tar.gz", settings=quick), model_files)
    assert sorted(os.listdir(source)) == sorted(files)


def test_an_archive_is_fetched_from_an_address_and_continued_after_interruptions(hub, files, quick, model_files):
    hub.files[ARCHIVE] = content = zip_of(files)
    hub.faults.cuts[ARCHIVE] = deque([300_000, 0])
    folder = fetch(
        NAME, source=f"{hub.url}/files/{ARCHIVE}", sha256=hashlib.sha256(content).hexdigest(), settings=quick
    )
    assert is_whole(folder, model_files)
    first, second, third = [one for one in hub.requests if one.method == "GET"]
    assert (first.status, second.status, third.status) == (200, 206, 206) and second.range == third.range
    assert first.num_bytes + third.num_bytes >= len(content) and third.num_bytes < len(content)


def test_a_file_that_changes_between_two_runs_is_fetched_from_its_start(hub, files, quick, model_files):
    url = f"{hub.url}/files/{ARCHIVE}"
    hub.files[ARCHIVE] = zip_of({**files, "vocab.txt": b"other"})
    hub.faults.cuts[ARCHIVE] = deque([300_000, 0, 0, 0])
    with pytest.raises(DownloadError, match="No progress in 3 tries"):
        fetch(NAME, source=url, settings=quick)
    hub.files[ARCHIVE] = zip_of(files)
    assert is_whole(fetch(NAME, source=url, settings=quick), model_files)


def test_a_server_without_ranges_sends_the_whole_file_again(hub, files, quick, model_files):
    hub.knows_ranges = False
    hub.files[ARCHIVE] = zip_of(files)
    hub.faults.cuts[ARCHIVE] = deque([300_000])
    assert is_whole(fetch(NAME, source=f"{hub.url}/files/{ARCHIVE}", settings=quick), model_files)


def test_an_archive_with_another_checksum_is_refused_and_deleted_if_it_was_fetched(hub, files, home, tmp_path, quick):
    hub.files[ARCHIVE] = zip_of(files)
    with pytest.raises(DownloadError, match="sha256 must be 0000.* was deleted"):
        fetch(NAME, source=f"{hub.url}/files/{ARCHIVE}", sha256="0" * 64, settings=quick)
    assert not list(home.rglob(ARCHIVE))
    mine = tmp_path / ARCHIVE
    mine.write_bytes(hub.files[ARCHIVE])
    with pytest.raises(DownloadError, match="sha256 must be 0000"):
        fetch(NAME, source=mine, sha256="0" * 64, settings=quick)
    assert mine.exists()


def test_a_web_page_instead_of_an_archive_is_recognised(hub, quick):
    hub.files["uc"] = b"<!DOCTYPE html><html>Virus scan warning</html>"
    with pytest.raises(DownloadError, match="is a web page, not an archive"):
        fetch(NAME, source=f"{hub.url}/files/uc?key=hf_secret", settings=quick)


def test_an_unusable_source_is_an_error_with_the_reason(hub, files, tmp_path, quick):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.zip").write_bytes(zip_of(files)[:-1000])
    (tmp_path / "without.zip").write_bytes(zip_of({"README.md": b"x"}))
    for source, error, message in [
        ("absent.zip", DownloadError, "no such archive or folder"),
        ("notes.txt", CheckpointError, "not a source that is recognised"),
        ("empty", DownloadError, "holds no model"),
        ("torn.zip", ArchiveError, "torn.zip: is not a complete zip"),
        ("without.zip", DownloadError, "neither config.json nor bert_config.json; it has README.md"),
    ]:
        with pytest.raises(error, match=message):
            fetch(NAME, source=tmp_path / source, settings=quick)
    with pytest.raises(DownloadError, match="answers 404"):
        fetch(NAME, source=f"{hub.url}/files/absent.zip", settings=quick)
    with pytest.raises(ConfigError, match="does not go with another source"):
        fetch(NAME, source=tmp_path / "empty", revision="v1", settings=quick)


def test_a_weights_file_next_to_its_configuration_becomes_the_model(hub, files, tmp_path, quick, model_files):
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_bytes(files[name])
    # this file is a zip archive, but must not be unpacked
    (tmp_path / "pytorch_model.bin").write_bytes((TF.parent / "tiny_bert_hf" / "pytorch_model.bin").read_bytes())
    assert is_whole(fetch(NAME, source=tmp_path / "pytorch_model.bin", settings=quick), model_files)


def test_a_source_other_than_that_of_the_stored_model_is_an_error_without_overwrite(hub, files, tmp_path, quick):
    fetch(NAME, settings=quick)
    path = tmp_path / ARCHIVE
    path.write_bytes(zip_of(files))
    with pytest.raises(ConfigError, match="is stored already, from hfl/chinese-bert-wwm.*--overwrite"):
        fetch(NAME, source=path, settings=quick)
    record = find_stored(NAME, home=fetch(NAME, source=path, settings=quick, overwrite=True).parents[1]).record
    assert record["from"] == str(path)


def test_a_folder_that_was_not_made_by_a_download_is_not_replaced(hub, files, home, tmp_path, quick):
    (home / "models" / NAME).mkdir(parents=True)
    (home / "models" / NAME / "mine.txt").write_text("weeks of work")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(DownloadError, match="was not put there by a download"):
            fetch(NAME, settings=quick, **options)
    assert (home / "models" / NAME / "mine.txt").read_text() == "weeks of work"


@pytest.mark.parametrize("name", ["..", "", "../x", "a/b/c", "/etc", "~"])
def test_a_name_that_would_leave_the_home_folder_is_refused(name, hub, tmp_path, quick):
    with pytest.raises(ConfigError, match="name"):
        fetch(name, source=tmp_path, settings=quick)


def test_a_model_that_is_not_a_bert_is_refused_and_the_fetched_files_are_kept(hub, home, quick):
    hub.repositories["someone/gpt"] = {
        **hub.repositories["hfl/chinese-bert-wwm"],
        "config.json": b'{"model_type": "gpt2"}',
    }
    with pytest.raises(CheckpointError, match="model_type. must be bert.*are kept in .*someone--gpt"):
        fetch("someone/gpt", settings=quick)
    assert not (home / "models" / "someone--gpt").exists()


def test_the_password_of_a_mirror_is_not_shown_or_stored(hub, quick, monkeypatch, logged):
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("http://", "http://user:hf_secret@"))
    hub.faults.statuses = deque([(503, {}), (403, {})])
    with pytest.raises(DownloadError) as caught:
        fetch(NAME, settings=quick)
    folder = fetch(NAME, settings=quick)
    assert "hf_secret" not in str(caught.value) + "".join(logged) + (folder / "source.json").read_text()


def test_an_archive_with_two_models_is_an_error_that_names_them(hub, files, tmp_path, quick):
    both = {f"{folder}/{name}": content for folder in ("base", "large") for name, content in files.items()}
    (tmp_path / "two.zip").write_bytes(zip_of(both))
    with pytest.raises(DownloadError, match="several models .base, large."):
        fetch(NAME, source=tmp_path / "two.zip", settings=quick)


def test_a_hostile_archive_writes_nothing_outside_its_folder(hub, files, home, tmp_path, quick):
    (tmp_path / "evil.zip").write_bytes(zip_of({**files, "../../../../escaped": b"x"}))
    with pytest.raises(ArchiveError, match="outside of the folder"):
        fetch(NAME, source=tmp_path / "evil.zip", settings=quick)
    assert not list(tmp_path.rglob("escaped"))


def test_a_plan_for_an_address_has_the_size_and_no_keys(hub, files, quick):
    hub.files[ARCHIVE] = zip_of(files)
    proposed = plan(NAME, source=f"{hub.url}/files/{ARCHIVE}?key=hf_secret", settings=quick)
    assert [(file.name, file.size_bytes) for file in proposed.files] == [(ARCHIVE, len(hub.files[ARCHIVE]))]
    assert "hf_secret" not in proposed.origin


def test_keys_in_an_address_are_not_recorded(hub, files, quick):
    hub.files[ARCHIVE] = zip_of(files)
    folder = fetch(NAME, source=f"{hub.url}/files/{ARCHIVE}?key=hf_secret", settings=quick)
    assert "hf_secret" not in (folder / "source.json").read_text()


def test_git_sha1_of_file_agrees_with_git(tmp_path):
    """The expected value is the output of `printf 'hello\\n' | git hash-object --stdin`."""
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_sha1_of_file(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize("place", ["file", "file/deeper", "closed"])
def test_a_home_in_which_nothing_can_be_written_is_one_error_with_the_remedy(hub, files, tmp_path, quick, place):
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir(mode=0o500)
    if place == "closed" and os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(DownloadError, match=rf"{place}: cannot be used as the folder for models: .*PADDLE_WWM_HOME"):
        fetch(NAME, home=tmp_path / place, settings=quick)
    assert not any(hub.sent(name) for name in NEEDED)


def test_a_pipe_or_a_pointer_of_git_lfs_is_one_error(hub, files, tmp_path, quick):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(DownloadError, match="is a pipe or a device"):
        fetch(NAME, source=tmp_path / "pipe.zip", settings=quick)
    source = tmp_path / "clone"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\nsize 411553788\n")
    with pytest.raises(CheckpointError, match="is a pointer of Git LFS.*git lfs pull"):
        fetch(NAME, source=source, settings=quick)


@pytest.mark.parametrize("name", ["lert_config.json", "bert_config_rbt3.json"])
def test_an_archive_of_the_authors_with_its_own_name_for_the_configuration_becomes_the_model(
    name, hub, tmp_path, quick, model_files
):
    checkpoint = {path.name: path.read_bytes() for path in TF.iterdir() if path.name.startswith("bert_model.ckpt")}
    path = tmp_path / "model.zip"
    path.write_bytes(zip_of({**checkpoint, name: model_files["config.json"], "vocab.txt": model_files["vocab.txt"]}))
    assert is_whole(fetch("my-own-name", source=path, settings=quick), model_files)


def test_an_error_that_names_a_flag_of_convert_names_that_command(hub, files, tmp_path, quick):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "vocab.txt").write_bytes(files["vocab.txt"] + b"more\n")
    with pytest.raises(CheckpointError, match=rf"--vocab.*--vocab: of `paddle-wwm convert {tmp_path} NEW_FOLDER"):
        fetch(NAME, source=tmp_path, settings=quick)
