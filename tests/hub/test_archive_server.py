"""The archive server with the real `hub` command line: config, search, install by name and version, load."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub.archive_server import Shelf, open_archive
from paddle_wwm.hub.build import build_module

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(sys.executable).with_name("hub")


@pytest.fixture(scope="module")
def dist(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        build_module(name="our-bert", weights=weights, output=folder, modules=ROOT / "hub_modules", version=version)
    build_module(name="other-bert", weights=weights, output=folder, modules=ROOT / "hub_modules")
    return folder


@pytest.fixture(scope="module")
def address(dist):
    command = [sys.executable, str(ROOT / "scripts" / "serve_hub_modules.py"), str(dist), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = None
    while found is None and (line := process.stdout.readline()):
        found = re.search(r"hub config server==(http://127\.0\.0\.1:\d+)", line)
    assert found, process.stderr.read()
    yield found[1]
    process.terminate()
    process.communicate(timeout=30)


def get(address):
    with urllib.request.urlopen(address, timeout=30) as response:
        return json.load(response)


def test_search_and_info_list_the_newest_version_first(address):
    found = get(f"{address}/search?word=our&type=module")
    assert [(item["name"], item["version"]) for item in found["data"]] == [
        ("our-bert", version) for version in ("1.10.0", "1.9.0", "1.0.0")
    ]
    assert [item["version"] for item in get(f"{address}/search?word=our_bert&version=1.9.0")["data"]] == ["1.9.0"]
    assert {item["name"] for item in get(f"{address}/search?word=.*")["data"]} == {"our-bert", "other-bert"}
    assert get(f"{address}/search?word=(((")["data"] == []
    assert [item["version"] for item in get(f"{address}/info?name=our-bert")["data"]["info"]] == [
        "1.10.0",
        "1.9.0",
        "1.0.0",
    ]
    assert get(f"{address}/info?name=none")["data"] == {}


ELSEWHERE = [
    "archives/../secret",
    "archives/..%2Fsecret",
    "archives/%2Fetc%2Fpasswd",
    "archives/our-bert-1.0.0.tar.sha256",
    "x",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_only_archives_are_served(address, path):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{address}/{path}", timeout=30)
    with error.value:  # the error is also the response and must be closed
        assert error.value.code == 404


@pytest.mark.slow
@pytest.mark.integration
def test_the_hub_command_line_searches_installs_and_loads(address, tmp_path):
    def hub(*arguments):
        environment = {**os.environ, "HUB_HOME": str(tmp_path / "hub")}
        command = [str(HUB), *arguments] if arguments[0] != "-c" else [sys.executable, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout + done.stderr

    hub("config", f"server=={address}")
    assert re.search(r"our-bert.*1\.10\.0", hub("search", "our"))
    assert "Successfully installed our-bert-1.0.0" in hub("install", "our-bert==1.0.0")
    code = (
        "import paddlehub as hub\n"
        "module = hub.Module(name='our-bert', version='1.0.0')\n"
        "print('installed', module.get_embedding(['使用']).shape, module.version)\n"
        "print('fetched', hub.Module(name='other-bert', version='1.0.0').version)\n"
        "hub.Module(name='our-bert', version='7.0.0')\n"
    )
    used = hub("-c", code)
    assert "installed (1, 16) 1.0.0" in used and "fetched 1.0.0" in used
    assert "HubModuleNotFoundError" in used or "Error" in used.splitlines()[-1]


def test_an_archive_with_a_wrong_or_missing_checksum_is_not_served_and_logged_once(dist, tmp_path, logged):
    good = (dist / "other-bert-1.0.0.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(good)
    shelf = Shelf(tmp_path)
    assert shelf.archives() == shelf.archives() == []
    assert "\n".join(logged).count("has no a.tar.sha256") == 1
    sums = (dist / "other-bert-1.0.0.tar.sha256").read_text()
    (tmp_path / "a.tar.sha256").write_text(sums)
    assert [archive.name for archive in shelf.archives()] == ["other-bert"]
    (tmp_path / "a.tar").write_bytes(good[:-1] + b"x")
    assert shelf.archives() == []
    assert "says " + sums.split()[0] in logged[-1]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\0" * 10240])
def test_a_file_that_is_not_a_module_archive_is_refused(tmp_path, content):
    import hashlib

    (tmp_path / "x.tar").write_bytes(content)
    (tmp_path / "x.tar.sha256").write_text(hashlib.sha256(content).hexdigest())
    with pytest.raises(HubModuleError, match="not a module archive"):
        open_archive(tmp_path / "x.tar")


def test_a_version_that_cannot_be_sorted_is_refused(tmp_path):
    import hashlib
    import io
    import tarfile

    source = b'@moduleinfo(name="other", version="latest one")\nclass Module:\n    pass\n'
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        member = tarfile.TarInfo("other/module.py")
        member.size = len(source)
        tar.addfile(member, io.BytesIO(source))
    (tmp_path / "x.tar.sha256").write_text(hashlib.sha256((tmp_path / "x.tar").read_bytes()).hexdigest())
    with pytest.raises(HubModuleError, match="latest one"):
        open_archive(tmp_path / "x.tar")


def test_a_missing_folder_is_reported_in_one_line(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "serve_hub_modules.py"), str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "no such folder" in done.stderr
