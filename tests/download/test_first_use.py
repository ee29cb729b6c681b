"""A hub module without weights fetches them when it is loaded for the first time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest

from paddle_wwm.hub.build import build_module

from .conftest import NAME, NEEDED, WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
LOAD = """
import paddlehub as hub
module = hub.Module(name={name!r}, task={task!r})
vectors = module.get_embedding([chr(0x4e00), chr(0x4e01) * 3])
print(vectors.shape, float(abs(vectors).sum()))
"""


@pytest.fixture
def load(tmp_path):
    """Install the module without weights.

    Returns a function that loads it in a new process, and returns the last printed line or the error output.
    """
    built = build_module(name=NAME, output=tmp_path / "dist", modules=ROOT / "hub_modules")
    environment = os.environ | {"HUB_HOME": str(tmp_path / "hubhome"), "PYTHONPATH": str(ROOT)}
    install = [sys.executable, "-m", "paddle_wwm.hub", "install", str(built.archive)]
    subprocess.run(install, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=300)

    def run(*, task=None, **variables):
        command = [sys.executable, "-c", LOAD.format(name=NAME, task=task)]
        result = subprocess.run(
            command, env={**environment, **variables}, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        return result.stdout.splitlines()[-1] if result.returncode == 0 else result.stderr

    return run


@pytest.mark.slow
@pytest.mark.integration
def test_the_first_load_fetches_the_weights_and_the_second_needs_no_network(hub, home, load):
    first = load()
    shape, total = first.rsplit(" ", 1)
    assert shape == "(2, 64)" and float(total) > 0, first
    assert {name for name in NEEDED if hub.sent(name)} == NEEDED and (home / "models" / NAME).is_dir()
    asked = len(hub.requests)
    assert load(HF_HUB_OFFLINE="1") == first
    assert len(hub.requests) == asked


@pytest.mark.slow
@pytest.mark.integration
def test_a_failed_fetch_is_an_error_with_reason_and_remedies_and_a_later_load_succeeds(hub, home, load):
    hub.faults.bodies[WEIGHTS] = deque([b"wrong bytes of another size"] * 20)
    error = load(HF_HUB_DOWNLOAD_TIMEOUT="2")
    for text in ("downloading them failed", "Random weights are never used", "weights=DIR"):
        assert text in error
    assert not (home / "models" / NAME).exists()
    hub.faults.bodies.clear()
    assert load().startswith("(2, 64) ")
