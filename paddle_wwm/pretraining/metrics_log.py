"""Write the metrics of a run as JSON lines and for VisualDL, and draw its curves. Only worker 0 does this."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Callable

from ..files import atomic_write, read_log
from ..picture_style import COLOURS, new_figure, styled, whole_numbers, write_png
from ..progress import Progress
from ..runs.log import RunLog
from .run_folder import CURVES_NAME, METRICS_NAME, VISUALDL_NAME
from .visualdl_log import VisualDlLog

logger = logging.getLogger(__name__)


class Reporter:
    """The metrics log of a run that is training.

    Metrics of steps after `first_step` are removed first, because a resumed run trains these steps again. A run that
    starts at step 0 is also evaluated there again.
    """

    def __init__(
        self, output: Path, *, num_steps: int, first_step: int, progress: Callable[[Progress], None] | None = None
    ) -> None:
        self._log = RunLog(output / METRICS_NAME, keep=lambda record: 0 < first_step >= record["step"])
        self._visualdl = VisualDlLog(output / VISUALDL_NAME)
        self._progress, self._num_steps, self._note = progress, num_steps, ""
        self.step_done(first_step)

    def step_done(self, step: int) -> None:
        """Report the number of finished steps."""
        if self._progress:
            self._progress(Progress(stage="train", done=step, total=self._num_steps, unit=" steps", note=self._note))

    def log(self, kind: str, step: int, values: dict[str, float]) -> None:
        """Write values that were measured after `step` steps.

        Args:
            kind: "train" or "held_out".
            step: the number of finished steps.
            values: the values by name.
        """
        self._log.write({"kind": kind, "step": step, "time": round(time.time(), 3), **values})
        self._visualdl.write(kind, step, values)
        if kind == "train":
            self._note = (
                f"loss {values['mlm_loss']:.3f}, masked accuracy {values['masked_accuracy']:.1%}, "
                f"{values['tokens_per_s']:,.0f} tokens/s"
            )
            self.step_done(step)
        else:
            general = f"; general text: {values['general_mlm_loss']:.3f}" if "general_mlm_loss" in values else ""
            logger.info(
                f"step {step}: held-out MLM loss {values['mlm_loss']:.3f}, masked accuracy "
                f"{values['masked_accuracy']:.1%}{general}"
            )

    def close(self) -> None:
        """Close the files."""
        self._log.close()
        self._visualdl.close()


def read_metrics(output: Path) -> list[dict[str, Any]]:
    """Return the records of metrics.jsonl; empty if the file does not exist."""
    return read_log(output / METRICS_NAME)


def draw_curves(output: Path, *, baseline: dict[str, float]) -> Path:
    """Draw the loss and the masked accuracy over the steps, as a PNG.

    Each plot has the training values, the held-out values and the unigram baseline.
    """
    path = output / CURVES_NAME
    with styled(for_svg=False), atomic_write(path) as stream:
        write_png(curves_figure(read_metrics(output), baseline=baseline), stream)
    return path


def curves_figure(records: list[dict[str, Any]], *, baseline: dict[str, float]) -> Any:
    """Return the figure of the curves; call it in a block of `styled`."""
    figure, axes = new_figure(2)
    drawn = (
        ("train", "", "training", "-"),
        ("held_out", "", "held-out", "o-"),
        ("held_out", "general_", "held-out, general text", "s--"),
    )
    for axis, key, title in zip(axes, ("mlm_loss", "masked_accuracy"), ("masked LM loss (nats)", "masked accuracy")):
        for (kind, prefix, label, style), colour in zip(drawn, COLOURS):
            name = f"{prefix}{key}"
            points = [(record["step"], record[name]) for record in records if record["kind"] == kind and name in record]
            if points:
                axis.plot(*zip(*points), style, label=label, markersize=4, color=colour)
        axis.axhline(baseline[key], color=COLOURS[-1], linestyle=":", label="unigram baseline (held-out)")
        axis.set(title=title, xlabel="step")
        whole_numbers(axis.xaxis)
        axis.legend()
    return figure
