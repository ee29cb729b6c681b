"""The page of a run: its parts, escaped text, and the guesses of the model."""

from __future__ import annotations

import re

from paddle_wwm.pretraining.guesses import Guesses, read_guesses, write_guesses
from paddle_wwm.pretraining.run import pretrain
from paddle_wwm.pretraining.run_page import machine, write_page

TINY = """
model: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,
        max_position_embeddings: 32}
data: {pairing: next-sentence}
phases: [{max_seq_length: 32, global_batch_size: 4, num_steps: 4, learning_rate: 1e-3}]
runtime: {micro_batch_size: 4, evaluate_every_steps: 2, max_evaluation_examples: 8}
"""


def test_the_page_of_a_run_has_its_curves_guesses_recipe_and_machine(prepared_sample, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    result = pretrain([prepared_sample.directory], output=tmp_path / "我的<运行>", config=tmp_path / "tiny.yaml")
    page = result.report.read_text(encoding="utf-8")
    assert "<title>Pretraining: 我的&lt;运行&gt;</title>" in page and "我的<运行>" not in page
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == ["Result", "Curves", "Guesses on held-out examples", "Recipe", "Machine"]
    assert page.count("<svg") == 1 and "masked LM loss" in page and "hidden_size: 16" in page and machine() in page
    for name, step in (("guesses-start.json", 0), ("guesses-end.json", 4)):
        found, examples = read_guesses(result.output / name)
        assert found == step and len(examples) == 5 and f"<h3>after step {step}</h3>" in page
        for item in examples:
            assert item.pieces[0] == "[CLS]" and len(item.positions) == len(item.guesses) == len(item.inputs) > 0
            assert all(0 < probability <= 1 for probability in item.probabilities)
    before = result.report.read_bytes()
    assert write_page(result.output).read_bytes() == before  # the same run gives the same page


def test_guesses_are_marked_as_right_or_wrong_and_pieces_are_escaped(tmp_path):
    from paddle_wwm.pretraining import run_page

    example = Guesses(
        pieces=("[CLS]", "<b>", "好"),
        inputs=("[MASK]", "[MASK]"),
        positions=(1, 2),
        guesses=("<i>", "好"),
        probabilities=(0.25, 0.5),
    )
    write_guesses(tmp_path / "guesses-end.json", [example], step=7)
    assert read_guesses(tmp_path / "guesses-end.json") == (7, [example])
    assert read_guesses(tmp_path / "guesses-start.json") is None
    text = run_page._guesses(tmp_path)
    assert '<span class="wrong">&lt;b&gt; → &lt;i&gt; 25%</span>' in text
    assert '<span class="right">好 → 好 50%</span>' in text and "<b>" not in text and "after step 7" in text
