"""Fetching from ModelScope: the server of the tests answers as ModelScope's own client expects."""

from __future__ import annotations

import re
from collections import deque

import pytest

from paddle_wwm.download import fetch, plan
from paddle_wwm.errors import ConfigError, DownloadError

from .conftest import NEEDED, WEIGHTS, record_of

MODEL = "modelscope:someone/tiny-bert"
KEY = "modelscope--someone--tiny-bert"


@pytest.fixture
def modelscope(hub, model_files, monkeypatch):
    """A server that answers like ModelScope, with the files of the tiny model."""
    hub.modelscope["someone/tiny-bert"] = dict(model_files)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
    return hub


def names_sent(server):
    return {re.sub(".*FilePath=", "", one.path) for one in server.requests if "FilePath=" in one.path}


def test_a_model_is_fetched_checked_and_stored(modelscope, home, quick, model_files):
    folder = fetch(MODEL, settings=quick)
    assert folder == home / "models" / KEY and (folder / "model_state.pdparams").exists()
    assert (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]
    assert names_sent(modelscope) == NEEDED and {one.method for one in modelscope.requests} == {"GET"}
    record = record_of(KEY, home)
    assert (record["from"], record["revision"]) == (MODEL, "master")
    assert {file["checked_by"] for file in record["files"]} == {"sha256"}
    modelscope.requests.clear()
    assert fetch(MODEL, settings=quick) == folder and modelscope.requests == []


def test_a_model_of_the_table_can_come_from_any_owner(modelscope, home, quick):
    assert fetch("chinese-bert-wwm", source=MODEL, settings=quick) == home / "models" / "chinese-bert-wwm"
    assert record_of("chinese-bert-wwm", home)["from"] == MODEL


def test_a_revision_is_requested(modelscope, home, quick):
    folder = fetch(MODEL, revision="v1.0.0", settings=quick)
    assert folder.name == f"{KEY}@v1.0.0"
    assert all("Revision=v1.0.0" in one.path for one in modelscope.requests)


def test_a_plan_lists_the_files_with_checksums(modelscope, quick):
    proposed = plan(MODEL, settings=quick)
    assert {file.name for file in proposed.files} == NEEDED and proposed.origin == f"{MODEL} at {modelscope.url}"
    assert all(file.checked_by == "sha256" and file.size_bytes for file in proposed.files)


def test_an_interrupted_transfer_is_continued(modelscope, quick, model_files):
    modelscope.faults.cuts[WEIGHTS] = deque([300_000])
    fetch(MODEL, settings=quick)
    first, second = [one for one in modelscope.requests if one.path.endswith(f"FilePath={WEIGHTS}")]
    assert (first.status, second.status) == (200, 206)
    assert first.num_bytes + second.num_bytes == pytest.approx(len(model_files[WEIGHTS]), abs=100_000)


def test_wrong_bytes_are_fetched_again_once_and_then_refused(modelscope, home, quick, model_files):
    modelscope.faults.bodies["vocab.txt"] = deque([b"\0" * len(model_files["vocab.txt"])] * 2)
    with pytest.raises(DownloadError, match=r"someone/tiny-bert/vocab.txt: .* has sent bytes that do not .* twice"):
        fetch(MODEL, settings=quick)
    assert not list(home.rglob("vocab.txt*"))


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("modelscope:someone/absent", None, r"answers 404 \(record not found\)"),
        (MODEL, "v9", r"answers 404 \(revision not found\) for revision 'v9'"),
    ],
)
def test_an_absent_model_or_revision_is_an_error_with_the_answer(modelscope, quick, name, revision, message):
    with pytest.raises(DownloadError, match=message):
        fetch(name, revision=revision, settings=quick)


def test_a_server_that_is_not_modelscope_is_an_error(modelscope, quick):
    modelscope.modelscope["someone/tiny-bert"] = {}
    with pytest.raises(DownloadError, match="holds no model that can be read"):
        fetch(MODEL, settings=quick)
    modelscope.loops = re.compile("/api/v1")
    with pytest.raises(DownloadError, match="Exceeded 30 redirects"):
        fetch(MODEL, settings=quick)


@pytest.mark.parametrize("name", ["modelscope:tiny-bert", "modelscope:a/b/c", "modelscope:", "modelscope:../x"])
def test_a_name_without_an_owner_is_refused(name, modelscope, quick):
    with pytest.raises(ConfigError, match="must be named as modelscope:OWNER/NAME"):
        fetch(name, settings=quick)


def test_offline_and_unreachable_errors_list_three_ways_without_mirrors_of_another_hub(modelscope, quick, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="127.0.0.1:9 cannot be reached") as caught:
        fetch(MODEL, settings=quick)
    assert "  3. From another machine" in str(caught.value) and "HF_ENDPOINT" not in str(caught.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DownloadError, match="the environment forbids the network"):
        fetch(MODEL, settings=quick)
