"""Modules over HTTP: the real `hub serving` and our own server, as processes, on this machine, on a free port."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from paddle_wwm.errors import HubModuleError
from paddle_wwm.hub import BertHubModule, answer_limits, request_limits, serve
from paddle_wwm.hub.build import build_module
from paddle_wwm.hub.inputs import TextsCutWarning

MODULES = Path(__file__).resolve().parents[2] / "hub_modules"
NAME = "served-bert"
QUESTION = {"question": "在哪学习", "context": "我们在北京大学学习。天气很好，"}
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def hub_home(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving")
    built = build_module(name=NAME, weights=weights, output=folder / "dist", modules=MODULES)
    modules = folder / "hub" / "modules"
    modules.mkdir(parents=True)
    built.directory.rename(modules / built.directory.name)
    return folder / "hub"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def post(address, body, *, content_type="application/json"):
    """Send a request; return the HTTP status and the JSON answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data=data, headers={"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Server:
    """A server process on a port, ended by its process id."""

    def __init__(self, command, *, hub_home, port, cwd):
        self.port = port
        self.log = cwd / "server.log"
        with open(self.log, "w") as log:
            environment = {**os.environ, "HUB_HOME": str(hub_home)}
            self.process = subprocess.Popen(
                command, env=environment, cwd=cwd, stdout=log, stderr=log, start_new_session=True
            )

    def __enter__(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return f"http://127.0.0.1:{self.port}"
            time.sleep(0.2)
        raise RuntimeError(self.log.read_text())

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def ours(hub_home, tmp_path_factory):
    """Run our server with one module, for reading comprehension."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "paddle_wwm.hub",
        "serve",
        NAME,
        "--task",
        "question-answering",
        "--port",
        str(port),
    ]
    with Server(command, hub_home=hub_home, port=port, cwd=tmp_path_factory.mktemp("ours")) as address:
        yield address


def test_our_server_answers_questions(ours):
    status, answer = post(f"{ours}/predict/{NAME}", {"data": [QUESTION, QUESTION], "top_k": 2})
    assert (status, answer["status"], answer["msg"], len(answer["results"])) == (200, "000", "", 2)
    result = answer["results"][0]
    assert QUESTION["context"][result["start"] : result["end"]] == result["text"] != ""
    assert len(result["answers"]) == 2


def test_our_server_lists_its_modules(ours):
    with urllib.request.urlopen(ours, timeout=60) as response:
        assert json.load(response) == {"modules": {NAME: {"version": "1.0.0", "task": "question-answering"}}}


BAD_REQUESTS = [
    ({"data": "text"}, 400, "`data` must be a list"),
    ({"data": [7]}, 400, r"data[0] must be"),
    ({"data": [{"question": "使"}]}, 400, "must have the keys question and context"),
    ({"data": [QUESTION] * (request_limits.MAX_TEXTS + 1)}, 400, "at most 512 items"),
    ({"data": [["使", "用" * request_limits.MAX_CHARACTERS]]}, 400, "at most 200,000 characters"),
    ({"data": [QUESTION], "weights": "/etc"}, 400, "also holds weights"),
    ({"data": [QUESTION], "max_seq_len": "x"}, 400, "`max_seq_len` must be"),
    ({"data": [QUESTION], "batch_size": 0}, 400, "`batch_size` must be"),
    ({"data": [QUESTION], "batch_size": "8"}, 400, "`batch_size` must be"),
    ({"data": [QUESTION], "use_gpu": "false"}, 400, "`use_gpu` must be True or False"),
    ({"data": [QUESTION], "return_prob": "false"}, 400, "`return_prob` must be True or False"),
    ({"data": [QUESTION], "threshold": "0.5"}, 400, "`threshold` must be"),
    ({"data": [QUESTION], "top_k": 10**9}, 400, "`top_k` may be at most 100"),
    ({"data": [QUESTION] * 300, "top_k": 100}, 400, "at most 20,000 candidates"),
    ({"data": [QUESTION], "max_answer_len": None}, 400, "`max_answer_len` must be"),
    ({"texts": []}, 400, "must be a JSON object"),
    ([1], 400, "must be a JSON object"),
    ({"data": [QUESTION], "self": 1}, 400, "also holds self"),
    (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "nested too deeply"),
    (b"{", 400, "Bad Request"),
    (b"\xff\xfe", 400, "Bad Request"),
    (b"x" * (3 << 20), 413, "Too Large"),
]


@pytest.mark.parametrize(("body", "status", "message"), BAD_REQUESTS, ids=[message for *_, message in BAD_REQUESTS])
def test_our_server_answers_bad_requests_with_an_error_in_json(ours, body, status, message):
    got, answer = post(f"{ours}/predict/{NAME}", body)
    assert (got, answer["status"], answer["results"]) == (status, "101", "")
    assert message in answer["msg"]


def test_a_long_value_is_not_sent_back(ours):
    status, answer = post(f"{ours}/predict/{NAME}", {"data": [QUESTION], "top_k": "x" * 1_000_000})
    assert status == 400 and answer["msg"].startswith("`top_k` must be") and len(answer["msg"]) < 3000


def test_our_server_reports_unknown_modules_paths_and_content_types(ours):
    status, answer = post(f"{ours}/predict/other", {"data": []})
    assert (status, answer["status"]) == (404, "111") and NAME in answer["msg"]
    status, answer = post(f"{ours}/predict/{NAME}", b"text", content_type="text/plain")
    assert (status, answer["status"]) == (415, "112")
    status, answer = post(f"{ours}/elsewhere", {})
    assert (status, answer["status"]) == (404, "101")


def test_our_server_listens_on_this_machine_only(ours):
    port = int(ours.rpartition(":")[2])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert {fields[1] for fields in listening if fields[1].endswith(f":{port:04X}") and fields[3] == "0A"} == {
        f"0100007F:{port:04X}"
    }


def test_a_module_that_cannot_be_loaded_is_reported_in_one_line(tmp_path, weights):
    command = [sys.executable, "-m", "paddle_wwm.hub", "serve", str(tmp_path / "no-such"), "--port", "0"]
    (tmp_path / "no-such").mkdir()
    (tmp_path / "no-such" / "module.py").write_text("x = 1\n")
    done = subprocess.run(
        command,
        env={**os.environ, "HUB_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2 and "cannot be loaded" in done.stderr.splitlines()[-1]


REQUESTS = {
    None: (["使用语言"], lambda results: len(results[0]) == 16),
    "fill-mask": (["使[MASK]"], lambda results: len(results[0]["masks"][0]) == 5),
    "seq-cls": (["使用", ["使用", "语言"]], lambda results: set(results) <= {"no", "yes"}),
    "multi-label": (["使用"], lambda results: set(results[0]) <= {"no", "yes"}),
    "token-cls": (["使用"], lambda results: len(results[0]) == 2),
    "text-matching": ([["使用", "语言"]], lambda results: set(results) <= {"no", "yes"}),
    "question-answering": ([QUESTION], lambda results: results[0]["text"] in QUESTION["context"]),
}


def test_hub_serving_answers_every_task_and_reports_errors_in_json(hub_home, tmp_path):
    port = free_port()
    for task in REQUESTS:  # a server has one task per name, so each task gets its own folder
        name = f"{NAME}_{task or 'none'}".replace("-", "_")
        source = (hub_home / "modules" / "served_bert" / "module.py").read_text(encoding="utf-8")
        folder = hub_home / "modules" / name
        folder.mkdir(exist_ok=True)
        for path in (hub_home / "modules" / "served_bert").iterdir():
            if path.name != "module.py" and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
        (folder / "module.py").write_text(source.replace(f'"{NAME}"', f'"{name}"'), encoding="utf-8")
    labelled = ("seq-cls", "multi-label", "token-cls", "text-matching")
    infos = {
        f"{NAME}_{task or 'none'}".replace("-", "_"): {
            "init_args": {"task": task, **({"label_map": {"0": "no", "1": "yes"}} if task in labelled else {})},
            "predict_args": {},
        }
        for task in REQUESTS
    }
    (tmp_path / "serving.json").write_text(
        json.dumps({"modules_info": infos, "port": port, "use_gpu": False, "use_multiprocess": False})
    )
    command = [
        str(Path(sys.executable).with_name("hub")),
        "serving",
        "start",
        "--config",
        str(tmp_path / "serving.json"),
    ]
    with Server(command, hub_home=hub_home, port=port, cwd=tmp_path) as address:
        for task, (data, is_right) in REQUESTS.items():
            name = f"{NAME}_{task or 'none'}".replace("-", "_")
            status, answer = post(f"{address}/predict/{name}", {"data": data})
            assert (status, answer["status"]) == (200, "000"), answer
            assert is_right(answer["results"]), (task, answer)
        for body, _, message in BAD_REQUESTS:
            if isinstance(body, dict) and "data" in body:
                _, answer = post(f"{address}/predict/{name}", body)
                assert answer["status"] == "101" and message in answer["msg"], answer
        labelling = f"{address}/predict/served_bert_token_cls"
        _, answer = post(labelling, {"data": ["使用"], "entities": True})
        assert set(answer["results"][0]) == {"labels", "offsets", "entities"}, answer
        _, answer = post(labelling, {"data": ["使用"], "entities": "true"})
        assert "`entities` must be True or False" in answer["msg"]
        _, answer = post(f"{address}/predict/{name}", {"data": [{"id": 7, **QUESTION}]})
        assert answer["results"][0]["id"] == 7


def test_the_candidates_of_all_masks_are_bounded():
    options = {"top_k": 100}
    request_limits.check_request(["[MASK]" * 200], options=options, task="fill-mask")
    with pytest.raises(HubModuleError, match="at most 20,000 candidates, but asks for 201 x 100"):
        request_limits.check_request(["[MASK]" * 200, "使"], options=options, task="fill-mask")
    request_limits.check_request(["[MASK]" * 400], options=options, task="seq-cls")  # no candidates
    with pytest.raises(HubModuleError, match="at most 20,000 candidates, but asks for 201 x 100"):
        request_limits.check_request([["几岁", "三岁"]] * 201, options=options, task="question-answering")


def test_an_answer_with_too_many_probabilities_is_refused_before_it_is_computed(weights, monkeypatch):
    module = BertHubModule(task="token-cls", num_classes=1000, weights=str(weights))
    client = serve.make_app({"bert": module}).test_client()
    monkeypatch.setattr(module, "predict", None)
    response = client.post("/predict/bert", json={"data": ["使用" * 1000] * 10, "return_prob": True})
    assert (response.status_code, response.json["status"]) == (400, "101")
    assert "460,000,000 bytes (20,000 results x 1,000 classes), of 16,777,216 at most" in response.json["msg"]


def test_the_size_of_an_answer_grows_with_tokens_or_texts():
    check = partial(answer_limits.check_answer_size, num_classes=10_000)
    texts = ["使\002用\002语"] * 24
    check(texts, options={"return_prob": True}, task="token-cls")
    check(["使用" * 100] * 72, options={"return_prob": True}, task="seq-cls")
    check(texts * 100, options={"return_prob": False}, task="token-cls")
    for data, task in ((texts + ["语"], "token-cls"), (["使用"] * 73, "seq-cls")):
        with pytest.raises(HubModuleError, match=r"73 results x 10,000 classes.*leave out `return_prob`"):
            check(data, options={"return_prob": True}, task=task)


def test_every_answer_says_how_many_texts_were_cut(weights):
    module = BertHubModule(weights=str(weights))
    client = serve.make_app({"bert": module}).test_client()
    for num_cut in (1, 2, 1):
        with pytest.warns(TextsCutWarning):
            response = client.post("/predict/bert", json={"data": ["使用", *["使用" * 50] * num_cut]})
        assert response.status_code == 200
        assert response.json["msg"] == f"{num_cut} text(s) had more than 24 tokens and were cut at their end."
    assert client.post("/predict/bert", json={"data": ["使用"]}).json["msg"] == ""


def test_an_answer_that_is_too_large_is_refused(weights, monkeypatch):
    monkeypatch.setattr(serve, "MAX_ANSWER_BYTES", 100)
    client = serve.make_app({"bert": BertHubModule(weights=str(weights))}).test_client()
    response = client.post("/predict/bert", json={"data": ["使用"]})
    assert (response.status_code, response.json["status"]) == (413, "101")
    assert "of 100 at most; send fewer texts" in response.json["msg"]
