"""The trainer of one worker: its model, its optimizer and its current step; update, evaluate, save."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Iterator

import numpy as np

from ..config import KeptModel, PhaseConfig, PretrainRecipe
from ..errors import TrainingError
from ..files import write_json
from ..model.flops import training_flops
from ..model.heads import BertForPretraining
from ..model.weights import load_weights
from ..runs.accumulation import StepContext, StepResult
from ..runs.devices import prepare_training
from ..runs.fleet import World, barrier, distribute_model, recompute_layers, sum_over_workers
from ..runs.optim import make_optimizer
from ..runs.precision import Precision
from ..runs.schedules import LinearSchedule
from ..runs.sharding import ParameterOwners
from .checkpoint import TrainState, load_optimizer, save_checkpoint
from .data import RunData, batches_of_phase, examples_of_step, phase_of
from .evaluation import evaluate, evaluation_tensors, held_out_batches
from .loader import Tensors
from .run_folder import CHECKPOINTS_NAME
from .selection import Selection
from .starting import agreed_checkpoint, freeze_untrained, recorded_untrained, start_from
from .step import Sums, pretraining_step

logger = logging.getLogger(__name__)


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
        found = agreed_checkpoint(output / CHECKPOINTS_NAME, data=data, world=world)
        if found:
            load_weights(self.core, found.path)
            self.untrained = recorded_untrained(found.path)
        elif data.init is not None:
            missing, recorded = start_from(self.core, data, world=world), recorded_untrained(data.init)
            # layers that this run does not train may have been trained in the run that wrote `init`
            self.untrained = tuple(
                name for name in self.untrained if name in recorded or any(item.startswith(name) for item in missing)
            )
        self.precision.prepare(self.core)
        self.owners = ParameterOwners(self.core, world=world, enabled=config.runtime.shard_optimizer)
        self.optimizer = make_optimizer(self.core, config.optimizer, keep=self.owners.is_mine)
        self.step = self.saved_step = found.state.global_step if found else 0
        self.selection = Selection()
        if found:
            if found.state.fingerprints == (data.config_fingerprint, data.shard_fingerprint):
                self.selection = Selection(**found.state.selection)
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
        self._held_out: dict[int, list[list[Tensors]]] = {}  # by phase: of the corpora, and of general text
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
        """Return losses and accuracies on the held-out examples of the current phase.

        Those of general text have `general_` in front of their names. After at least one step, the loss takes part in
        the selection of the model.
        """
        number, phase_step = phase_of(self.config, self.step)
        if number not in self._held_out:
            phase = self.data.phases[number]
            sides = [phase.held_out] + ([phase.general_held_out] if phase.general_held_out else [])
            self._held_out = {
                number: [evaluation_tensors(held_out_batches(self.config, side, self.world)) for side in sides]
            }
        with self.precision.autocast():
            means, *general = [evaluate(self.model, side, world=self.world) for side in self._held_out[number]]
        # all workers decide by the loss of worker 0: a sum over workers may differ in its last bits
        [loss] = sum_over_workers([means["loss"] if self.world.is_main else 0.0], self.world).tolist()
        self._evaluated = (self.step, loss)
        if self.step > 0:
            in_warmup = phase_step <= self.config.phases[number].num_warmup_steps
            self.selection = self.selection.after(loss, step=self.step, phase=number, in_warmup=in_warmup)
        return {**means, **{f"general_{name}": value for other in general for name, value in other.items()}}

    def stops_early(self) -> bool:
        """Return True if the held-out loss has not improved for long enough.

        All workers agree.
        """
        return self.selection.stops(patience=self.config.selection.patience)

    def is_best(self) -> bool:
        """Return True if the run keeps the best model, and this step has it."""
        return self.config.selection.keep is KeptModel.BEST and self.selection.best_step == self.step

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
                selection=dataclasses.asdict(self.selection),
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
