"""The archive server with the real `hub` command line: config, search, install by name and version, load."""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from paddle_wwm.errors import ConfigError, HubModuleError
from paddle_wwm.hub.archive_server import Shelf, checked_url, open_archive
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.redirects import redirects_to
from paddle_wwm.hub.sources import folder_name, version_of_the_project
from paddle_wwm.version import __version__

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(sys.executable).with_name("hub")
VERSION = version_of_the_project(__version__)


@pytest.fixture(scope="module")
def dist(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        build_module(name="our-bert", weights=weights, output=folder, modules=ROOT / "hub_modules", version=version)
    build_module(name="other-bert", weights=weights, output=folder, modules=ROOT / "hub_modules")
    return folder


@contextlib.contextmanager
def serving(folder, *flags):
    """Serve a folder; yield the address on which the server listens."""
    command = [sys.executable, str(ROOT / "scripts" / "serve_hub_modules.py"), str(folder), "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        found = None
        while found is None and (line := process.stdout.readline()):
            found = re.search(r"archive\(s\) of .* at (http://[\d.]+:\d+); .* hub config server==http", line)
        assert found, process.stderr.read()
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def address(dist):
    with serving(dist) as address:
        yield address


@pytest.fixture(scope="module")
def series(weights, tmp_path_factory):
    """Return the address of a server with a model of the table."""
    folder = tmp_path_factory.mktemp("series")
    build_module(name="rbt3", weights=weights, output=folder, allow_other_sizes=True)
    build_module(name="our-rbt3-chinese", weights=weights, output=folder)
    with serving(folder) as address:
        yield address


def get(address, **headers):
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def refused(address, **options):
    """Return the status and the JSON of an answer that is an error."""
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(urllib.request.Request(address, **options), timeout=30)
    with error.value:  # the error is also the response and must be closed
        return error.value.code, json.load(error.value)


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
    code, answer = refused(f"{address}/{path}")
    assert code == answer["status"] == 404 and "Not Found" in answer["msg"]


def test_every_error_is_json(address):
    assert refused(f"{address}/search", method="POST")[1]["status"] == 405
    assert refused(f"{address}/archives/our-bert-9.9.9.tar")[1]["msg"] == (
        "Not Found: our-bert-9.9.9.tar is not served here."
    )


@pytest.mark.parametrize("host", ["evil.example:1", "evil.example/x?", "[::1"])
def test_addresses_are_not_made_of_the_host_header(address, host):
    for question in ("search?word=our", "info?name=our-bert"):
        for headers in ({"Host": host}, {"X-Forwarded-Host": host}):
            text = json.dumps(get(f"{address}/{question}", **headers))
            assert "evil" not in text and f"{address}/archives/our-bert-1.0.0.tar" in text


def test_a_server_on_all_addresses_names_the_one_that_the_client_reached(dist):
    with serving(dist, "--host", "0.0.0.0") as address:
        port = address.rpartition(":")[2]
        for host in ("127.0.0.1", "127.0.0.2"):
            [item] = get(f"http://{host}:{port}/search?word=other")["data"]
            assert item["url"] == f"http://{host}:{port}/archives/other-bert-1.0.0.tar"


def test_the_public_address_is_used_where_it_is_given(dist):
    with serving(dist, "--public-url", "https://modules.example.com/hub/") as address:
        [item] = get(f"{address}/search?word=other", Host="evil.example")["data"]
        assert item["url"] == "https://modules.example.com/hub/archives/other-bert-1.0.0.tar"


@pytest.mark.parametrize("url", ["modules.example.com", "ftp://x", "http://", "http://x/?q=1", "file:///etc"])
def test_a_public_address_that_is_not_one_is_refused(url):
    with pytest.raises(ConfigError, match="--public-url must be like http://"):
        checked_url(url)


# ---- Other names of a model


@pytest.mark.parametrize("alias", ["RBT3", "rbt3-chinese", "chinese_rbt3_L-3_H-768_A-12"])
def test_another_name_is_answered_with_its_redirecting_archive_only(series, alias, tmp_path):
    searched, informed = (get(f"{series}/{question}={alias}")["data"] for question in ("search?word", "info?name"))
    [item] = searched
    assert informed["info"] == searched and item["name"] == alias and item["summary"] == "Another name of rbt3."
    with urllib.request.urlopen(item["url"], timeout=30) as response:
        content = response.read()
    assert hashlib.sha256(content).hexdigest() == item["sha256"] and len(content) < 30_000
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(tmp_path, filter="data")
    assert redirects_to(tmp_path / folder_name(alias)) == "rbt3"
    assert get(f"{series}/search?word={alias}&version=9.9.9")["data"] == []


def test_a_name_of_a_model_that_is_not_served_is_unknown(series, address):
    assert get(f"{series}/info?name=RBT4")["data"] == {} == get(f"{address}/info?name=RBT3")["data"]
    assert refused(f"{series}/archives/RBT4-3.2.0.tar")[0] == 404 == refused(f"{series}/archives/RBT3-9.9.9.tar")[0]


def test_the_name_of_the_model_itself_is_answered_with_the_model(series):
    assert {item["name"] for item in get(f"{series}/search?word=rbt3")["data"]} == {"rbt3", "our-rbt3-chinese"}
    assert [item["version"] for item in get(f"{series}/info?name=rbt3")["data"]["info"]] == [VERSION]


@pytest.fixture
def hub(tmp_path):
    """Return a function that runs `hub`, or Python, with a new home."""

    def run(*arguments):
        environment = {**os.environ, "HUB_HOME": str(tmp_path / "hub"), "PYTHONWARNINGS": "ignore"}
        command = [str(HUB), *arguments] if arguments[0] != "-c" else [sys.executable, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        return done.stdout + done.stderr

    return run


@pytest.mark.slow
@pytest.mark.integration
def test_hub_module_gets_a_model_by_another_name_from_the_server(series, hub, tmp_path):
    hub("config", f"server=={series}")
    assert f"Successfully installed RBT3-{VERSION}" in hub("install", "RBT3")
    assert {path.name for path in (tmp_path / "hub" / "modules").iterdir()} == {"RBT3"}
    use = "import paddlehub as hub; module = hub.Module(name={name!r}); print('loaded', module.name, module.version)"
    assert f"loaded rbt3 {VERSION}" in hub("-c", use.format(name="RBT3"))
    assert {path.name for path in (tmp_path / "hub" / "modules").iterdir()} == {"RBT3", "rbt3"}
    assert f"loaded rbt3 {VERSION}" in hub("-c", use.format(name="rbt3-chinese"))
    assert "already installed" in hub("install", "RBT3") and "already installed" in hub("install", "rbt3-chinese")


@pytest.mark.slow
@pytest.mark.integration
def test_the_hub_command_line_searches_installs_and_loads(address, hub):
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
    (tmp_path / "x.tar").write_bytes(content)
    (tmp_path / "x.tar.sha256").write_text(hashlib.sha256(content).hexdigest())
    with pytest.raises(HubModuleError, match="not a module archive"):
        open_archive(tmp_path / "x.tar")


def test_a_version_that_cannot_be_sorted_is_refused(tmp_path):
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
