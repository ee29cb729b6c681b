"""Nothing phones home: our commands send no request that the user did not ask for. All processes are real.

Each process records the names that it looks up and the addresses that it connects to (Python's audit events). And
PaddleHub's server is a listener on this machine, which counts requests.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from paddle_wwm import paddlehub_requests
from paddle_wwm.hub.build import build_module

from .test_serve import Server, free_port

NAME = "private-bert"
RECORDER = """
import os, sys

def record(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect", "socket.sendto"):
        with open(os.environ["RECORD"], "a") as stream:
            print(arguments[0] if event == "socket.getaddrinfo" else arguments[1], file=stream)

sys.addaudithook(record)
"""
PLAIN = f"import paddlehub; paddlehub.Module(name={NAME!r})"
pytestmark = pytest.mark.integration


class Listener:
    """A server on this machine that keeps the paths of all requests."""

    def __init__(self) -> None:
        paths = self.paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                paths.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def archive(weights, tmp_path_factory):
    return build_module(name=NAME, weights=weights, output=tmp_path_factory.mktemp("dist")).archive


class Machine:
    """A home of PaddleHub with one module, whose server is a listener; and the record of connections."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.listener = folder, Listener()
        self.record = folder / "record"
        self.hub_home = folder / "hub"
        (self.hub_home / "conf").mkdir(parents=True)
        self.set_server(self.listener.address)
        (folder / "recorder").mkdir()
        (folder / "recorder" / "sitecustomize.py").write_text(RECORDER)
        packages = os.pathsep.join((str(folder / "recorder"), *sys.path))
        self.environment = {**os.environ, "HUB_HOME": str(self.hub_home), "RECORD": str(self.record)}
        self.environment |= {"PYTHONPATH": packages, "HF_HUB_OFFLINE": "1"}

    def set_server(self, address: str) -> None:
        (self.hub_home / "conf" / "config.yaml").write_text(f"server: {address}\n")

    def run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sent(self) -> tuple[list[str], list[str]]:
        """Return the requests and the connections since the last call."""
        requests, connections = self.listener.paths[:], []
        if self.record.exists():
            connections = self.record.read_text().splitlines()
            self.record.unlink()
        self.listener.paths.clear()
        return requests, connections


@contextmanager
def machine_in(folder: Path):
    machine = Machine(folder)
    try:
        yield machine
    finally:
        machine.listener.server.shutdown()
        machine.listener.server.server_close()


@pytest.fixture(scope="module")
def machine(archive, tmp_path_factory):
    with machine_in(tmp_path_factory.mktemp("machine")) as made:
        made.run("-m", "paddle_wwm", "hub", "install", str(archive))
        assert made.sent() == ([], [])  # installing a module loads it
        yield made


def test_a_plain_hub_module_sends_what_the_docs_say_and_stops_as_they_say(machine):
    """This shows that the other tests can fail."""
    machine.run("-c", PLAIN)
    [request], connections = machine.sent()
    assert connections
    sent = parse_qs(urlsplit(request).query)
    assert sent["word"] == [NAME] and {"hub_version", "paddle_version"} <= sent.keys()
    assert json.loads(sent["extra"][0]).keys() == {"command", "mtime", "hub_name"}
    machine.run("-c", f"from paddlehub.module.module import Module; Module.init_with_name(name={NAME!r})")
    assert machine.sent() == ([], [])
    key, _, address = paddlehub_requests.SWITCH_OFF.removeprefix("hub config ").partition("==")
    hub = "import sys; from paddlehub.commands.utils import execute; sys.argv[0] = 'hub'; sys.exit(execute() or 0)"
    machine.run("-c", hub, "config", f"{key}=={address}")
    assert paddlehub_requests.server_of(machine.hub_home) == address
    machine.sent()
    try:
        machine.run("-c", PLAIN)
        requests, connections = machine.sent()
        assert requests == [] and all("127.0.0.1" in connection for connection in connections)
    finally:
        machine.set_server(machine.listener.address)


def test_commands_that_load_modules_send_nothing(machine):
    shown = machine.run("-m", "paddle_wwm", "hub", "fill-mask", "--module", NAME, "使[MASK]")
    assert "get_embedding: 1 vector(s)" in shown and machine.sent() == ([], [])


def test_the_server_sends_nothing(machine, tmp_path, monkeypatch):
    port = free_port()
    command = [sys.executable, "-m", "paddle_wwm", "hub", "serve", NAME, "--task", "fill-mask", "--port", str(port)]
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    with Server(command, hub_home=machine.hub_home, port=port, cwd=tmp_path) as address:
        data = json.dumps({"data": ["使[MASK]"]}).encode()
        request = urllib.request.Request(
            f"{address}/predict/{NAME}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert json.load(response)["status"] == "000"
    assert machine.sent() == ([], ["127.0.0.1"])  # it looks up its own address


def test_models_training_and_imports_send_nothing(machine, weights):
    (machine.folder / "train.tsv").write_text("label\ttext_a\n1\t使用\n0\t语言\n1\t天气\n0\t学习\n", encoding="utf-8")
    machine.run(
        "-c",
        f"import paddle_wwm, paddlenlp, visualdl; paddle_wwm.load_model({str(weights)!r})\n"
        "from visualdl import LogWriter; LogWriter(logdir='log').add_scalar('loss', 1.0, 1)\n"
        "from paddle_wwm.cli.main import main\n"
        "main(['finetune', '--kind', 'classification', '--train', 'train.tsv', '--dev', 'train.tsv', '--seeds', '1', "
        f"'--epochs', '1', '--output', 'run', '--model', {str(weights)!r}])",
    )
    assert machine.sent() == ([], [])


def test_the_doctor_says_where_paddlehub_sends_its_requests(tmp_path):
    (tmp_path / "conf").mkdir()
    settings = tmp_path / "conf" / "config.yaml"
    for text, server, is_local in (
        (None, paddlehub_requests.DEFAULT_SERVER, False),
        ("log:\n  level: DEBUG\nserver: http://127.0.0.1:9\n", "http://127.0.0.1:9", True),
        ("server: 'http://localhost:9/x'\n", "http://localhost:9/x", True),
        ("server: http://hub.example.com\n", "http://hub.example.com", False),
        ("server: http://127.0.0.1.example.com\n", "http://127.0.0.1.example.com", False),
    ):
        if text is not None:
            settings.write_text(text)
        assert paddlehub_requests.server_of(tmp_path) == server
        line = paddlehub_requests.description(tmp_path)
        assert server in line and (paddlehub_requests.SWITCH_OFF in line) is not is_local
