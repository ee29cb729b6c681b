"""File names made from names of models and addresses always stay inside their folder."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_wwm.download.addresses import without_secrets
from paddle_wwm.download.home import download_folder, key_of, model_folder
from paddle_wwm.download.urls import name_of_url
from paddle_wwm.errors import ConfigError
from paddle_wwm.user_folders import home_folder

HOSTILE = st.text(st.sampled_from([*string.ascii_letters, *"0123456789/\\.@:%~-_?#& \n\0中"]), max_size=30)


@given(name=HOSTILE, revision=st.none() | HOSTILE)
def test_any_name_of_a_model_gives_a_folder_inside_the_home_folder(name, revision):
    home = Path("/home/of/models")
    try:
        key = key_of(name, revision=revision)
    except ConfigError:
        return
    for folder, parent in (
        (model_folder(key, home=home), home / "models"),
        (download_folder(key, home=home), home / "downloads"),
    ):
        assert folder.parent == parent and folder.name not in ("", ".", "..") and not folder.name.startswith(".")


@given(path=HOSTILE)
def test_any_address_gives_a_file_inside_the_download_folder(path):
    name = name_of_url(f"http://host/{path}")
    assert Path(name).name == name and not name.startswith(".") and name


@pytest.mark.parametrize(
    ("name", "revision", "key"),
    [
        ("rbt3", None, "rbt3"),
        ("hfl/chinese-macbert-base", None, "hfl--chinese-macbert-base"),
        ("rbt3", "refs/pr/1", "rbt3@refs--pr--1"),
    ],
)
def test_keys_are_readable(name, revision, key):
    assert key_of(name, revision=revision) == key


def test_addresses_are_shown_without_parts_that_can_be_keys():
    assert without_secrets("https://user:key@host:8080/a/b.zip?sig=1#x") == "https://host:8080/a/b.zip"
    assert without_secrets("/tmp/a?b@c.zip") == "/tmp/a?b@c.zip"


def test_the_environment_sets_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("PADDLE_WWM_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home_folder() == tmp_path / "paddle_wwm"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the XDG specification says to ignore relative paths
    monkeypatch.setenv("HOME", "/home/someone")
    assert home_folder() == Path("/home/someone/.cache/paddle_wwm")
    monkeypatch.setenv("PADDLE_WWM_HOME", "~/models")
    assert home_folder() == Path("/home/someone/models")
