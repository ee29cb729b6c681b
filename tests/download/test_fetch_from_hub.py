"""Fetching models by name from a hub without faults."""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from huggingface_hub import constants, snapshot_download
from huggingface_hub.utils import _http, are_progress_bars_disabled
from safetensors.numpy import load_file

from paddle_wwm.download import fetch, find_stored, plan, stored_models
from paddle_wwm.download.hub import choose_files
from paddle_wwm.weights.pdparams import read_pdparams

from .conftest import NAME, NEEDED, REPOSITORY, WEIGHTS, failure, record_of
from .hub_server import COMMIT


def test_fetch_makes_a_model_folder_and_transfers_only_the_needed_files(hub, home, quick, model_files):
    folder = fetch("bert-wwm-chinese", settings=quick)  # the name in PaddleNLP
    assert folder == home / "models" / NAME
    assert {"config.json", "vocab.txt", "model_state.pdparams", "tokenizer_config.json", "source.json"} <= set(
        os.listdir(folder)
    )
    assert (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]
    assert {name for name in model_files if hub.sent(name)} == NEEDED
    assert not (home / "downloads" / NAME).exists()


def test_the_record_has_the_origin_of_a_model_and_how_files_were_checked(hub, home, quick):
    fetch(NAME, settings=quick)
    record = record_of(NAME, home)
    assert (record["repository"], record["commit"], record["endpoint"]) == (REPOSITORY, COMMIT, hub.url)
    assert {file["name"]: file["checked_by"] for file in record["files"]} == {
        name: "sha256" if name == WEIGHTS else "git sha1" for name in NEEDED
    }


def test_a_stored_model_is_used_without_requests(hub, home, quick, monkeypatch):
    folder = fetch(NAME, settings=quick)
    asked = len(hub.requests)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(REPOSITORY, settings=quick) == folder
    assert len(hub.requests) == asked


def test_overwrite_fetches_a_stored_model_again(hub, home, quick):
    fetch(NAME, settings=quick)
    fetch(NAME, settings=quick, overwrite=True)
    assert len(hub.sent(WEIGHTS)) == 2


def test_a_corrupt_stored_model_is_fetched_again(hub, home, quick):
    folder = fetch(NAME, settings=quick)
    os.truncate(folder / "model_state.pdparams", 10)
    assert fetch(NAME, settings=quick) == folder
    assert len(hub.sent(WEIGHTS)) == 2 and (folder / "model_state.pdparams").stat().st_size > 10


@pytest.mark.parametrize("states_checksums", [True, False])
def test_details_that_a_mirror_does_not_list_are_read_from_each_file_and_a_missing_checksum_is_recorded(
    states_checksums, hub, home, quick
):
    hub.states_details, hub.states_checksums = False, states_checksums
    fetch(NAME, settings=quick)
    checked = {file["checked_by"] for file in record_of(NAME, home)["files"]}
    assert checked == ({"sha256", "git sha1"} if states_checksums else {"size only"})


def test_transfers_that_a_server_compresses_without_being_asked_are_decoded(hub, quick, model_files):
    hub.compresses = "always"
    folder = fetch(NAME, settings=quick)
    [sent] = hub.sent("vocab.txt")
    assert (
        sent.num_bytes < len(model_files["vocab.txt"])
        and (folder / "vocab.txt").read_bytes() == model_files["vocab.txt"]
    )


def test_renamed_repositories_are_followed(hub, home, quick):
    hub.repositories["hfl/new-name"] = hub.repositories.pop(REPOSITORY)
    hub.moved[REPOSITORY] = "hfl/new-name"
    fetch(NAME, settings=quick)
    assert record_of(NAME, home)["commit"] == COMMIT


def test_files_in_the_cache_of_transformers_are_used_without_a_transfer(hub, tmp_path, quick, monkeypatch, model_files):
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


def test_a_revision_is_stored_next_to_the_default_one(hub, home, quick):
    hub.revisions.add("v2")
    fetch(NAME, settings=quick)
    assert fetch(NAME, settings=quick, revision="v2") == home / "models" / f"{NAME}@v2"
    assert set(stored_models(home=home)) == {NAME, f"{NAME}@v2"}


def test_all_shards_are_chosen_and_safetensors_are_preferred_to_pickles(hub, quick, home):
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


def test_the_session_of_huggingface_hub_is_restored(hub, quick):
    before = _http._GLOBAL_BACKEND_FACTORY
    fetch(NAME, settings=quick)
    failure(quick, name="hfl/absent-model")
    assert _http._GLOBAL_BACKEND_FACTORY is before and not are_progress_bars_disabled("huggingface_hub.http_get")


def test_the_weights_are_those_of_the_repository(hub, quick, model_files, tmp_path):
    (tmp_path / WEIGHTS).write_bytes(model_files[WEIGHTS])
    theirs = load_file(tmp_path / WEIGHTS)
    ours = read_pdparams(fetch(NAME, settings=quick) / "model_state.pdparams")
    np.testing.assert_array_equal(
        ours["bert.embeddings.word_embeddings.weight"],
        next(value for name, value in theirs.items() if name.endswith("word_embeddings.weight")),
    )


def test_the_table_of_models_sets_the_casing_if_no_file_states_it(hub, quick):
    del hub.repositories[REPOSITORY]["tokenizer_config.json"]
    hub.repositories["google-bert/bert-large-cased-whole-word-masking"] = hub.repositories[REPOSITORY]
    for name, do_lower_case in ((NAME, True), ("bert-large-cased-whole-word-masking", False)):
        values = json.loads((fetch(name, settings=quick) / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert values["do_lower_case"] is do_lower_case


def test_a_model_of_other_sizes_under_a_known_name_gets_a_note(hub, home, quick):
    fetch(NAME, settings=quick)
    config = json.loads((home / "models" / NAME / "config.json").read_text())
    [note] = [note for note in record_of(NAME, home)["notes"] if "sizes" in note]
    assert f"hidden_size {config['hidden_size']} instead of 768" in note
