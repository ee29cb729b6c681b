"""The training loop of one worker: phases, steps, evaluation, checkpoints, a clean stop on a signal."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import paddle

from ..config import RunConfig, SentencePairing
from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, Interrupted, TrainingError
from ..files import write_json
from ..model.heads import BertForPretraining
from ..model.weights import CONFIG_NAME, load_weights, read_json
from ..types import TrainState
from . import plan
from .checkpoint import checkpoint_path, export_model, load_checkpoint, newest_checkpoint, save_checkpoint
from .data import RunData, batches_of_phase, held_out_batches, phase_of
from .fleet import World, barrier, distribute_model
from .loader import Tensors, tensors_of
from .optim import learning_rate_at, make_optimizer
from .report import CURVES_NAME, METRICS_NAME, Reporter, draw_curves, read_metrics
from .step import StepResult, Sums, evaluate, train_step

CHECKPOINTS_NAME, MODEL_NAME, BASELINE_NAME = "checkpoints", "model", "baseline.json"


class _StopSignal:
    """Remembers SIGTERM or Ctrl-C; the loop asks after every step."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: Any) -> None:
        self.number = number

    @property
    def exit_status(self) -> int:
        return SIGINT_EXIT_STATUS if self.number == signal.SIGINT else SIGTERM_EXIT_STATUS


def freeze_untrained(model: BertForPretraining, config: RunConfig) -> tuple[str, ...]:
    """Without sentence pairs nothing reaches the pooler and the next-sentence head: they keep their initial values, and that is recorded."""
    if config.data.pairing is SentencePairing.NEXT_SENTENCE:
        return ()
    for layer in (model.bert.pooler, model.cls.seq_relationship):
        for parameter in layer.parameters():
            parameter.stop_gradient = True
    return ("bert.pooler", "cls.seq_relationship")


class _Trainer:
    """One worker's model, optimizer and place in the run. `step` counts the updates that were made."""

    def __init__(self, config: RunConfig, *, data: RunData, output: Path, world: World) -> None:
        self.config, self.data, self.output, self.world = config, data, output, world
        paddle.set_flags({"FLAGS_use_stride_kernel": False})  # plain contiguous kernels: 14-17% faster on the CPU, equal numbers
        paddle.seed(config.seed)
        self.core = BertForPretraining(config.model)
        self.core.train()
        self.untrained = freeze_untrained(self.core, config)
        self.optimizer = make_optimizer(self.core, config.optimizer)
        self.step = 0
        found = newest_checkpoint(output / CHECKPOINTS_NAME)
        if found:
            load_checkpoint(found[0], model=self.core, optimizer=self.optimizer)
            self.step, self.untrained = found[1].global_step, _recorded_untrained(found[0])
        elif data.init is not None:
            missing, recorded = _start_from(self.core, data.init, world=world), _recorded_untrained(data.init)
            # what this run does not train may have been trained before
            self.untrained = tuple(name for name in self.untrained if name in recorded or any(item.startswith(name) for item in missing))
        self.saved_step = self.step
        first = data.phases[0].train
        self.seconds_a_micro_batch = plan.time_of_a_micro_batch(self.core, first, micro_batch_size=config.runtime.micro_batch_size)
        self.model = distribute_model(self.core, world)

    def batches(self) -> Iterator[list[Tensors]]:
        """This worker's micro-batches of every step from here to the end, through all phases."""
        first, first_step = phase_of(self.config, self.step)
        for number in range(first, len(self.config.phases)):
            yield from batches_of_phase(self.config, number, data=self.data, first_step=first_step, world=self.world)
            first_step = 0

    def update(self, micro_batches: list[Tensors], *, stop_asked: bool) -> tuple[StepResult, float]:
        """One step; returns what it did and its learning rate. Raises TrainingError, with the parameters as they were, when it may not."""
        number, phase_step = phase_of(self.config, self.step)
        phase = self.config.phases[number]
        rate = learning_rate_at(phase_step, phase)
        result = train_step(
            self.model,
            self.optimizer,
            micro_batches,
            world=self.world,
            clip_norm=self.config.optimizer.clip_norm,
            learning_rate=rate,
            seed=self.config.seed,
            step=self.step,
            stop_asked=stop_asked,
        )
        if not np.isfinite(result.gradient_norm):
            first = phase_step * phase.global_batch_size
            raise TrainingError(
                f"step {self.step}: the gradient is not finite ({result.gradient_norm}) on examples {first} to "
                f"{first + phase.global_batch_size - 1} of phase {number}; nothing was updated. The last checkpoint is of step "
                f"{self.saved_step}; try a lower learning rate or a longer warm-up."
            )
        self.step += 1
        return result, rate

    def evaluate(self) -> dict[str, float]:
        """Loss and accuracies on the held-out examples of the present phase."""
        number, _ = phase_of(self.config, self.step)
        batches = map(tensors_of, held_out_batches(self.config, self.data.phases[number], self.world))
        return evaluate(self.model, batches, world=self.world)

    def save(self) -> None:
        """Write a checkpoint, by the main worker; the others wait."""
        barrier(self.world)
        if self.world.is_main:
            phase, done = phase_of(self.config, self.step)
            state = TrainState(
                global_step=self.step,
                num_examples_seen=done * self.config.phases[phase].global_batch_size,
                seed=self.config.seed,
                phase=phase,
                shard_fingerprint=self.data.shard_fingerprint,
                config_fingerprint=self.data.config_fingerprint,
                world_size=self.world.size,
            )
            save_checkpoint(
                self.output / CHECKPOINTS_NAME,
                model=self.core,
                optimizer=self.optimizer,
                vocab=self.data.vocab,
                do_lower_case=self.config.data.do_lower_case,
                state=state,
                untrained=self.untrained,
                keep=self.config.runtime.keep_checkpoints,
            )
        barrier(self.world)
        self.saved_step = self.step


class _Interval:
    """What was trained since the last line of the log, and the time that it took; evaluation and saving do not count."""

    def __init__(self) -> None:
        self.sums, self.seconds, self.waited = Sums(), 0.0, 0.0

    def values(self, world: World) -> dict[str, float]:
        """Means and rates over all workers; every worker must call it."""
        sums = self.sums.over_workers(world)
        return {
            **sums.means(),
            "tokens_per_s": sums.num_tokens / self.seconds,
            "data_share": self.waited / self.seconds,
            "padding_share": 1 - sums.num_tokens / sums.num_slots,
            "masked_share": sums.num_predictions / sums.num_tokens,
        }


def train(config: RunConfig, *, data: RunData, output: Path, world: World) -> None:
    """Train to the end, from the newest whole checkpoint of `output` where there is one."""
    stop = _StopSignal()
    trainer = _Trainer(config, data=data, output=output, world=world)
    reporter = _announce(trainer) if world.is_main else None
    batches, interval, runtime = trainer.batches(), _Interval(), config.runtime
    while trainer.step < config.num_steps:
        started = time.perf_counter()
        micro_batches = next(batches)
        interval.waited += time.perf_counter() - started
        result, rate = trainer.update(micro_batches, stop_asked=stop.number != 0)
        interval.sums.add(result.sums)
        interval.seconds += time.perf_counter() - started

        step, ended = trainer.step, trainer.step == config.num_steps
        if reporter:
            reporter.step_done()
        if step % runtime.log_every_steps == 0 or ended or result.stop:
            values = {**interval.values(world), "learning_rate": rate, "gradient_norm": result.gradient_norm}
            if reporter:
                reporter.log("train", step, values)
            interval = _Interval()
        if step % runtime.evaluate_every_steps == 0 or ended:
            held_out = trainer.evaluate()
            if reporter:
                reporter.log("held_out", step, held_out)
        if step % runtime.save_every_steps == 0 or ended or result.stop:
            trainer.save()
        if result.stop and not ended:
            if reporter:
                reporter.close()
            raise Interrupted(f"saved after step {step}; go on with the same command and --resume auto.", exit_status=stop.exit_status)

    if reporter:
        reporter.close()
        _finish(config, output=output)


def _recorded_untrained(folder: Path) -> tuple[str, ...]:
    return tuple(read_json(folder / CONFIG_NAME).get("untrained_parameters", ()))


def _start_from(model: BertForPretraining, init: Path, *, world: World) -> tuple[str, ...]:
    """Published checkpoints often lack the heads (HFL's do): those then start as they were initialised, and that is said."""
    missing = load_weights(model, init, optional=("cls.",))
    if world.is_main:
        print(f"starting from {init}" + (f"; not in it, so newly initialised: {', '.join(missing)}" if missing else ""))
    return missing


def _announce(trainer: _Trainer) -> Reporter:
    """Say what the run is about to do, and open its reports."""
    config, data, step = trainer.config, trainer.data, trainer.step
    held_out = list(held_out_batches(config, data.phases[-1], World()))
    baseline = plan.unigram_baseline(data.corpora, train_documents=data.train_documents, held_out=held_out)
    write_json(trainer.output / BASELINE_NAME, baseline)
    # lengths of later phases cost about in proportion
    first = config.phases[0]
    examples = sum(phase.num_steps * phase.global_batch_size * phase.max_seq_length / first.max_seq_length for phase in config.phases)
    seconds = trainer.seconds_a_micro_batch * examples / (config.runtime.micro_batch_size * trainer.world.size)
    print("one example, its words and its mask (seen←to predict):")
    print(plan.show_example(data.phases[0].train.sources[0]))
    print("about to train:" if step == 0 else f"about to go on after step {step}:")
    print(
        plan.describe_run(
            config,
            corpora=data.corpora,
            num_examples=[phase.train.num_examples for phase in data.phases],
            num_workers=trainer.world.size,
            seconds=seconds * (1 - step / config.num_steps),
        )
    )
    print(
        f"  to beat     unigram baseline on held-out documents: masked accuracy {baseline['masked_accuracy']:.1%}, "
        f"loss {baseline['mlm_loss']:.3f}",
        flush=True,
    )
    return Reporter(trainer.output, num_steps=config.num_steps, first_step=step)


def _finish(config: RunConfig, *, output: Path) -> None:
    """Export the model, draw the curves and print the summary."""
    newest = newest_checkpoint(output / CHECKPOINTS_NAME)
    assert newest is not None
    export_model(newest[0], output / MODEL_NAME)
    print(summary(output, num_steps=config.num_steps))


def summary(output: Path, *, num_steps: int) -> str:
    """What a finished run reached, and where everything is; draws the curves anew."""
    baseline = read_json(output / BASELINE_NAME)
    draw_curves(output, baseline=baseline)
    records = read_metrics(output)
    last = [record for record in records if record["kind"] == "held_out"][-1]
    trained = [record for record in records if record["kind"] == "train"]
    data_share, padding_share = (sum(record[key] for record in trained) / len(trained) for key in ("data_share", "padding_share"))
    return "\n".join(
        [
            f"trained {num_steps:,} steps: held-out loss {last['mlm_loss']:.3f} (unigram {baseline['mlm_loss']:.3f}), "
            f"masked accuracy {last['masked_accuracy']:.1%} (unigram {baseline['masked_accuracy']:.1%})",
            f"waiting for data: {data_share:.1%} of the time of a step; padding: {padding_share:.1%} of the tokens",
            f"  model       {output / MODEL_NAME}",
            f"  checkpoint  {checkpoint_path(output / CHECKPOINTS_NAME, num_steps)}",
            f"  curves      {output / CURVES_NAME}",
            f"  metrics     {output / METRICS_NAME}",
            f"  VisualDL    visualdl --logdir {output / 'visualdl'} --host 127.0.0.1 --disable-telemetry --language en",
        ]
    )
