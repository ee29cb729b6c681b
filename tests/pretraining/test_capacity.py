"""What a machine can do: measured speeds, and the time and memory of every recipe."""

from __future__ import annotations

import dataclasses
import json

import pytest

from paddle_wwm.compute.onednn import missing_bfloat16
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.pretraining import capacity
from paddle_wwm.recipe_file import PACKAGED


@pytest.fixture(scope="module")
def measured():
    """The measurement of this machine, with models that take milliseconds."""
    patch = pytest.MonkeyPatch()
    sizes = {"vocab_size": 100, "num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 1}
    patch.setattr(capacity, "MEASURED", (ModelConfig(hidden_size=16, **sizes), ModelConfig(hidden_size=32, **sizes)))
    found = capacity.measure(seconds_per_part=0.01)
    patch.undo()
    return found


def test_speeds_and_memory_are_measured_and_every_packaged_recipe_has_a_cost(measured):
    assert measured.characters_per_s > 0 and measured.num_cores >= 1
    assert 0 < measured.memory[1] <= measured.memory[0]
    assert all(speed.tokens_per_s > 0 and speed.flops_per_s > 0 for speed in measured.speeds)
    kinds = ["float32", "bfloat16"] if not missing_bfloat16() else ["float32"]
    assert [speed.precision for speed in measured.speeds] == [kind for kind in kinds for _ in range(2)]
    costs = {cost.name: cost for cost in measured.recipes}
    assert costs.keys() == {path.stem for path in PACKAGED.glob("*.yaml")}
    assert costs["quickstart"].seconds < costs["small"].seconds < costs["roberta-wwm-ext"].seconds
    assert costs["roberta-wwm-ext-large"].num_bytes > costs["rbt3"].num_bytes > costs["small"].num_bytes
    json.dumps(dataclasses.asdict(measured))


def test_the_cost_of_the_domain_recipe_is_that_of_an_epoch_over_a_megabyte(measured):
    [cost] = [cost for cost in measured.recipes if cost.per_megabyte]
    assert cost.name == "domain"
    [line] = [line for line in capacity.describe_capacity(measured) if line.startswith("  domain ")]
    assert "per epoch and MB of text" in line


@pytest.mark.parametrize(
    ("seconds", "per_megabyte", "fits", "feasible"),
    [
        (6 * 86400, False, True, True),
        (8 * 86400, False, True, False),
        (6 * 86400, False, False, False),
        (3600, True, True, True),
        (86400, True, True, False),
    ],
)
def test_a_recipe_is_feasible_if_it_fits_and_ends_within_a_week(seconds, per_megabyte, fits, feasible):
    cost = capacity.RecipeCost(name="x", seconds=seconds, per_megabyte=per_megabyte, num_bytes=1e9, fits=fits)
    assert cost.feasible is feasible
