"""The picture of a run before it starts."""

from __future__ import annotations

from pathlib import Path

from paddle_wwm.pretraining.plan import WIDTH, draw_plan
from paddle_wwm.recipe_file import load_config


def rows_of(recipe, *overrides, **options):
    """Return the drawn rows of a plan by name; further lines of a row are joined."""
    values = {"corpus": [Path("a.txt")], "general": [], "init": None, "output": Path("runs/x"), "is_prepared": False}
    text = draw_plan(load_config(recipe, overrides=overrides), **{**values, **options})
    rows: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        name = line[2:11].strip() or name  # noqa: F821  (of the row before)
        rows[name] = f"{rows[name]}\n{line[11:]}" if name in rows else line[11:]
    return rows


def test_the_rate_rises_during_warmup_and_falls_to_the_end():
    rate = rows_of("small")["rate"]
    assert rate.endswith("at most 0.001")
    heights = ["▁▂▃▄▅▆▇█".index(mark) for mark in rate[:WIDTH]]
    highest = heights.index(7)
    assert WIDTH // 20 <= highest <= WIDTH // 8
    assert heights[: highest + 1] == sorted(heights[: highest + 1]) and heights[-1] == 0
    assert heights[highest:] == sorted(heights[highest:], reverse=True)


def test_every_phase_has_a_bar_at_its_place():
    first, second = rows_of("mini")["phases"].splitlines()
    assert first.rstrip().endswith("32 examples of 128 tokens per step") and first.startswith("├")
    assert second.index("├") == first.index("┤") + 1 == round(3000 * WIDTH / 3500)
    assert "8 examples of 512 tokens" in second


def test_evaluations_and_checkpoints_are_marked_and_counted():
    rows = rows_of("small")
    assert (
        rows["evaluate"][:WIDTH].count("|") == 15 and "every 200 steps and at the end: 15 time(s)" in rows["evaluate"]
    )
    assert rows["save"][:WIDTH].count("|") == 6
    assert rows["step"].split() == ["0", "1,500", "3,000"]


def test_the_way_of_the_data_and_the_model_is_named():
    rows = rows_of(
        "domain",
        "phases.0.num_steps=100",
        "runtime.evaluate_every_steps=5",
        general=[Path("wiki.txt"), Path("news.txt")],
        init="rbt3",
    )
    assert rows["data"] == "a.txt + 25% wiki.txt and 1 more ─► lac words ─► shards ─► examples ─► 100 steps"
    assert rows["model"] == "rbt3 ─► runs/x/model (the model with the lowest held-out loss)"
    assert rows["stop"].startswith("early, after 4 evaluations")
    assert rows_of("small", is_prepared=True)["data"] == "a.txt ─► examples ─► 3,000 steps"
