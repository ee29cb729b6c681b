"""The result of a finished pretraining run: its scores and the paths of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from ..config import PretrainRecipe
from ..files import read_json
from .checkpoint import best_checkpoint, checkpoint_path
from .metrics_log import read_metrics
from .run_folder import BASELINE_NAME, CHECKPOINTS_NAME, CURVES_NAME, METRICS_NAME, MODEL_NAME, VISUALDL_NAME

MEANS = ("data_share", "padding_share", "mfu")


@dataclass(frozen=True, kw_only=True)
class PretrainResult:
    """The result of a pretraining run.

    Attributes:
        output: the folder of the run.
        model: the folder of the finished model, for `load_model`, PaddleNLP and `paddle-wwm hub build`.
        checkpoint: the last checkpoint, with the optimizer state.
        best_checkpoint: the checkpoint of the last phase with the lowest held-out loss; None if no checkpoint was
            evaluated.
        best_loss: the held-out loss of `best_checkpoint`, in nats, with the next-sentence loss for recipes with
            sentence pairs; None if no checkpoint was evaluated.
        curves: the plot of the curves, a PNG file.
        metrics: the metrics as JSON lines.
        num_steps: the number of steps in all phases.
        scores: the scores on the held-out documents after the last step: loss and mlm_loss (nats), masked_accuracy and
            word_accuracy (0 to 1), perplexity; nsp_loss and nsp_accuracy for recipes with sentence pairs.
        baseline: mlm_loss and masked_accuracy of a unigram model.
        means: means over training: data_share (the share of a step's time spent waiting for data), padding_share (the
            share of padding in the input), mfu (the speed relative to large matrix products on this machine).
    """

    output: Path
    model: Path
    checkpoint: Path
    best_checkpoint: Path | None
    best_loss: float | None
    curves: Path
    metrics: Path
    num_steps: int
    scores: Mapping[str, float]
    baseline: Mapping[str, float]
    means: Mapping[str, float]


def read_result(output: Path, *, config: PretrainRecipe) -> PretrainResult:
    """Read the result of the finished run in `output`; `config` is its recipe."""
    records = read_metrics(output)
    last = [record for record in records if record["kind"] == "held_out"][-1]
    trained = [record for record in records if record["kind"] == "train"]
    best = best_checkpoint(output / CHECKPOINTS_NAME, phase=len(config.phases) - 1)
    return PretrainResult(
        output=output,
        model=output / MODEL_NAME,
        checkpoint=checkpoint_path(output / CHECKPOINTS_NAME, config.num_steps),
        best_checkpoint=best[0] if best else None,
        best_loss=best[1] if best else None,
        curves=output / CURVES_NAME,
        metrics=output / METRICS_NAME,
        num_steps=config.num_steps,
        scores={name: value for name, value in last.items() if name not in ("kind", "step", "time")},
        baseline=read_json(output / BASELINE_NAME),
        means={name: sum(record[name] for record in trained) / len(trained) for name in MEANS},
    )


def summary(result: PretrainResult) -> str:
    """Return the summary that is printed at the end of a run."""
    scores, baseline, means = result.scores, result.baseline, result.means
    pairs = f", next sentence {scores['nsp_accuracy']:.1%}" if "nsp_accuracy" in scores else ""
    kind = "held-out loss with next sentence" if pairs else "held-out loss"
    best = f"  best        {result.best_checkpoint} ({kind} {result.best_loss:.3f})"
    lines = [
        f"trained {result.num_steps:,} steps: held-out loss {scores['mlm_loss']:.3f} "
        f"(unigram {baseline['mlm_loss']:.3f}), "
        f"masked accuracy {scores['masked_accuracy']:.1%} (unigram {baseline['masked_accuracy']:.1%})",
        f"whole words correct: {scores['word_accuracy']:.1%}{pairs}; perplexity {scores['perplexity']:,.1f}",
        f"waiting for data: {means['data_share']:.1%} of the time of a step; padding: {means['padding_share']:.1%} "
        f"of the tokens; MFU: {means['mfu']:.0%} of the speed of large matrix products on this machine",
        f"  model       {result.model}",
        f"  checkpoint  {result.checkpoint}",
        *([best] if result.best_checkpoint else []),
        f"  curves      {result.curves}",
        f"  metrics     {result.metrics}",
        f"  VisualDL    visualdl --logdir {result.output / VISUALDL_NAME} --host 127.0.0.1 --disable-telemetry "
        "--language en",
    ]
    return "\n".join(lines)
