from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_wwm.download import NetworkSettings, fetch, find_stored
from paddle_wwm.errors import DownloadError

from .hub_server import HubServer

TINY = Path(__file__).resolve().parents[1] / "fixtures" / "tiny_bert_hf"
NAME, REPOSITORY = "chinese-bert-wwm", "hfl/chinese-bert-wwm"
WEIGHTS = "model.safetensors"
NEEDED = {"config.json", "vocab.txt", WEIGHTS, "tokenizer_config.json"}


def record_of(name, home):
    """Return the record of a stored model."""
    return find_stored(name, home=home).record


def failure(quick, **options):
    """Fetch a model, which must fail, and return the message."""
    with pytest.raises(DownloadError) as caught:
        fetch(options.pop("name", NAME), settings=quick, **options)
    return str(caught.value)


@pytest.fixture(scope="session")
def model_files():
    """The files of a repository: the tiny model with a vocabulary, and files that are not needed."""
    files = {name: (TINY / name).read_bytes() for name in ("config.json", "model.safetensors")}
    vocab_size = json.loads(files["config.json"])["vocab_size"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(chr(0x4E00 + number) for number in range(vocab_size - 5))]
    files["vocab.txt"] = "".join(f"{token}\n" for token in tokens).encode()
    files["tokenizer_config.json"] = b'{"do_lower_case": true}'
    return {
        **files,
        "README.md": b"# card",
        "pytorch_model.bin": b"the same weights",
        "tf_model.h5": b"tf",
        "flax_model.msgpack": b"flax",
        ".gitattributes": b"",
    }


@pytest.fixture
def hub(model_files, tmp_path, monkeypatch):
    """A hub with `model_files`. HF_ENDPOINT is its address, and all caches are empty."""
    server = HubServer()
    server.repositories[REPOSITORY] = dict(model_files)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setenv("PADDLE_WWM_HOME", str(tmp_path / "home"))
    for name in (
        "HF_HUB_OFFLINE",
        "HF_HUB_DOWNLOAD_TIMEOUT",
        "HF_TOKEN",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.stop()


@pytest.fixture
def home(tmp_path):
    """PADDLE_WWM_HOME of the test."""
    return tmp_path / "home"


@pytest.fixture
def quick():
    """Settings with short waits."""
    return NetworkSettings(timeout_s=2, num_tries=3, first_wait_s=0.01, max_wait_s=0.05)
