"""Fetching from hubs with interrupted transfers, wrong bytes, timeouts and errors.

The model is fetched anyway, or one error says what to do.
"""

from __future__ import annotations

import email.utils
import re
import shutil
import socket
import struct
import threading
import time
from collections import deque
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from paddle_wwm.download import NetworkSettings, fetch, stored_models
from paddle_wwm.download.network import Network
from paddle_wwm.download.urls import size_of_url
from paddle_wwm.errors import ConfigError, DownloadError

from .conftest import NAME, NEEDED, REPOSITORY, WEIGHTS, failure, record_of


def test_an_interrupted_transfer_is_continued_where_it_stopped(hub, quick, model_files):
    hub.faults.cuts[WEIGHTS] = deque([300_000, 270_000])
    fetch(NAME, settings=quick)
    first, second, third = hub.sent(WEIGHTS)
    assert (first.status, first.range, first.num_bytes) == (200, None, 300_000)
    assert second.status == third.status == 206
    starts = [int(re.fullmatch(r"bytes=(\d+)-", one.range)[1]) for one in (second, third)]
    assert 0 < starts[0] <= 300_000 and starts[0] < starts[1] <= starts[0] + 270_000
    assert third.num_bytes == len(model_files[WEIGHTS]) - starts[1]


def test_a_later_run_continues_where_an_earlier_one_gave_up(hub, home, quick):
    hub.faults.cuts[WEIGHTS] = deque([300_000, 0, 0, 0])
    assert "No progress in 3 tries" in failure(quick)
    assert stored_models(home=home) == {}
    fetch(NAME, settings=quick)
    assert hub.sent(WEIGHTS)[-1].status == 206


@pytest.mark.parametrize("num_bytes", [200_000, 934_592, 2_000_000])
def test_a_corrupt_partial_file_is_detected_and_fetched_again(num_bytes, hub, home, quick):
    """After a crash of the machine, a partial file can be shorter than the file, as long, or longer."""
    hub.faults.cuts[WEIGHTS] = deque([300_000, 0, 0, 0])
    failure(quick)
    [partial] = home.rglob("*.part")
    partial.write_bytes(b"x" * num_bytes)
    hub.requests.clear()
    fetch(NAME, settings=quick)
    assert hub.sent(WEIGHTS)[-1].status == 200


def test_a_server_without_ranges_that_always_interrupts_is_an_error_after_some_tries(hub, quick):
    hub.knows_ranges = False
    hub.faults.cuts[WEIGHTS] = deque([400_000] * 50)
    assert "No progress in 3 tries" in failure(quick)


def test_wrong_bytes_of_the_right_size_are_fetched_again_once(hub, home, quick, model_files):
    wrong = bytes(len(model_files[WEIGHTS]))
    hub.faults.bodies[WEIGHTS] = deque([wrong])
    fetch(NAME, settings=quick)
    assert [one.num_bytes for one in hub.sent(WEIGHTS)] == [len(wrong)] * 2
    assert (
        record_of(NAME, home)["files"][[file["name"] for file in record_of(NAME, home)["files"]].index(WEIGHTS)][
            "checked_by"
        ]
        == "sha256"
    )


@pytest.mark.parametrize("name", [WEIGHTS, "vocab.txt"])
def test_bytes_that_are_wrong_twice_are_an_error_and_are_not_kept(name, hub, home, quick, model_files):
    hub.faults.bodies[name] = deque([b"\0" * len(model_files[name])] * 2)
    message = failure(quick)
    assert f"{REPOSITORY}/{name}" in message and "twice" in message and "HF_ENDPOINT" in message
    assert not list(home.rglob(f"*{name}*")) and not list(home.rglob("*.part"))
    fetch(NAME, settings=quick)  # the wrong bytes do not affect a later fetch


def test_a_file_longer_or_shorter_than_stated_is_an_error(hub, quick, model_files):
    hub.faults.bodies["vocab.txt"] = deque([model_files["vocab.txt"] + b"x", model_files["vocab.txt"][:-1]])
    assert "twice" in failure(quick)


def test_hf_transfer_is_not_used_because_it_cannot_continue_after_an_interruption(hub, quick, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_ENABLE_HF_TRANSFER", True)
    hub.faults.cuts[WEIGHTS] = deque([300_000])
    fetch(NAME, settings=quick)
    assert [one.status for one in hub.sent(WEIGHTS)] == [200, 206] and constants.HF_HUB_ENABLE_HF_TRANSFER


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_to_a_busy_server_is_repeated(status, hub, quick, logged):
    hub.faults.statuses = deque([(status, {"Retry-After": "0"}), (status, {})])
    fetch(NAME, settings=quick)
    assert [one.status for one in hub.requests[:3]] == [status, status, 200]
    assert "\n".join(logged).count(f"answers {status}") == 2


@pytest.mark.parametrize("value", ["1", "date"])
def test_the_wait_is_as_long_as_retry_after(value, hub, quick):
    # a date has whole seconds, so 2.5 s in the future is at least 1 s
    asked = email.utils.formatdate(time.time() + 2.5, usegmt=True) if value == "date" else value
    hub.faults.statuses = deque([(429, {"Retry-After": asked})])
    started = time.monotonic()
    fetch(NAME, settings=quick)
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("value", ["soon", ""])
def test_an_invalid_retry_after_is_ignored(value, hub, quick):
    hub.faults.statuses = deque([(503, {"Retry-After": value})])
    fetch(NAME, settings=quick)
    assert [one.status for one in hub.requests[:2]] == [503, 200]


def test_an_interrupted_list_of_files_is_requested_again(hub, quick, logged):
    hub.faults.cuts["metadata"] = deque([20, 20])
    fetch(NAME, settings=quick)
    assert "\n".join(logged).count("was interrupted") == 2
    hub.faults.cuts["metadata"] = deque([20] * 10)
    assert "No progress in 3 tries" in failure(quick, overwrite=True)


def test_a_retry_is_logged_once_and_not_by_urllib3(hub, quick, caplog):
    hub.faults.silent = re.compile("/api/models")
    failure(quick.__class__(timeout_s=0.2, num_tries=2, first_wait_s=0.01))
    assert [record.name for record in caplog.records] == ["paddle_wwm.download.patience"]
    assert "cannot be reached: no answer in time; trying again in 0 s" in caplog.records[0].getMessage()


def test_a_server_that_stays_busy_is_an_error_after_some_tries(hub, quick):
    hub.faults.statuses = deque([(429, {})] * 10)
    assert "answers 429 Too Many Requests, 3 times" in failure(quick)
    assert len(hub.requests) == 3


def test_a_retry_after_of_an_hour_is_an_error_instead_of_a_wait(hub, quick):
    hub.faults.statuses = deque([(429, {"Retry-After": "3600"})])
    assert "asks to come back in 3,600 s" in failure(quick)


@pytest.mark.parametrize("path", ["/api/models", "/resolve/", "/storage/"])
def test_a_silent_server_is_an_error_that_lists_three_ways_to_get_the_model(path, hub, quick):
    hub.faults.silent = re.compile(path)
    message = failure(quick.__class__(timeout_s=0.2, num_tries=2, first_wait_s=0.01))
    assert "no answer in time (2 tries)" in message and "  3. From another machine" in message


def test_the_timeout_is_that_of_hf_hub_download_timeout(monkeypatch):
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "7")
    assert NetworkSettings.from_environment().timeout_s == 7
    for value in ("0", "soon", "nan"):
        monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", value)
        with pytest.raises(DownloadError, match="positive number of seconds"):
            NetworkSettings.from_environment()


def test_offline_without_a_stored_model_is_one_error_that_lists_three_ways(hub, home, quick, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = failure(quick)
    assert "HF_HUB_OFFLINE" in message and "HF_ENDPOINT" in message
    assert "--from FOLDER_OR_ARCHIVE" in message and "chinese_wwm_L-12_H-768_A-12.zip" in message
    assert str(home / "models" / NAME) in message
    assert hub.requests == []


def test_a_name_that_cannot_be_resolved_is_tried_once(hub, monkeypatch, logged):
    monkeypatch.setenv("HF_ENDPOINT", "http://no-such-host.invalid")
    started = time.monotonic()
    message = failure(NetworkSettings())
    assert "no-such-host.invalid cannot be reached: the name of the host cannot be resolved (check the" in message
    assert time.monotonic() - started < 5 and not any("trying again" in line for line in logged)


def test_a_name_that_was_resolved_before_is_tried_again(hub, quick, monkeypatch, logged):
    """The network can be away for a moment in a long download."""
    resolve, failing = socket.getaddrinfo, deque([False, True, False])

    def unreliable(*arguments, **options):
        if failing and failing.popleft():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", unreliable)
    network = Network(quick)
    for _ in range(2):
        with network.session() as session:
            session.get(f"{hub.url}/api/models/{REPOSITORY}")
    assert "\n".join(logged).count("cannot be resolved; trying again") == 1


def test_a_connection_that_is_reset_is_tried_again(quick, logged):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            for number in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    if number == 0:  # close with a reset
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert size_of_url(f"http://127.0.0.1:{server.getsockname()[1]}/file", network=Network(quick)) == 7
        thread.join()
    assert "\n".join(logged).count("trying again") == 1


def test_a_refused_connection_is_an_error_that_lists_three_ways(hub, quick, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = failure(quick)
    assert "127.0.0.1:9 cannot be reached: Connection refused" in message and "Three ways" in message


def test_a_corrupt_file_in_the_cache_of_transformers_is_neither_used_nor_changed(
    hub, home, tmp_path, quick, monkeypatch
):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    snapshot = snapshot_download(REPOSITORY, endpoint=hub.url, allow_patterns=list(NEEDED))
    blob = (Path(snapshot) / WEIGHTS).resolve()
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.write_bytes(content)
    hub.requests.clear()
    fetch(NAME, settings=quick)
    assert len(hub.sent(WEIGHTS)) == 1 and blob.read_bytes() == content


def test_a_missing_revision_repository_or_file_is_an_error_that_names_it(hub, quick):
    assert "no revision 'v9'" in failure(quick, revision="v9")
    assert "has no such repository" in failure(quick, name="hfl/absent-model")
    for name in (WEIGHTS, "pytorch_model.bin"):
        del hub.repositories[REPOSITORY][name]
    message = failure(quick)
    assert "model_state.pdparams) missing" in message and "tf_model.h5" in message
    with pytest.raises(ConfigError, match="chinese-bert-wwm"):
        fetch("chinese-bert-wvm", settings=quick)


def test_a_file_deleted_after_the_listing_is_an_error_with_its_address(hub, quick):
    hub.faults.statuses = deque()
    listed = dict(hub.repositories[REPOSITORY])

    class Vanishing(dict):
        def get(self, name, default=None):
            return None if name == WEIGHTS else super().get(name, default)

    hub.repositories[REPOSITORY] = Vanishing(listed)
    message = failure(quick)
    assert "answers 404" in message and WEIGHTS in message


@pytest.mark.parametrize(
    "body", [b"<html>log in to the network</html>", b"[]", b'{"id": "x"}', b'{"sha": "../..", "siblings": []}']
)
def test_a_server_that_is_not_a_hub_is_an_error_that_names_hf_endpoint(body, hub, quick):
    hub.metadata_body = body
    assert "HF_ENDPOINT" in failure(quick)


def test_too_little_disk_space_is_an_error_before_the_transfer(hub, home, quick, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("paddle_wwm.download.models.shutil.disk_usage", lambda _: usage._replace(free=1_000_000))
    assert re.search(r"needs about [\d.]+ MB, but 1\.0 MB are free", failure(quick))
    assert not any(hub.sent(name) for name in NEEDED)


def test_a_transfer_stops_after_the_stated_number_of_bytes(hub, home, quick, model_files):
    hub.faults.bodies[WEIGHTS] = deque([model_files[WEIGHTS] + bytes(5_000_000)] * 2)
    assert "more than 934,592 bytes" in failure(quick)
    assert not list(home.rglob(f"*{WEIGHTS}*"))
