"""The training loop of one worker: steps, evaluation, checkpoints, a clean stop on a signal, and the log messages."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Callable

from ..config import PretrainRecipe
from ..files import read_json, write_json
from ..model.flops import measure_peak
from ..model.weights import load_model
from ..progress import Progress
from ..runs.fleet import World, without_gradient_sync
from ..runs.lifetime import StopSignal
from . import preview
from .checkpoint import best_checkpoint, checkpoints_in, export_model
from .data import RunData
from .evaluation import held_out_batches
from .guesses import guess, write_guesses
from .loader import LoaderEnded
from .metrics_log import Reporter, draw_curves
from .result import keeps_best, read_result, summary
from .run_folder import BASELINE_NAME, CHECKPOINTS_NAME, GUESSES_NAMES, MODEL_NAME
from .run_page import write_page
from .step import Sums
from .trainer import Trainer

logger = logging.getLogger(__name__)


class _Interval:
    """The sums and the time since the last log line, without evaluation and saving."""

    def __init__(self) -> None:
        self.sums, self.seconds, self.waited, self.flops = Sums(), 0.0, 0.0, 0

    def values(self, world: World, *, gemm_peak: float) -> dict[str, float]:
        """Return the means and rates over all workers; every worker must call it.

        `data_share` and `mfu` are those of this worker.
        """
        sums = self.sums.over_workers(world)
        return {
            **sums.means(),
            "tokens_per_s": sums.num_tokens / self.seconds,
            "data_share": self.waited / self.seconds,
            "mfu": self.flops / self.seconds / gemm_peak,
            "padding_share": 1 - sums.num_tokens / max(1.0, sums.num_slots),
            "masked_share": sums.num_predictions / max(1.0, sums.num_tokens),
        }


def train(
    config: PretrainRecipe,
    *,
    data: RunData,
    output: Path,
    world: World,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Train to the end, starting from the newest complete checkpoint in `output`.

    Args:
        config: the recipe, with the size of the vocabulary filled in.
        data: the data of the run.
        output: the folder of the run.
        world: the rank of this worker.
        progress: called by the main worker after every step.
    """
    with StopSignal() as stop:
        trainer = Trainer(config, data=data, output=output, world=world)
        gemm_peak, micro_batch_s = _measure_speed(trainer)
        reporter = _announce(trainer, micro_batch_s=micro_batch_s, progress=progress) if world.is_main else None
        try:
            if data.init is not None and trainer.step == 0:
                held_out = trainer.evaluate()  # the loss of the model as it is given
                if reporter:
                    reporter.log("held_out", 0, held_out)
            _train(trainer, reporter=reporter, stop=stop, gemm_peak=gemm_peak)
        finally:
            if reporter:
                reporter.close()
    if world.is_main:
        _finish(config, data=data, output=output)


def _measure_speed(trainer: Trainer) -> tuple[float, float]:
    """Measure the peak FLOP/s of a matrix product and the seconds per micro-batch.

    All workers measure at the same time, because they will also train at the same time.
    """
    if trainer.precision.rounds_on_cpu and trainer.world.is_main:
        _warn_if_slow(trainer)
    with contextlib.ExitStack() as stack:
        stack.enter_context(trainer.precision.products())
        stack.enter_context(trainer.precision.autocast())
        stack.enter_context(without_gradient_sync(trainer.model, trainer.world))
        return measure_peak(), preview.time_of_a_micro_batch(
            trainer.model,
            trainer.data.phases[0].train,
            micro_batch_size=trainer.config.runtime.micro_batch_size,
        )


def _warn_if_slow(trainer: Trainer) -> None:
    """Log a warning if products of bfloat16 numbers are slower than those of float32."""
    exact = measure_peak(repeats=5)
    with trainer.precision.products():
        rounded = measure_peak(repeats=5)
    if rounded < exact:
        logger.warning(
            f"products of bfloat16 numbers are slower than those of float32 here ({rounded / 1e9:,.0f} and "
            f"{exact / 1e9:,.0f} GFLOP/s). The run continues as its recipe says; amp.level=O0 is faster."
        )


def _train(trainer: Trainer, *, reporter: Reporter | None, stop: StopSignal, gemm_peak: float) -> None:
    config, runtime = trainer.config, trainer.config.runtime
    batches, interval = trainer.batches(), _Interval()
    while trainer.step < config.num_steps and not trainer.stops_early():
        started = time.perf_counter()
        try:
            micro_batches, loader_status = next(batches), 0
        except LoaderEnded as ended:  # all workers must stop, so they agree on it in the step
            micro_batches, loader_status = [], ended.status
        interval.waited += time.perf_counter() - started
        result, sums = trainer.update(micro_batches, stop_asked=stop.number != 0, loader_status=loader_status)
        if result.updated:  # the sums of a skipped step are not finite
            interval.sums.add(sums)
        interval.flops += trainer.flops_of(micro_batches)
        interval.seconds += time.perf_counter() - started

        step, is_last = trainer.step, trainer.step == config.num_steps
        if reporter:
            reporter.step_done(step)
            if not result.updated:
                logger.info(
                    f"step {step}: the gradient overflowed, so the step was skipped; the loss scale is now "
                    f"{trainer.precision.loss_scale:g}"
                )
        held_out = trainer.evaluate() if step % runtime.evaluate_every_steps == 0 or is_last else None
        is_last = is_last or trainer.stops_early()
        if step % runtime.log_every_steps == 0 or is_last or result.stop:
            values = {
                **interval.values(trainer.world, gemm_peak=gemm_peak),
                "learning_rate": result.learning_rate,
                "gradient_norm": result.gradient_norm,
            }
            if reporter:
                reporter.log("train", step, values)
            interval = _Interval()
        if held_out is not None and reporter:
            reporter.log("held_out", step, held_out)
        if step % runtime.save_every_steps == 0 or is_last or trainer.is_best() or result.stop or result.save:
            trainer.save()
        if result.stop and not is_last:
            raise stop.interrupted(f"saved after step {step}; to continue, rerun the same command with --resume auto.")


def _announce(trainer: Trainer, *, micro_batch_s: float, progress: Callable[[Progress], None] | None) -> Reporter:
    """Log a description of the run and open its metrics log."""
    config, data, step = trainer.config, trainer.data, trainer.step
    held_out = [batch for batch, _ in held_out_batches(config, data.phases[-1].held_out, World())]
    num_main = len(data.corpora) - data.num_general  # the held-out documents are not general text
    baseline = preview.unigram_baseline(
        data.corpora[:num_main], train_documents=data.train_documents[:num_main], held_out=held_out
    )
    write_json(trainer.output / BASELINE_NAME, baseline)
    # the time of an example is about proportional to the sequence length of its phase
    first = config.phases[0]
    examples = sum(
        phase.num_steps * phase.global_batch_size * phase.max_seq_length / first.max_seq_length
        for phase in config.phases
    )
    seconds = micro_batch_s * examples / (config.runtime.micro_batch_size * trainer.world.size)
    logger.info("one example, its words and its masks (input←label):")
    logger.info(preview.show_example(data.phases[0].train.sources[0]))
    if step == 0:
        with trainer.precision.autocast():
            found = guess(trainer.core, data.phases[-1].held_out, vocab=data.vocab)
        write_guesses(trainer.output / GUESSES_NAMES[0], found, step=0)
    logger.info("about to train:" if step == 0 else f"about to continue after step {step}:")
    logger.info(
        preview.describe_run(
            config,
            corpora=data.corpora,
            num_examples=[[source.num_examples for source in phase.train.sources] for phase in data.phases],
            num_general=data.num_general,
            num_workers=trainer.world.size,
            seconds=seconds * (1 - step / config.num_steps),
        )
    )
    logger.info(f"  numbers     {trainer.precision.described()}")
    logger.info(
        f"  compare to  unigram baseline on held-out documents: masked accuracy {baseline['masked_accuracy']:.1%}, "
        f"loss {baseline['mlm_loss']:.3f}"
    )
    return Reporter(trainer.output, num_steps=config.num_steps, first_step=step, progress=progress)


def _finish(config: PretrainRecipe, *, data: RunData, output: Path) -> None:
    """Export the model, draw the curves, write the page and log the summary."""
    newest = checkpoints_in(output / CHECKPOINTS_NAME).newest()
    assert newest is not None
    chosen = newest.path
    if keeps_best(config):
        best = best_checkpoint(output / CHECKPOINTS_NAME, phase=len(config.phases) - 1)
        assert best is not None  # every run is evaluated at its end
        chosen = best[0]
    found = guess(load_model(chosen), data.phases[-1].held_out, vocab=data.vocab)
    draw_curves(output, baseline=read_json(output / BASELINE_NAME))
    write_guesses(output / GUESSES_NAMES[1], found, step=read_result(output).model_step)
    write_page(output)
    export_model(chosen, output / MODEL_NAME)  # last: a run with a model is complete
    logger.info(summary(read_result(output)))
