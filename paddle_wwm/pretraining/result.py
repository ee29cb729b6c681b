"""The result of a finished pretraining run: its scores and the paths of its files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..config import KeptModel, PretrainRecipe
from ..files import read_json
from ..recipe_file import load_config
from ..runs.folder import read_record
from .checkpoint import best_checkpoint, checkpoint_path
from .convergence import Trend, describe_convergence, trend_of
from .metrics_log import read_metrics
from .run_folder import (
    BASELINE_NAME,
    CHECKPOINTS_NAME,
    CURVES_NAME,
    METRICS_NAME,
    MODEL_NAME,
    PAGE_NAME,
    RECIPE_NAME,
    VISUALDL_NAME,
)

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
        report: the page of the run: result, curves, guesses of the model, recipe, machine, command.
        metrics: the metrics as JSON lines.
        num_steps: the number of steps that were trained.
        model_step: the step of the finished model: the last one, or the best one with `selection.keep=best`.
        stopped_early: True if `selection.patience` ended the run before the last step of the recipe.
        scores: the scores of the finished model on the held-out documents: loss and mlm_loss (nats), masked_accuracy
            and word_accuracy (0 to 1), perplexity; nsp_loss and nsp_accuracy for recipes with sentence pairs. With
            general text, its scores have `general_` in front of their names.
        trend: the trend of the held-out loss in the last phase; None if there are too few evaluations.
        comparison: commands that compare the scores of a task before and after the run; empty without `init`.
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
    report: Path
    metrics: Path
    num_steps: int
    model_step: int
    stopped_early: bool
    trend: Trend | None
    comparison: tuple[str, ...]
    scores: Mapping[str, float]
    baseline: Mapping[str, float]
    means: Mapping[str, float]


def read_result(output: Path) -> PretrainResult:
    """Read the result of the finished run in `output`."""
    config, records = load_config(output / RECIPE_NAME), read_metrics(output)
    evaluated = [record for record in records if record["kind"] == "held_out"]
    trained = [record for record in records if record["kind"] == "train"]
    num_steps = int(evaluated[-1]["step"])  # every run is evaluated at its end
    best = best_checkpoint(output / CHECKPOINTS_NAME, phase=len(config.phases) - 1)
    model_step = int(best[0].name.rpartition("-")[2]) if keeps_best(config) and best else num_steps
    [chosen] = [record for record in evaluated if record["step"] == model_step][-1:]
    return PretrainResult(
        output=output,
        model=output / MODEL_NAME,
        checkpoint=checkpoint_path(output / CHECKPOINTS_NAME, num_steps),
        best_checkpoint=best[0] if best else None,
        best_loss=best[1] if best else None,
        curves=output / CURVES_NAME,
        report=output / PAGE_NAME,
        metrics=output / METRICS_NAME,
        num_steps=num_steps,
        model_step=model_step,
        stopped_early=num_steps < config.num_steps,
        trend=trend_of(records, first_step=first_step_of_last_phase(config)),
        comparison=comparison_commands(output),
        scores={name: value for name, value in chosen.items() if name not in ("kind", "step", "time")},
        baseline=read_json(output / BASELINE_NAME),
        means={name: sum(record[name] for record in trained) / len(trained) for name in MEANS},
    )


def keeps_best(config: PretrainRecipe) -> bool:
    """Return True if the finished model is the one with the lowest held-out loss."""
    return config.selection.keep is KeptModel.BEST


def first_step_of_last_phase(config: PretrainRecipe) -> int:
    """Return the step after which the last phase is evaluated."""
    return sum(phase.num_steps for phase in config.phases[:-1])


def comparison_commands(output: Path) -> tuple[str, ...]:
    """Return commands that compare the scores of a task before and after the run.

    The first one fine-tunes the model that the run started from, the second one that of the run.
    """
    init = (read_record(output) or {}).get("init")
    if not init:
        return ()
    return tuple(
        "paddle-wwm finetune --kind classification --train train.tsv --dev dev.tsv --seeds 3 "
        f"--model {shlex.quote(model)} --model-name {when} --output {shlex.quote(f'{output}-{when}')}"
        for when, model in (("before", init), ("after", str(output)))
    )


def summary(result: PretrainResult) -> str:
    """Return the summary that is printed at the end of a run."""
    scores, baseline, means = result.scores, result.baseline, result.means
    pairs = f", next sentence {scores['nsp_accuracy']:.1%}" if "nsp_accuracy" in scores else ""
    kind = "held-out MLM + next-sentence loss" if pairs else "held-out MLM loss"
    best = f"  best        {result.best_checkpoint} ({kind} {result.best_loss:.3f})"
    records, config = read_metrics(result.output), load_config(result.output / RECIPE_NAME)
    why = (
        f", then stopped: {config.selection.patience} evaluations without a lower held-out loss"
        if result.stopped_early
        else ""
    )
    chosen = f"; the model is that of step {result.model_step:,}, the best one" if keeps_best(config) else ""
    general = (
        [f"general text: held-out MLM loss {scores['general_mlm_loss']:.3f}" + _before(records, "general_mlm_loss")]
        if "general_mlm_loss" in scores
        else []
    )
    lines = [
        f"trained {result.num_steps:,} steps{why}{chosen}: held-out MLM loss {scores['mlm_loss']:.3f} "
        f"(unigram {baseline['mlm_loss']:.3f}), "
        f"masked accuracy {scores['masked_accuracy']:.1%} (unigram {baseline['masked_accuracy']:.1%})",
        f"whole words correct: {scores['word_accuracy']:.1%}{pairs}; perplexity {scores['perplexity']:,.1f}",
        *describe_convergence(records, first_step=first_step_of_last_phase(config)),
        *general,
        f"waiting for data: {means['data_share']:.1%} of the time of a step; padding: {means['padding_share']:.1%} "
        f"of the tokens; MFU: {means['mfu']:.0%} of the speed of large matrix products on this machine",
        f"  model       {result.model}",
        f"  checkpoint  {result.checkpoint}",
        *([best] if result.best_checkpoint else []),
        f"  curves      {result.curves}",
        f"  report      {result.report}",
        f"  metrics     {result.metrics}",
        f"  VisualDL    visualdl --logdir {result.output / VISUALDL_NAME} --host 127.0.0.1 --disable-telemetry "
        "--language en",
    ]
    if result.comparison:
        lines += [
            "Is the model better at your task? Compare its scores before and after (with your files, or --task NAME "
            "--data DIR):",
            *(f"  {command}" for command in result.comparison),
        ]
    return "\n".join(lines)


def _before(records: Sequence[Mapping[str, Any]], name: str) -> str:
    first = next((record for record in records if record["kind"] == "held_out"), {"step": -1})
    return f" ({first[name]:.3f} before)" if first["step"] == 0 else ""
