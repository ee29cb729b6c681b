"""The training loop of one worker: phases, steps, evaluation, checkpoints, a clean stop on a signal."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import paddle

from ..config import RunConfig, SentencePairing
from ..errors import SIGINT_EXIT_STATUS, SIGTERM_EXIT_STATUS, ConfigError, Interrupted, TrainingError
from ..files import write_json
from ..model.heads import BertForPretraining
from ..model.weights import load_weights, read_json
from ..pretraining_data.mixture import Mixture
from ..shards.reader import ShardSet
from ..tokenization.vocab import Vocab
from ..types import PretrainBatch, TrainState
from . import plan
from .checkpoint import checkpoint_path, export_model, load_checkpoint, newest_checkpoint, save_checkpoint
from .fleet import World, barrier, distribute_model
from .loader import Tensors, step_batches, tensors_of
from .optim import learning_rate_at, make_optimizer
from .report import CURVES_NAME, METRICS_NAME, Reporter, draw_curves, read_metrics
from .step import Sums, evaluate, train_step

CHECKPOINTS_NAME, MODEL_NAME, BASELINE_NAME = "checkpoints", "model", "baseline.json"
HELD_OUT_SEED_OFFSET = 1  # held-out masks are drawn once, apart from those of training


@dataclass(frozen=True, kw_only=True)
class PhaseData:
    """The two sides of the data of a phase."""

    train: Mixture
    held_out: Mixture


@dataclass(frozen=True, kw_only=True)
class RunData:
    """All that a run reads."""

    corpora: tuple[ShardSet, ...]
    train_documents: tuple[np.ndarray, ...]  # of every corpus
    vocab: Vocab
    phases: tuple[PhaseData, ...]
    shard_fingerprint: str
    config_fingerprint: str
    init: Path | None  # a model folder to start from


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


def check_batches(config: RunConfig, *, num_workers: int) -> None:
    """Every global batch must divide into whole micro-batches on every worker. Raises ConfigError."""
    unit = config.runtime.micro_batch_size * num_workers
    for number, phase in enumerate(config.phases):
        if phase.global_batch_size % unit:
            raise ConfigError(
                f"`phases.{number}.global_batch_size` must be a multiple of micro_batch_size x workers = "
                f"{config.runtime.micro_batch_size} x {num_workers} = {unit}, but is {phase.global_batch_size}; "
                "set runtime.micro_batch_size=… or --nproc."
            )


def freeze_untrained(model: BertForPretraining, config: RunConfig) -> tuple[str, ...]:
    """Without sentence pairs nothing reaches the pooler and the next-sentence head: they keep their initial values, and that is recorded."""
    if config.data.pairing is SentencePairing.NEXT_SENTENCE:
        return ()
    for layer in (model.bert.pooler, model.cls.seq_relationship):
        for parameter in layer.parameters():
            parameter.stop_gradient = True
    return ("bert.pooler", "cls.seq_relationship")


def train(config: RunConfig, *, data: RunData, output: Path, world: World) -> None:
    """Train to the end, from the newest whole checkpoint of `output` where there is one."""
    paddle.set_flags({"FLAGS_use_stride_kernel": False})  # plain contiguous kernels: 14-17% faster on the CPU, equal numbers
    stop = _StopSignal()
    paddle.seed(config.seed)
    core = BertForPretraining(config.model)
    core.train()
    untrained = freeze_untrained(core, config)
    optimizer = make_optimizer(core, config.optimizer)

    step = 0
    found = newest_checkpoint(output / CHECKPOINTS_NAME)
    if found:
        load_checkpoint(found[0], model=core, optimizer=optimizer)
        step = found[1].global_step
    elif data.init is not None:
        _start_from(core, data.init, world=world)
    seconds = plan.time_of_a_micro_batch(core, data.phases[0].train, micro_batch_size=config.runtime.micro_batch_size)
    model = distribute_model(core, world)
    reporter = _announce(config, data=data, output=output, world=world, step=step, seconds_a_micro_batch=seconds)

    def save() -> None:
        barrier(world)
        if world.is_main:
            phase, done = phase_of(config, step)
            state = TrainState(
                global_step=step,
                num_examples_seen=done * config.phases[phase].global_batch_size,
                seed=config.seed,
                phase=phase,
                shard_fingerprint=data.shard_fingerprint,
                config_fingerprint=data.config_fingerprint,
                world_size=world.size,
            )
            save_checkpoint(
                output / CHECKPOINTS_NAME,
                model=core,
                optimizer=optimizer,
                vocab=data.vocab,
                do_lower_case=config.data.do_lower_case,
                state=state,
                untrained=untrained,
                keep=config.runtime.keep_checkpoints,
            )
        barrier(world)

    interval, interval_started, waited, saved = Sums(), time.perf_counter(), 0.0, step
    batches, loaded = iter(()), -1
    while step < config.num_steps:
        number, phase_step = phase_of(config, step)
        phase = config.phases[number]

        fetched = time.perf_counter()
        if loaded != number:
            batches, loaded = _batches_of_phase(config, number, data=data, first_step=phase_step, world=world), number
        micro_batches = next(batches)
        waited += time.perf_counter() - fetched
        rate = learning_rate_at(phase_step, phase)
        result = train_step(
            model,
            optimizer,
            micro_batches,
            world=world,
            clip_norm=config.optimizer.clip_norm,
            learning_rate=rate,
            seed=config.seed,
            step=step,
            stop_asked=stop.number != 0,
        )
        if not np.isfinite(result.gradient_norm):
            first = phase_step * phase.global_batch_size
            raise TrainingError(
                f"step {step}: the gradient is not finite ({result.gradient_norm}) on examples {first} to {first + phase.global_batch_size - 1} "
                f"of phase {number}; nothing was updated. The last checkpoint is of step {saved}; try a lower learning rate or a longer warm-up."
            )
        step += 1
        interval.add(result.sums)

        if reporter:
            reporter.step_done()
        if step % config.runtime.log_every_steps == 0 or step == config.num_steps or result.stop:
            elapsed = time.perf_counter() - interval_started
            sums = interval.over_workers(world)
            if reporter:
                values = {**sums.means(), "learning_rate": rate, "gradient_norm": result.gradient_norm}
                values |= {"tokens_per_s": sums.num_tokens / elapsed, "data_share": waited / elapsed}
                values["padding_share"] = 1 - sums.num_tokens / sums.num_slots
                reporter.log("train", step, values)
            interval, interval_started, waited = Sums(), time.perf_counter(), 0.0
        if step % config.runtime.evaluate_every_steps == 0 or step == config.num_steps:
            batches_held_out = map(tensors_of, held_out_batches(config, data.phases[number], world))
            held_out = evaluate(model, batches_held_out, world=world)
            if reporter:
                reporter.log("held_out", step, held_out)
            interval_started = time.perf_counter()
        if step % config.runtime.save_every_steps == 0 or step == config.num_steps or result.stop:
            save()
            saved = step
            interval_started = time.perf_counter()
        if result.stop and step < config.num_steps:
            if reporter:
                reporter.close()
            raise Interrupted(f"saved after step {step}; go on with the same command and --resume auto.", exit_status=stop.exit_status)

    if reporter:
        reporter.close()
        _finish(config, output=output)


def _start_from(model: BertForPretraining, init: Path, *, world: World) -> None:
    """Published checkpoints often lack the heads (HFL's do): those then start as they were initialised, and that is said."""
    missing = load_weights(model, init, optional=("cls.",))
    if world.is_main:
        print(f"starting from {init}" + (f"; not in it, so newly initialised: {', '.join(missing)}" if missing else ""))


def phase_of(config: RunConfig, step: int) -> tuple[int, int]:
    """The phase that step `step` belongs to, and its number within it; the end belongs to the last phase."""
    for number, phase in enumerate(config.phases):
        if step < phase.num_steps or number == len(config.phases) - 1:
            return number, step
        step -= phase.num_steps
    raise AssertionError("a config has at least one phase")


def _batches_of_phase(config: RunConfig, number: int, *, data: RunData, first_step: int, world: World) -> Iterator[list[Tensors]]:
    phase = config.phases[number]
    return step_batches(
        data.phases[number].train,
        first_step=first_step,
        stop=phase.num_steps,
        global_batch_size=phase.global_batch_size,
        micro_batch_size=config.runtime.micro_batch_size,
        world=world,
        num_processes=config.runtime.num_loader_processes,
    )


def held_out_batches(config: RunConfig, data: PhaseData, world: World) -> Iterator[PretrainBatch]:
    """This worker's share of the held-out examples, always the same ones under the same masks."""
    count = min(config.runtime.max_evaluation_examples, data.held_out.num_examples)
    return iter(
        data.held_out.micro_batches(
            first_example=0, global_batch_size=count, micro_batch_size=config.runtime.micro_batch_size, rank=world.rank, num_ranks=world.size
        )
    )


def _announce(
    config: RunConfig, *, data: RunData, output: Path, world: World, step: int, seconds_a_micro_batch: float
) -> Reporter | None:
    if not world.is_main:
        return None
    baseline = plan.unigram_baseline(
        data.corpora, train_documents=data.train_documents, held_out=list(held_out_batches(config, data.phases[-1], World()))
    )
    write_json(output / BASELINE_NAME, baseline)
    # lengths of later phases cost about in proportion
    first = config.phases[0]
    micro_batches = sum(
        phase.num_steps * phase.global_batch_size * phase.max_seq_length / first.max_seq_length for phase in config.phases
    ) / (config.runtime.micro_batch_size * world.size)
    print("one example, its words and its mask (seen←to predict):")
    print(plan.show_example(data.phases[0].train.sources[0]))
    print("about to train:" if step == 0 else f"about to go on after step {step}:")
    print(
        plan.describe_run(
            config,
            corpora=data.corpora,
            num_examples=[phase.train.num_examples for phase in data.phases],
            num_workers=world.size,
            seconds=seconds_a_micro_batch * micro_batches * (1 - step / config.num_steps),
        )
    )
    print(
        f"  to beat     unigram baseline on held-out documents: masked accuracy {baseline['masked_accuracy']:.1%}, "
        f"loss {baseline['mlm_loss']:.3f}",
        flush=True,
    )
    return Reporter(output, num_steps=config.num_steps, first_step=step)


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
    last = [record for record in read_metrics(output) if record["kind"] == "held_out"][-1]
    return "\n".join(
        [
            f"trained {num_steps:,} steps: held-out loss {last['mlm_loss']:.3f} (unigram {baseline['mlm_loss']:.3f}), "
            f"masked accuracy {last['masked_accuracy']:.1%} (unigram {baseline['masked_accuracy']:.1%})",
            f"  model       {output / MODEL_NAME}",
            f"  checkpoint  {checkpoint_path(output / CHECKPOINTS_NAME, num_steps)}",
            f"  curves      {output / CURVES_NAME}",
            f"  metrics     {output / METRICS_NAME}",
            f"  VisualDL    visualdl --logdir {output / 'visualdl'} --host 127.0.0.1 --disable-telemetry --language en",
        ]
    )
