"""The table of models in both READMEs agrees with `VARIANTS`. A dash means that the authors do not state the value."""

from __future__ import annotations

import re

import pytest

from paddle_wwm.cli.models import steps_of
from paddle_wwm.variants import RANDOM_INIT, Variant, find_variant

from ..conftest import ROOT

DASH = "–"
# the same values in English and in Chinese
RANDOM = ("random", "随机")
WIKI, EXT = ("wiki", "维基"), ("wiki + ext", "维基 + 扩展")


def rows_of(name: str) -> list[list[str]]:
    """Return the cells of the table of models, row by row."""
    text = (ROOT / name).read_text(encoding="utf-8")
    [table] = re.findall(r"^\| (?:model|模型) \| PaddleHub .*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def variants_of(title: str) -> list[Variant]:
    names = re.split(r"[,、]\s*", title)
    return [
        find_variant("bert-base-chinese" if name.startswith("BERT") and ("Google" in name or "谷歌" in name) else name)
        for name in names
    ]


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_models_in_the_readme_are_those_of_the_table(name):
    rows = rows_of(name)
    assert len([variant for row in rows for variant in variants_of(row[0])]) == 9
    for title, hub_name, data, masking, steps, optimizer, init in rows:
        for variant in variants_of(title):
            recipe = variant.recipe
            assert hub_name in (DASH, f"`{variant.hub_name}`")
            assert data in (EXT if "EXT" in variant.corpus else WIKI)
            assert masking in (DASH, recipe.masking)
            assert optimizer in (DASH, recipe.optimizer)
            plain = re.sub(r"[\s,]", "", steps).translate(str.maketrans("×（）", "x()"))
            if "1M" in steps and recipe.init_layers:
                assert steps_of(recipe) == "1M (512)"
            else:
                assert plain in (DASH, steps_of(recipe).replace(" ", "")), title
            if recipe.init == RANDOM_INIT:
                assert init in RANDOM
            elif init != DASH:
                parent = find_variant(recipe.init)
                assert (parent.title if recipe.init_layers else "BERT") in init
                assert not recipe.init_layers or str(len(recipe.init_layers)) in init
