"""Training on the CPU with products of bfloat16 numbers: close to float32, resumable to the bit, the same for workers.

On a processor without such instructions, the plain products stand for them; then only one process is tested.
"""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from paddle_wwm.compute.onednn import missing_bfloat16
from paddle_wwm.errors import CheckpointError, Interrupted
from paddle_wwm.pretraining import loop, trainer
from paddle_wwm.pretraining.run import pretrain
from paddle_wwm.weights.pdparams import read_pdparams

RECIPE = """
model: {hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64,
        max_position_embeddings: 64, initializer_range: 0.1}
data: {pairing: next-sentence}
optimizer: {name: adamw}
amp: {level: O1, dtype: bfloat16}
phases: [{max_seq_length: 32, global_batch_size: 8, num_steps: 12, learning_rate: 1e-3, num_warmup_steps: 2}]
runtime: {micro_batch_size: 4, log_every_steps: 1, evaluate_every_steps: 6, save_every_steps: 100,
          max_evaluation_examples: 32}
seed: 3
"""


@pytest.fixture(scope="module")
def train(bf16_on_any_processor, sample_corpus, tmp_path_factory):
    """A function that trains 12 steps in a new folder; the text is prepared once."""
    folder = tmp_path_factory.mktemp("bf16")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")

    def run(name, *overrides, **options):
        given = {"config": folder / "recipe.yaml", "prepared": folder / "prepared", "num_workers": 1, **options}
        return pretrain([sample_corpus], output=folder / name, overrides=overrides, **given)

    return run


@pytest.fixture(scope="module")
def done(train):
    return train("done")


def weights_of(result) -> dict[str, np.ndarray]:
    return read_pdparams(result.model / "model_state.pdparams")


def assert_close(result, other, *, tolerance: float) -> None:
    ours, theirs = weights_of(result), weights_of(other)
    for name, array in theirs.items():
        if not name.endswith("k_proj.bias"):  # its exact gradient is 0, so Adam amplifies rounding noise
            np.testing.assert_allclose(ours[name], array, rtol=0, atol=tolerance, err_msg=name)


def test_the_losses_are_close_to_those_of_float32_but_not_equal(done, train):
    exact = train("float32", "amp.level=O0")
    assert done.scores["loss"] == pytest.approx(exact.scores["loss"], abs=2e-3)
    assert done.scores["loss"] != exact.scores["loss"]
    assert "products" not in json.loads((exact.output / "run.json").read_text())
    assert json.loads((done.output / "run.json").read_text())["products"].startswith("bfloat16 by oneDNN")


def test_a_resumed_run_has_the_same_bits(done, train, monkeypatch):
    update = trainer.Trainer.update

    def stop(self, *arguments, **options):
        if self.step == 5:
            signal.raise_signal(signal.SIGTERM)
            options["stop_asked"] = True
        return update(self, *arguments, **options)

    monkeypatch.setattr(trainer.Trainer, "update", stop)
    with pytest.raises(Interrupted):
        train("stopped")
    monkeypatch.undo()
    resumed = train("stopped", resume=True)
    ours, theirs = weights_of(resumed), weights_of(done)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)


def test_recomputed_layers_use_the_same_products(done, train):
    assert_close(train("recomputed", "runtime.recompute=true"), done, tolerance=1e-6)


def test_micro_batches_do_not_change_the_training(train):
    without = ("model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0")  # masks depend on micro-batches
    results = [train(f"micro-{size}", *without, f"runtime.micro_batch_size={size}") for size in (2, 4)]
    scores = [result.scores["loss"] for result in results]
    assert scores[0] == pytest.approx(scores[1], abs=2e-3)


def test_lamb_lowers_the_loss(train):
    result = train("lamb", "optimizer.name=lamb-hfl", "phases.0.learning_rate=1e-2")
    records = [json.loads(line) for line in result.metrics.read_text().splitlines()]
    losses = [record["loss"] for record in records if record["kind"] == "train"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@pytest.mark.parametrize(("speeds", "warns"), [((100e9, 50e9), True), ((100e9, 200e9), False)])
def test_a_processor_that_computes_bfloat16_slowly_is_reported(train, monkeypatch, caplog, speeds, warns):
    measured = iter([*speeds, 1e9])  # float32, bfloat16, and that of the run
    monkeypatch.setattr(loop, "measure_peak", lambda **options: next(measured))
    with caplog.at_level("WARNING"):
        train(f"slow-{warns}", "phases.0.num_steps=1", "phases.0.num_warmup_steps=0")
    assert any("(50 and 100 GFLOP/s)" in record.message for record in caplog.records) == warns


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_bfloat16()), reason=missing_bfloat16() or "it is there")
def test_two_workers_train_like_one(done, train):
    assert_close(train("workers", num_workers=2), done, tolerance=1e-3)


def test_another_library_at_a_resume_is_refused_unless_changes_are_accepted(done, train):
    path = done.output / "run.json"
    before = path.read_text()
    record = json.loads(before)
    path.write_text(json.dumps(record | {"products": "bfloat16 by oneDNN 1.0.0"}))
    try:
        with pytest.raises(
            CheckpointError, match=r"the library of the products differs \(before: bfloat16 by oneDNN 1\.0"
        ):
            train("done", resume=True)
    finally:
        path.write_text(before)
