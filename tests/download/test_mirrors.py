"""Mirrors and servers that state less than the hub, or answer in their own way."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections import deque

import pytest

from paddle_wwm.download import NetworkSettings, fetch

from .conftest import NAME, NEEDED, WEIGHTS, failure, record_of


def checks(home):
    return {file["checked_by"] for file in record_of(NAME, home)["files"]}


@pytest.mark.parametrize("head", ["none", "error"])
def test_files_are_fetched_and_checked_where_head_states_neither_size_nor_checksum(hub, home, quick, head):
    hub.head, hub.states_etags = head, False
    fetch(NAME, settings=quick)
    assert checks(home) == {"sha256", "git sha1"}
    assert all(one.method == "GET" for one in hub.requests)


def test_an_interrupted_transfer_is_continued_without_an_etag_because_the_checksum_is_known(hub, quick, model_files):
    hub.head, hub.states_etags = "none", False
    hub.faults.cuts[WEIGHTS] = deque([300_000])
    fetch(NAME, settings=quick)
    first, second = hub.sent(WEIGHTS)
    assert (first.status, second.status) == (200, 206) and second.num_bytes < len(model_files[WEIGHTS])


def test_a_partial_file_of_an_older_revision_is_found_by_its_checksum(hub, home, quick, model_files):
    hub.states_etags = False
    hub.faults.cuts[WEIGHTS] = deque([300_000, 0, 0, 0])
    failure(quick)
    [partial] = home.rglob("*.part")
    partial.write_bytes(b"other bytes")
    fetch(NAME, settings=quick)
    assert [one.status for one in hub.sent(WEIGHTS)[-2:]] == [206, 200]


@pytest.mark.parametrize("head", ["none", "error"])
def test_a_mirror_that_states_nothing_at_all_is_used_and_this_is_recorded(hub, home, quick, head):
    hub.head, hub.states_details, hub.states_etags = head, False, False
    fetch(NAME, settings=quick)
    assert checks(home) == {"nothing"}


@pytest.mark.parametrize("path", ["/api/models", "/resolve/"])
def test_a_redirect_loop_of_a_hub_is_one_error(hub, quick, path):
    hub.loops = re.compile(path)
    assert re.search(r"does not answer like a hub.*Check HF_ENDPOINT", failure(quick))


def test_a_redirect_loop_of_an_address_is_one_error(hub, quick):
    hub.loops = re.compile("/files/")
    message = failure(quick, source=f"{hub.url}/files/a.zip?key=hf_secret")
    assert "cannot be fetched: Exceeded 30 redirects" in message and "hf_secret" not in message


def tar_of(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in NEEDED:
            info = tarfile.TarInfo(f"model/{name}")
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return stream.getvalue()


@pytest.mark.parametrize("encoding", [None, "gzip", "x-gzip"])
def test_an_archive_whose_server_states_its_own_compression_keeps_its_bytes(hub, quick, model_files, encoding):
    hub.files["model.tar.gz"] = content = gzip.compress(tar_of(model_files), mtime=0)
    hub.encoding = encoding
    hub.faults.cuts["model.tar.gz"] = deque([100_000])
    digest = hashlib.sha256(content).hexdigest()
    folder = fetch(NAME, source=f"{hub.url}/files/model.tar.gz", sha256=digest, settings=quick)
    assert (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]


def test_an_archive_that_a_server_compresses_on_the_way_is_decoded(hub, quick, model_files):
    hub.files["model.tar"] = gzip.compress(tar_of(model_files))
    hub.encoding = "gzip"
    folder = fetch(NAME, source=f"{hub.url}/files/model.tar", settings=quick)
    assert (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]


def test_a_timeout_with_a_fraction_is_used(monkeypatch):
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "2.5")
    assert NetworkSettings.from_environment().timeout_s == 2.5
    code = (
        "from paddle_wwm.download import NetworkSettings; import os;"
        "print(NetworkSettings.from_environment().timeout_s, os.environ['HF_HUB_DOWNLOAD_TIMEOUT'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.stdout, done.returncode) == ("2.5 2.5\n", 0), done.stderr
