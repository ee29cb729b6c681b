"""A name to a model folder, over a hub that behaves, and over one that does not."""

from __future__ import annotations

import email.utils
import json
import os
import re
import shutil
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants, snapshot_download
from huggingface_hub.utils import _http, are_progress_bars_disabled
from safetensors.numpy import load_file

from paddle_wwm.conversion.pdparams import read_pdparams
from paddle_wwm.download import NetworkSettings, fetch, find_stored, plan, stored_models
from paddle_wwm.download.hub import choose_files
from paddle_wwm.errors import ConfigError, DownloadError

from .conftest import REPOSITORY
from .hub_server import COMMIT

NAME = "chinese-bert-wwm"
NEEDED = {"config.json", "vocab.txt", "model.safetensors", "tokenizer_config.json"}
WEIGHTS = "model.safetensors"


def record_of(name, home):
    return find_stored(name, home=home).record


def failure(quick, **options):
    with pytest.raises(DownloadError) as caught:
        fetch(options.pop("name", NAME), settings=quick, show_progress=False, **options)
    return str(caught.value)


def test_a_name_becomes_a_model_folder_and_only_the_needed_files_are_fetched(hub, home, quick, model_files):
    folder = fetch("bert-wwm-chinese", settings=quick)  # PaddleNLP's name for it
    assert folder == home / "models" / NAME
    assert {"config.json", "vocab.txt", "model_state.pdparams", "tokenizer_config.json", "source.json"} <= set(os.listdir(folder))
    assert (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]
    assert {name for name in model_files if hub.sent(name)} == NEEDED
    assert not (home / "downloads" / NAME).exists()


def test_the_record_says_where_a_model_is_from_and_what_was_checked(hub, home, quick):
    fetch(NAME, settings=quick)
    record = record_of(NAME, home)
    assert (record["repository"], record["commit"], record["endpoint"]) == (REPOSITORY, COMMIT, hub.url)
    assert {file["name"]: file["checked_by"] for file in record["files"]} == {name: "sha256" if name == WEIGHTS else "git sha1" for name in NEEDED}


def test_a_model_that_is_here_is_not_asked_for_again(hub, home, quick, monkeypatch):
    folder = fetch(NAME, settings=quick)
    asked = len(hub.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(REPOSITORY, settings=quick) == folder
    assert len(hub.requests) == asked


def test_overwrite_fetches_again_what_is_here(hub, home, quick):
    fetch(NAME, settings=quick)
    fetch(NAME, settings=quick, overwrite=True)
    assert len(hub.sent(WEIGHTS)) == 2


def test_a_damaged_model_is_fetched_again(hub, home, quick):
    folder = fetch(NAME, settings=quick)
    os.truncate(folder / "model_state.pdparams", 10)
    assert fetch(NAME, settings=quick) == folder
    assert len(hub.sent(WEIGHTS)) == 2 and (folder / "model_state.pdparams").stat().st_size > 10


def test_a_cut_transfer_goes_on_where_it_was_cut(hub, quick, model_files):
    hub.faults.cuts[WEIGHTS] = deque([300_000, 270_000])
    fetch(NAME, settings=quick)
    first, second, third = hub.sent(WEIGHTS)
    assert (first.status, first.range, first.num_bytes) == (200, None, 300_000)
    assert second.status == third.status == 206
    starts = [int(re.fullmatch(r"bytes=(\d+)-", one.range)[1]) for one in (second, third)]
    assert 0 < starts[0] <= 300_000 and starts[0] < starts[1] <= starts[0] + 270_000
    assert third.num_bytes == len(model_files[WEIGHTS]) - starts[1]


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(hub, home, quick):
    hub.faults.cuts[WEIGHTS] = deque([300_000, 0, 0, 0])
    assert "No progress in 3 tries" in failure(quick)
    assert stored_models(home=home) == {}
    fetch(NAME, settings=quick)
    assert hub.sent(WEIGHTS)[-1].status == 206


def test_a_server_without_ranges_that_always_cuts_does_not_hold_us_forever(hub, quick):
    hub.knows_ranges = False
    hub.faults.cuts[WEIGHTS] = deque([400_000] * 50)
    assert "No progress in 3 tries" in failure(quick)


def test_wrong_bytes_of_the_right_size_are_fetched_again_once(hub, home, quick, model_files):
    wrong = bytes(len(model_files[WEIGHTS]))
    hub.faults.bodies[WEIGHTS] = deque([wrong])
    fetch(NAME, settings=quick)
    assert [one.num_bytes for one in hub.sent(WEIGHTS)] == [len(wrong)] * 2
    assert record_of(NAME, home)["files"][[file["name"] for file in record_of(NAME, home)["files"]].index(WEIGHTS)]["checked_by"] == "sha256"


@pytest.mark.parametrize("name", [WEIGHTS, "vocab.txt"])
def test_bytes_that_are_wrong_twice_are_an_error_and_are_not_kept(name, hub, home, quick, model_files):
    hub.faults.bodies[name] = deque([b"\0" * len(model_files[name])] * 2)
    message = failure(quick)
    assert f"{REPOSITORY}/{name}" in message and "twice" in message and "HF_ENDPOINT" in message
    assert not list(home.rglob(f"*{name}*")) and not list(home.rglob("*.incomplete"))
    fetch(NAME, settings=quick)  # nothing of them is in the way


def test_a_longer_and_a_shorter_file_than_stated_are_wrong_too(hub, quick, model_files):
    hub.faults.bodies["vocab.txt"] = deque([model_files["vocab.txt"] + b"x", model_files["vocab.txt"][:-1]])
    assert "twice" in failure(quick)


@pytest.mark.parametrize("states_checksums", [True, False])
def test_a_mirror_without_details_is_asked_for_each_file_and_said_where_it_states_no_checksum(states_checksums, hub, home, quick):
    hub.states_details, hub.states_checksums = False, states_checksums
    fetch(NAME, settings=quick)
    checked = {file["checked_by"] for file in record_of(NAME, home)["files"]}
    assert checked == ({"sha256", "git sha1"} if states_checksums else {"size only"})


def test_small_files_may_come_compressed(hub, quick, model_files):
    hub.compresses = True
    folder = fetch(NAME, settings=quick)
    [sent] = hub.sent("vocab.txt")
    assert sent.num_bytes < len(model_files["vocab.txt"]) and (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]


def test_a_faster_downloader_that_cannot_go_on_after_a_cut_is_not_used(hub, quick, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_ENABLE_HF_TRANSFER", True)
    hub.faults.cuts[WEIGHTS] = deque([300_000])
    fetch(NAME, settings=quick)
    assert [one.status for one in hub.sent(WEIGHTS)] == [200, 206] and constants.HF_HUB_ENABLE_HF_TRANSFER


def test_renamed_repositories_are_followed(hub, home, quick):
    hub.repositories["hfl/new-name"] = hub.repositories.pop(REPOSITORY)
    hub.moved[REPOSITORY] = "hfl/new-name"
    fetch(NAME, settings=quick)
    assert record_of(NAME, home)["commit"] == COMMIT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_after_the_wait_it_asks_for(status, hub, quick, capsys):
    hub.faults.statuses = deque([(status, {"Retry-After": "0"}), (status, {})])
    fetch(NAME, settings=quick)
    assert [one.status for one in hub.requests[:3]] == [status, status, 200]
    assert capsys.readouterr().err.count(f"answers {status}") == 2


@pytest.mark.parametrize("value", ["1", "date"])
def test_the_wait_that_a_server_asks_for_is_kept(value, hub, quick):
    asked = email.utils.formatdate(time.time() + 2.5, usegmt=True) if value == "date" else value  # a date has whole seconds
    hub.faults.statuses = deque([(429, {"Retry-After": asked})])
    started = time.monotonic()
    fetch(NAME, settings=quick)
    assert time.monotonic() - started >= 1


def test_a_server_that_stays_busy_is_an_error_after_some_tries(hub, quick):
    hub.faults.statuses = deque([(429, {})] * 10)
    assert "answers 429 Too Many Requests, 3 times" in failure(quick)
    assert len(hub.requests) == 3


def test_a_server_that_asks_for_an_hour_is_not_waited_for(hub, quick):
    hub.faults.statuses = deque([(429, {"Retry-After": "3600"})])
    assert "asks to come back in 3,600 s" in failure(quick)


@pytest.mark.parametrize("path", ["/api/models", "/resolve/", "/storage/"])
def test_a_silent_server_ends_in_an_error_that_names_the_three_ways(path, hub, quick):
    hub.faults.silent = re.compile(path)
    message = failure(quick.__class__(timeout_s=0.2, num_tries=2, first_wait_s=0.01))
    assert "no answer in time (2 tries)" in message and "  3. From another machine" in message


def test_the_timeout_is_huggingface_hubs_own_setting(monkeypatch):
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "7")
    assert NetworkSettings.from_environment().timeout_s == 7
    for value in ("0", "soon", "nan"):
        monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", value)
        with pytest.raises(DownloadError, match="positive number of seconds"):
            NetworkSettings.from_environment()


def test_offline_and_not_here_is_one_error_with_three_ways(hub, home, quick, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = failure(quick)
    assert "HF_HUB_OFFLINE" in message and "HF_ENDPOINT" in message
    assert "--from FOLDER_OR_ARCHIVE" in message and "chinese_wwm_L-12_H-768_A-12.zip" in message
    assert str(home / "models" / NAME) in message
    assert hub.requests == []


def test_no_server_at_all_names_the_three_ways(hub, quick, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = failure(quick)
    assert "127.0.0.1:9 cannot be reached: Connection refused" in message and "Three ways" in message


def test_what_transformers_has_cached_is_used_without_a_transfer(hub, tmp_path, quick, monkeypatch, model_files):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    snapshot_download(REPOSITORY, endpoint=hub.url, allow_patterns=list(NEEDED))
    hub.requests.clear()
    fetch(NAME, settings=quick)
    assert {one.method for one in hub.requests} == {"GET"} and not any(hub.sent(name) for name in NEEDED)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    fetch(NAME, settings=quick, home=tmp_path / "other")
    assert hub.requests == []
    assert list((tmp_path / "hf-cache").rglob(WEIGHTS))


def test_a_wrong_file_in_the_cache_of_transformers_is_neither_used_nor_touched(hub, home, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    snapshot = snapshot_download(REPOSITORY, endpoint=hub.url, allow_patterns=list(NEEDED))
    blob = (Path(snapshot) / WEIGHTS).resolve()
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.write_bytes(content)
    hub.requests.clear()
    fetch(NAME, settings=quick)
    assert len(hub.sent(WEIGHTS)) == 1 and blob.read_bytes() == content


def test_a_revision_is_kept_beside_the_default_one(hub, home, quick):
    hub.revisions.add("v2")
    fetch(NAME, settings=quick)
    assert fetch(NAME, settings=quick, revision="v2") == home / "models" / f"{NAME}@v2"
    assert set(stored_models(home=home)) == {NAME, f"{NAME}@v2"}


def test_what_the_hub_does_not_have_is_said(hub, quick):
    assert "no revision 'v9'" in failure(quick, revision="v9")
    assert "has no such repository" in failure(quick, name="hfl/absent-model")
    for name in (WEIGHTS, "pytorch_model.bin"):
        del hub.repositories[REPOSITORY][name]
    message = failure(quick)
    assert "model_state.pdparams) missing" in message and "tf_model.h5" in message
    with pytest.raises(ConfigError, match="chinese-bert-wwm"):
        fetch("chinese-bert-wvm", settings=quick)


def test_a_file_that_vanished_after_the_listing_is_an_error_with_its_address(hub, quick):
    hub.faults.statuses = deque()
    listed = dict(hub.repositories[REPOSITORY])

    class Vanishing(dict):
        def get(self, name, default=None):
            return None if name == WEIGHTS else super().get(name, default)

    hub.repositories[REPOSITORY] = Vanishing(listed)
    message = failure(quick)
    assert "answers 404" in message and WEIGHTS in message


@pytest.mark.parametrize("body", [b"<html>log in to the network</html>", b"[]", b'{"id": "x"}', b'{"sha": "../..", "siblings": []}'])
def test_something_else_than_a_hub_is_recognised(body, hub, quick):
    hub.metadata_body = body
    assert "HF_ENDPOINT" in failure(quick)


def test_sharded_weights_are_taken_whole_and_safetensors_before_pickles(hub, quick, home):
    common = ["config.json", "vocab.txt"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    assert choose_files([*common, *shards, "pytorch_model.bin"], source="x") == ["vocab.txt", "config.json", *shards]
    assert choose_files([*common, "pytorch_model.bin", "model_state.pdparams"], source="x")[-1] == "pytorch_model.bin"
    assert choose_files(["bert_config.json", "vocab.txt", "model_state.pdparams"], source="x")[1] == "bert_config.json"
    google = ["bert_config.json", "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index"]
    assert choose_files([*google, "bert_model.ckpt.meta", "vocab.txt"], source="x") == ["vocab.txt", *google]


def test_a_repository_outside_the_table_is_fetched_by_its_id(hub, home, quick):
    hub.repositories["someone/their.bert"] = hub.repositories[REPOSITORY]
    assert fetch("someone/their.bert", settings=quick) == home / "models" / "someone--their.bert"


def test_threads_of_one_process_fetch_one_after_the_other(hub, home, quick):
    hub.repositories["hfl/rbt3"] = hub.repositories[REPOSITORY]
    hub.faults.cuts[WEIGHTS] = deque([300_000] * 2)
    before = _http._GLOBAL_BACKEND_FACTORY
    with ThreadPoolExecutor(4) as threads:
        folders = list(threads.map(lambda name: fetch(name, settings=quick), [NAME, "rbt3", NAME, "rbt3"]))
    assert folders == [home / "models" / name for name in (NAME, "rbt3", NAME, "rbt3")]
    assert len([one for one in hub.sent(WEIGHTS) if one.status == 200]) == 2 and _http._GLOBAL_BACKEND_FACTORY is before


def test_the_token_goes_to_the_hub(hub, quick, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(NAME, settings=quick)
    assert {one.authorization for one in hub.requests if "/storage/" not in one.path} == {"Bearer hf_secret"}
    assert "hf_secret" not in (find_stored(NAME, home=plan(NAME).wanted.home).folder / "source.json").read_text()


def test_a_plan_writes_nothing_and_transfers_no_file(hub, home, quick, model_files):
    proposed = plan(NAME, settings=quick)
    assert {file.name: file.size_bytes for file in proposed.files} == {name: len(model_files[name]) for name in NEEDED}
    assert proposed.commit == COMMIT and proposed.stored is None
    assert not home.exists() and not any(hub.sent(name) for name in model_files)
    fetch(NAME, settings=quick)
    assert plan(NAME, settings=quick).stored.folder == home / "models" / NAME


def test_too_little_space_is_said_before_the_transfer(hub, home, quick, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("paddle_wwm.download.models.shutil.disk_usage", lambda _: usage._replace(free=1_000_000))
    assert re.search(r"needs [\d.]+ MB there, but 1 MB are free", failure(quick))
    assert not any(hub.sent(name) for name in NEEDED)


def test_the_session_of_huggingface_hub_is_as_before_afterwards(hub, quick):
    before = _http._GLOBAL_BACKEND_FACTORY
    fetch(NAME, settings=quick)
    failure(quick, name="hfl/absent-model")
    assert _http._GLOBAL_BACKEND_FACTORY is before and not are_progress_bars_disabled("huggingface_hub.http_get")


def test_more_bytes_than_stated_are_not_taken(hub, home, quick, model_files):
    hub.faults.bodies[WEIGHTS] = deque([model_files[WEIGHTS] + bytes(5_000_000)] * 2)
    assert "more than 934,592 bytes" in failure(quick)
    assert not list(home.rglob(f"*{WEIGHTS}*"))


def test_the_weights_are_those_of_the_repository(hub, quick, model_files, tmp_path):
    (tmp_path / WEIGHTS).write_bytes(model_files[WEIGHTS])
    theirs = load_file(tmp_path / WEIGHTS)
    ours = read_pdparams(fetch(NAME, settings=quick) / "model_state.pdparams")
    np.testing.assert_array_equal(
        ours["bert.embeddings.word_embeddings.weight"], next(value for name, value in theirs.items() if name.endswith("word_embeddings.weight"))
    )


def test_whether_a_model_is_cased_is_known_from_the_table_where_its_files_do_not_say(hub, quick):
    del hub.repositories[REPOSITORY]["tokenizer_config.json"]
    hub.repositories["google-bert/bert-large-cased-whole-word-masking"] = hub.repositories[REPOSITORY]
    for name, do_lower_case in ((NAME, True), ("bert-large-cased-whole-word-masking", False)):
        values = json.loads((fetch(name, settings=quick) / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert values["do_lower_case"] is do_lower_case


def test_a_model_of_other_sizes_under_a_known_name_is_noted(hub, home, quick):
    fetch(NAME, settings=quick)
    config = json.loads((home / "models" / NAME / "config.json").read_text())
    [note] = [note for note in record_of(NAME, home)["notes"] if "sizes" in note]
    assert f"hidden_size {config['hidden_size']} instead of 768" in note
