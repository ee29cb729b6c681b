"""Heads that the authors of a model did not train are listed as untrained when it arrives."""

from __future__ import annotations

import json

import pytest

from paddle_wwm import load_model
from paddle_wwm.download.arrival import convert_on_arrival
from paddle_wwm.errors import CheckpointError
from paddle_wwm.variants import find_variant

from ..conversion.sources import HF_FOLDER


@pytest.mark.parametrize(
    ("name", "untrained"),
    [
        ("chinese-pert-base", ["cls.predictions", "cls.seq_relationship"]),
        ("chinese-macbert-base", ["cls.predictions", "cls.seq_relationship"]),
        ("chinese-lert-base", ["cls.seq_relationship"]),
        ("chinese-roberta-wwm-ext", None),
    ],
)
def test_only_trained_heads_can_fill_masks(tmp_path, name, untrained):
    notes = convert_on_arrival(HF_FOLDER, target=tmp_path / "model", variant=find_variant(name))
    values = json.loads((tmp_path / "model" / "config.json").read_text())
    assert values.get("untrained_parameters") == untrained
    assert any("state no trained" in note for note in notes) is (untrained is not None)
    if untrained and "cls.predictions" in untrained:
        with pytest.raises(CheckpointError, match="fill-mask needs a trained head"):
            load_model(tmp_path / "model", task="fill-mask")
    else:
        load_model(tmp_path / "model", task="fill-mask")
