"""Errors for missing packages that only some functions need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paddle_wwm.errors import ConfigError
from paddle_wwm.optional import need_package

ROOT = Path(__file__).resolve().parent.parent
# The hidden packages are among those that `pip install --no-deps` does not install.
IMPORT_THE_DATA_ROOMS = """
import importlib, pkgutil, sys
hidden = {"paddle", "paddlenlp", "paddlehub", "pyarrow", "requests", "tokenizers", "safetensors", "scipy", "torch"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
for room in ("corpus", "tokenization", "pretraining_data", "shards"):
    package = importlib.import_module(f"paddle_wwm.{room}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
from paddle_wwm.corpus.segment import load_segmenter
print(load_segmenter("lac", user_dictionary=None).description)
"""


def test_the_error_for_a_missing_package_names_its_purpose_and_the_install_command(monkeypatch):
    need_package("numpy", purpose="masking")
    with pytest.raises(ConfigError, match="masking needs the package no_such_package.*pip install no_such_package"):
        need_package("no_such_package", purpose="masking")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "paddle", raising=False)
    with pytest.raises(ConfigError, match="pip install paddlepaddle"):
        need_package("paddle", purpose="training")


def test_data_subpackages_import_without_paddle_and_other_dependencies():
    done = subprocess.run([sys.executable, "-c", IMPORT_THE_DATA_ROOMS], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    if "compiled kernel" not in done.stdout:
        pytest.skip("this processor has no vector instructions for LAC's compiled kernel")
