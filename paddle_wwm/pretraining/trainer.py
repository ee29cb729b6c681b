"""The trainer of one worker: its model, its optimizer and its current step; update, evaluate, save."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Iterator

import numpy as np

from ..config import PhaseConfig, PretrainRecipe, SentencePairing
from ..errors import CheckpointError, TrainingError
from ..files import read_json, write_json
from ..model.flops import training_flops
from ..model.folder import CONFIG_NAME
from ..model.heads import BertForPretraining
from ..model.weights import load_weights
from ..runs.accumulation import StepContext, StepResult
from ..runs.checkpoints import Checkpoint
from ..runs.devices import prepare_training
from ..runs.fleet import World, barrier, distribute_model, recompute_layers, sum_over_workers
from ..runs.optim import make_optimizer
from ..runs.precision import Precision
from ..runs.schedules import LinearSchedule
from ..runs.sharding import ParameterOwners
from .checkpoint import TrainState, checkpoints_in, load_optimizer, save_checkpoint
from .data import RunData, batches_of_phase, examples_of_step, phase_of
from .evaluation import evaluate, evaluation_tensors, held_out_batches
from .loader import Tensors
from .run_folder import CHECKPOINTS_NAME
from .step import Sums, pretraining_step

logger = logging.getLogger(__name__)


def freeze_untrained(model: BertForPretraining, config: PretrainRecipe) -> tuple[str, ...]:
    """Freeze the layers that the recipe does not train, and return their names.

    Without sentence pairs, the pooler and the next-sentence head get no gradient. They keep their initial values; the
    names are written into the model folder.
    """
    if config.data.pairing is SentencePairing.NEXT_SENTENCE:
        return ()
    for layer in (model.bert.pooler, model.cls.seq_relationship):
        for parameter in layer.parameters():
            parameter.stop_gradient = True
    return ("bert.pooler", "cls.seq_relationship")


class Trainer:
    """The training state of one worker.

    It starts from the newest complete checkpoint in `output`, if there is one.

    Attributes:
        step: the number of finished steps, including skipped ones.
        saved_step: the step of the last checkpoint.
        model: the model as `distribute_model` returns it.
        core: the same model without the wrapper of fleet.
    """

    def __init__(self, config: PretrainRecipe, *, data: RunData, output: Path, world: World) -> None:
        self.config, self.data, self.output, self.world = config, data, output, world
        prepare_training(seed=config.seed)
        self.core = BertForPretraining(config.model)
        self.core.train()
        self.precision = Precision(config.amp)
        self.untrained = freeze_untrained(self.core, config)
        found = _agreed_checkpoint(output / CHECKPOINTS_NAME, data=data, world=world)
        if found:
            load_weights(self.core, found.path)
            self.untrained = _recorded_untrained(found.path)
        elif data.init is not None:
            missing, recorded = _start_from(self.core, data, world=world), _recorded_untrained(data.init)
            # layers that this run does not train may have been trained in the run that wrote `init`
            self.untrained = tuple(
                name for name in self.untrained if name in recorded or any(item.startswith(name) for item in missing)
            )
        self.precision.prepare(self.core)
        self.owners = ParameterOwners(self.core, world=world, enabled=config.runtime.shard_optimizer)
        self.optimizer = make_optimizer(self.core, config.optimizer, keep=self.owners.is_mine)
        self.step = self.saved_step = found.state.global_step if found else 0
        if found:
            load_optimizer(found.path, model=self.core, optimizer=self.optimizer)
            self.precision.set_state(found.state.precision)
        if config.runtime.recompute:
            recompute_layers(self.core.bert.encoder.layers)
        self.model = distribute_model(self.core, world)
        self._context = StepContext(
            model=self.model,
            parameters=[parameter for parameter in self.core.parameters() if not parameter.stop_gradient],
            optimizer=self.optimizer,
            world=world,
            seed=config.seed,
            clip_norm=config.optimizer.clip_norm,
            precision=self.precision,
            owners=self.owners,
            sync_in_backward=not config.runtime.recompute,
        )
        self.saved_at = time.monotonic()
        self._held_out: dict[int, list[Tensors]] = {}  # by phase
        self._evaluated: tuple[int, float] | None = None  # step and loss of the last evaluation

    def batches(self) -> Iterator[list[Tensors]]:
        """Yield the micro-batches of this worker for every remaining step."""
        first, first_step = phase_of(self.config, self.step)
        for number in range(first, len(self.config.phases)):
            yield from batches_of_phase(self.config, number, data=self.data, first_step=first_step, world=self.world)
            first_step = 0

    def flops_of(self, micro_batches: list[Tensors]) -> int:
        """Return the floating point operations of these micro-batches, for the MFU."""
        return sum(
            training_flops(
                self.config.model,
                num_rows=batch["input_ids"].shape[0],
                length=batch["input_ids"].shape[1],
                num_predictions=batch["labels"].shape[0],
                with_next_sentence="next_sentence_labels" in batch,
            )
            for batch in micro_batches
        )

    def save_is_due(self) -> bool:
        """Return True if it is time for a checkpoint; always False in other workers.

        The other workers save when the main worker asks for it in the step.
        """
        minutes = self.config.runtime.save_every_minutes
        return self.world.is_main and minutes > 0 and time.monotonic() - self.saved_at >= minutes * 60

    def update(
        self, micro_batches: list[Tensors], *, stop_asked: bool, loader_status: int = 0
    ) -> tuple[StepResult, Sums]:
        """Make one training step.

        Args:
            micro_batches: the micro-batches of this worker.
            stop_asked: True if this worker asks to stop after the step.
            loader_status: the exit status of a loader process that ended too early; 0 if none did.

        Returns:
            The result of the step, and the sums of this worker.

        Raises:
            TrainingError: a loss or a gradient is not finite, or a loader process ended; no parameter was changed.
        """
        number, phase_step = phase_of(self.config, self.step)
        result, sums = pretraining_step(
            self._context,
            micro_batches,
            step=self.step,
            learning_rate=_schedule_of(self.config.phases[number]).rate_at(phase_step),
            stop_asked=stop_asked,
            save_asked=self.save_is_due(),
            loader_status=loader_status,
        )
        if not result.updated and not self.precision.may_skip():
            raise TrainingError(self._record_failure(result))
        self.precision.step_done(updated=result.updated)
        self.step += 1
        return result, sums

    def _record_failure(self, result: StepResult) -> str:
        """Write the examples of a failed step to a file; return the error message."""
        number, phase_step = phase_of(self.config, self.step)
        path = self.output / f"not_finite-step-{self.step:08d}.json"
        losses = np.zeros((self.world.size, len(result.micro_losses)))
        losses[self.world.rank] = [float(loss) for loss in result.micro_losses]
        losses = sum_over_workers(losses.ravel(), self.world).reshape(losses.shape)
        if self.world.is_main:
            examples = examples_of_step(self.config, number, phase_step, data=self.data, num_workers=self.world.size)
            micro_batches = [
                {
                    "worker": rank,
                    "micro_batch": place,
                    "loss": repr(float(losses[rank, place])),
                    "examples": examples[rank][place],
                }
                for rank in range(losses.shape[0])
                for place in range(losses.shape[1])
            ]
            record = {
                "step": self.step,
                "phase": number,
                "gradient_norm": repr(result.gradient_norm),
                "micro_batches": micro_batches,
            }
            write_json(path, record)
        barrier(self.world)
        bad = [f"worker {rank}, micro-batch {place}" for rank, place in zip(*(~np.isfinite(losses)).nonzero())]
        return (
            f"step {self.step}: "
            f"{f'the loss is not finite ({chr(59).join(bad)})' if bad else 'the gradient is not finite'}; no parameter "
            f"was updated. The examples of the step are in {path}. The last checkpoint is of step "
            f"{self.saved_step}. To continue from it, try a "
            "lower learning rate or a longer warmup (with --resume auto --accept-changes)."
        )

    def evaluate(self) -> dict[str, float]:
        """Return losses and accuracies on the held-out examples of the current phase."""
        number, _ = phase_of(self.config, self.step)
        if number not in self._held_out:
            self._held_out = {
                number: evaluation_tensors(held_out_batches(self.config, self.data.phases[number].held_out, self.world))
            }
        with self.precision.autocast():
            means = evaluate(self.model, self._held_out[number], world=self.world)
        self._evaluated = (self.step, means["loss"])
        return means

    def save(self) -> None:
        """Write a checkpoint in the main worker; the other workers wait."""
        arrays = self.owners.gather(self.optimizer)
        if self.world.is_main:
            state = TrainState(
                global_step=self.step,
                phase=phase_of(self.config, self.step)[0],
                shard_fingerprint=self.data.shard_fingerprint,
                config_fingerprint=self.data.config_fingerprint,
                precision=self.precision.state(),
                held_out_loss=self._evaluated[1] if self._evaluated and self._evaluated[0] == self.step else None,
            )
            save_checkpoint(
                self.output / CHECKPOINTS_NAME,
                model=self.core,
                optimizer_arrays=arrays,
                vocab=self.data.vocab,
                do_lower_case=self.config.data.do_lower_case,
                state=state,
                untrained=self.untrained,
                keep=self.config.runtime.keep_checkpoints,
            )
        barrier(self.world)
        self.saved_step, self.saved_at = self.step, time.monotonic()


def _schedule_of(phase: PhaseConfig) -> LinearSchedule:
    return LinearSchedule(
        learning_rate=phase.learning_rate, num_steps=phase.num_steps, num_warmup_steps=phase.num_warmup_steps
    )


def _agreed_checkpoint(directory: Path, *, data: RunData, world: World) -> Checkpoint[TrainState] | None:
    """Return the newest complete checkpoint, or None.

    Raises:
        CheckpointError: the workers found different checkpoints, or the checkpoint belongs to another run.
    """
    found = checkpoints_in(directory).newest()
    step = found.state.global_step if found else 0
    steps = sum_over_workers([step, step**2], world)
    if steps[0] != step * world.size or steps[1] != step**2 * world.size:
        raise CheckpointError(
            f"{directory}: this worker found a checkpoint of step {step}, but other workers found another step. "
            "All hosts must share the same folder."
        )
    if found and (found.state.config_fingerprint, found.state.shard_fingerprint) not in data.known_states:
        raise CheckpointError(
            f"{found.path}: not a checkpoint of this run: its recipe or its data differ. Move it to another folder, "
            f"or start from its weights with --init."
        )
    return found


def _recorded_untrained(folder: Path) -> tuple[str, ...]:
    return tuple(read_json(folder / CONFIG_NAME).get("untrained_parameters", ()))


def _start_from(model: BertForPretraining, data: RunData, *, world: World) -> tuple[str, ...]:
    """Load the weights of `data.init`; return the names of missing parameters.

    Published checkpoints often lack the heads (those of HFL do). The heads then keep their random initial values, and
    that is logged.
    """
    assert data.init is not None
    missing = load_weights(model, data.init, optional=("cls.",), first_layers_only=data.init_layers is not None)
    if world.is_main:
        layers = f"the first {data.init_layers} layers of " if data.init_layers is not None else ""
        logger.info(
            f"starting from {layers}{data.init}"
            + (f"; missing there, so newly initialised: {', '.join(missing)}" if missing else "")
        )
    return missing
