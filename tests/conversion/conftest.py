"""The model of the fixtures, converted to Paddle."""

from __future__ import annotations

import pytest

from paddle_wwm.conversion.opening import open_model

from .sources import HF_FOLDER, bits_of, converted


@pytest.fixture(scope="module")
def paddle_folder(tmp_path_factory):
    """The model of the fixtures, converted from safetensors to a Paddle folder."""
    target = tmp_path_factory.mktemp("converted") / "paddle"
    converted(HF_FOLDER, target)
    return target


@pytest.fixture(scope="module")
def expected_bits(paddle_folder):
    return bits_of(open_model(paddle_folder))
