"""One seed of a fine-tuning run: steps, evaluations, the best checkpoint, and resuming after a kill."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from ..datasets.dataset import Dataset, Split
from ..datasets.metrics.scores import main_score, score
from ..datasets.prediction_files import write_predictions
from ..files import atomic_directory, remove_leftovers
from ..model.config_keys import DATA_LABELS_KEY, READING_KEY
from ..progress import Progress
from ..runs.checkpoints import read_arrays
from ..runs.fleet import World, barrier
from ..runs.lifetime import StopSignal
from ..runs.log import RunLog
from ..tasks.fine_tuned import READING_NUMBERS
from ..tasks.model_folder import write_finetuned
from ..tasks.task import Features, ResultOptions
from .checkpoint import BEST_NAME, OPTIMIZER_NAME, WEIGHTS_NAME, SeedState, checkpoints_of, save_checkpoint
from .outputs import compute_on_workers
from .recipe import FineTuneRecipe, steps_per_epoch
from .results import LOG_NAME, MODEL_NAME, PREDICTIONS_NAME, RESULT_NAME, SeedResult, seed_folder, write_record
from .trainer import SeedTrainer, TrainingData

BEST_PREDICTIONS_NAME = "best_dev.jsonl"


@dataclass(frozen=True, kw_only=True)
class EvaluationData:
    """A split to predict, with the rows that the network reads."""

    split: Split
    features: Features


@dataclass(frozen=True, kw_only=True)
class FineTuneRun:
    """The parts of a run that all seeds share.

    Attributes:
        dataset: the data set.
        label_names: the names of its labels in the models.
        output: the folder of the run.
        recipe: the settings.
        training: the training data and the model to start from.
        evaluation: the splits to predict, by name. The best checkpoint is the one with the best score on "dev";
            without "dev", or without labels for it, it is the last one.
        keep_models: False keeps only scores and predictions.
        save_every_minutes: minutes between checkpoints, besides those at evaluations; 0 for none.
        world: the rank of this worker.
        progress: called after every step.
    """

    dataset: Dataset
    label_names: tuple[str, ...]
    output: Path
    recipe: FineTuneRecipe
    training: TrainingData
    evaluation: Mapping[str, EvaluationData]
    keep_models: bool
    save_every_minutes: float
    world: World
    progress: Callable[[Progress], None] | None = None

    @property
    def chooses_by_dev(self) -> bool:
        """True if checkpoints can be compared by their score on dev."""
        return "dev" in self.evaluation and self.evaluation["dev"].split.has_labels


class _Stopped(Exception):
    """Raised to abort an evaluation when a signal comes; its outputs are discarded."""


def run_seed(run: FineTuneRun, *, seed: int, stop: StopSignal, title: str) -> None:
    """Train and evaluate a seed and write its folder.

    The seed continues from its newest checkpoint, if there is one.

    Raises:
        Interrupted: a signal came; the state was saved.
    """
    _Seed(run, seed=seed, stop=stop).run(title)


class _Seed:
    def __init__(self, run: FineTuneRun, *, seed: int, stop: StopSignal) -> None:
        self.fine_tuning, self.seed, self.stop = run, seed, stop
        self.folder = seed_folder(run.output, seed)
        self.trainer = SeedTrainer(run.training, recipe=run.recipe, seed=seed, world=run.world)
        self.steps_per_epoch = steps_per_epoch(len(run.training.features.rows), recipe=run.recipe)
        found = checkpoints_of(self.folder).newest()
        self.state: SeedState = found.state if found else SeedState()
        self.saved: Path | None = found.path if found else None
        if found:
            self.trainer.set_state(
                read_arrays(found.path / WEIGHTS_NAME), read_arrays(found.path / OPTIMIZER_NAME), source=found.path
            )
        self.saved_at = self.counted_at = time.monotonic()

    def run(self, title: str) -> None:
        run, state = self.fine_tuning, self.state
        log = RunLog(self.folder / LOG_NAME, keep=self._is_logged) if run.world.is_main else None
        self.title = title
        with log or contextlib.nullcontext():
            self._show_progress()
            while True:
                if self._is_evaluated_here():
                    self._evaluate_dev(log)
                    self.save()
                if state.step == self.trainer.num_steps or state.stopped_early:
                    break
                self._step(log)
        self._finish()

    def _is_logged(self, record: Mapping[str, Any]) -> bool:
        """Return True if the checkpoint includes this log record.

        The steps and evaluations of the other records are computed again.
        """
        if record["kind"] == "dev":
            return any(record["step"] == evaluated["step"] for evaluated in self.state.dev_scores)
        return record["step"] <= self.state.step

    def _is_evaluated_here(self) -> bool:
        """Return True if dev must be evaluated now, after the current step."""
        every = self.fine_tuning.recipe.evaluate_every_steps or self.steps_per_epoch
        is_due = self.state.step > 0 and (self.state.step % every == 0 or self.state.step == self.trainer.num_steps)
        is_done = bool(self.state.dev_scores) and self.state.dev_scores[-1]["step"] == self.state.step
        return is_due and not is_done and self.fine_tuning.chooses_by_dev

    def _step(self, log: RunLog | None) -> None:
        run, state = self.fine_tuning, self.state
        minutes = (time.monotonic() - self.saved_at) / 60
        save_asked = run.world.is_main and 0 < run.save_every_minutes <= minutes
        started = time.monotonic()
        done = self.trainer.step(state.step, stop_asked=self.stop.number != 0, save_asked=save_asked)
        state.training_seconds += time.monotonic() - started
        state.num_rows += self.trainer.num_rows_of(state.step)
        state.step += 1
        if log:
            values = {"loss": done.loss, "learning_rate": done.learning_rate, "gradient_norm": done.gradient_norm}
            log.write({"kind": "train", **self._place(), **values})
            best = "" if state.best_score is None else f", best dev {state.best_score:.2f}"
            self._show_progress(f"loss {done.loss:.3f}{best}")
        if done.stop or done.save:
            self.save()
        if done.stop and state.step < self.trainer.num_steps:
            raise self.stop.interrupted(
                f"seed {self.seed} is saved after step {state.step}. To continue, rerun the same command."
            )

    def _show_progress(self, note: str = "") -> None:
        run = self.fine_tuning
        if run.progress and run.world.is_main:
            run.progress(
                Progress(stage=self.title, done=self.state.step, total=self.trainer.num_steps, unit=" steps", note=note)
            )

    def _place(self) -> dict[str, float]:
        return {"step": self.state.step, "epoch": round(self.state.step / self.steps_per_epoch, 4)}

    def _evaluate_dev(self, log: RunLog | None) -> None:
        run, state = self.fine_tuning, self.state
        predictions = self._predict("dev")
        scores = score(run.dataset.metric, run.evaluation["dev"].split.examples, predictions)
        state.dev_scores.append({**self._place(), **scores})
        main = main_score(run.dataset.metric, scores)
        if state.best_score is None or main > state.best_score:
            state.best_score, state.best_step, state.num_worse = main, state.step, 0
            if run.world.is_main:
                write_predictions(self.folder / BEST_PREDICTIONS_NAME, predictions, run.dataset)
        else:
            state.num_worse += 1
            state.stopped_early = 0 < run.recipe.patience <= state.num_worse
        if log:
            log.write({"kind": "dev", **self._place(), **scores})

    def _predict(self, name: str) -> dict[str, Any]:
        """Return the predictions of the current network for a split, by example id.

        Raises:
            Interrupted: a signal came; the state was saved. With several workers, the evaluation is finished instead.
        """
        run = self.fine_tuning
        data = run.evaluation[name]

        def give_up() -> None:
            if self.stop.number and run.world.size == 1:
                raise _Stopped

        try:
            outputs = compute_on_workers(
                self.trainer.network,
                data.features.rows,
                task=run.training.task,
                vocab=run.training.tokenizer.vocab,
                world=run.world,
                stage=f"evaluate {name}",
                progress=run.progress,
                stop_asked=give_up,
            )
        except _Stopped:
            self.save()
            raise self.stop.interrupted(
                f"seed {self.seed} is saved after step {self.state.step}. To continue, rerun the same command."
            ) from None
        results: Sequence[Any] = run.training.task.results(
            data.split.examples,
            features=data.features,
            outputs=outputs,
            tokenizer=run.training.tokenizer,
            options=ResultOptions(max_answer_len=run.recipe.max_answer_len),
        )
        return {example.example_id: result.predicted for example, result in zip(data.split.examples, results)}

    def save(self) -> None:
        """Write the checkpoint in the main worker; the other workers wait."""
        now = time.monotonic()
        self.state.seconds += now - self.counted_at
        self.counted_at = self.saved_at = now
        if self.fine_tuning.world.is_main:
            self.saved = save_checkpoint(
                self.folder,
                state=self.state,
                weights=self.trainer.weights(),
                optimizer=self.trainer.optimizer_state(),
                before=self.saved,
            )
        barrier(self.fine_tuning.world)

    def _finish(self) -> None:
        """Predict with the best network, and write the files of the seed.

        result.json is written last: a seed without it is not finished.
        """
        run, state = self.fine_tuning, self.state
        if not run.chooses_by_dev:
            state.best_step = state.step
            self.save()
        checkpoint = checkpoints_of(self.folder).newest()
        assert checkpoint is not None
        if state.best_step != state.step:
            self.trainer.set_state(read_arrays(checkpoint.path / BEST_NAME), None, source=checkpoint.path)
        predictions = {name: self._predict(name) for name in run.evaluation if name != "dev" or not run.chooses_by_dev}
        if not run.world.is_main:
            barrier(run.world)
            return
        folder = self.folder / PREDICTIONS_NAME
        folder.mkdir(exist_ok=True)
        for name, found in predictions.items():
            write_predictions(folder / f"{name}.jsonl", found, run.dataset)
        labelled = {name: found for name, found in predictions.items() if run.evaluation[name].split.has_labels}
        scores = {
            name: score(run.dataset.metric, run.evaluation[name].split.examples, found)
            for name, found in labelled.items()
        }
        if run.chooses_by_dev:
            shutil.copyfile(self.folder / BEST_PREDICTIONS_NAME, folder / "dev.jsonl")
            best = next(record for record in state.dev_scores if record["step"] == state.best_step)
            scores = {"dev": {name: value for name, value in best.items() if name not in ("step", "epoch")}, **scores}
        self._write_model()
        state.seconds += time.monotonic() - self.counted_at
        result = SeedResult(
            seed=self.seed,
            scores=scores,
            best_step=state.best_step,
            num_steps=state.step,
            seconds=round(state.seconds, 2),
            texts_per_second=round(state.num_rows / max(state.training_seconds, 1e-9), 2),
            num_workers=run.world.size,
            dev_scores=tuple(state.dev_scores),
        )
        write_record(self.folder / RESULT_NAME, result)
        (self.folder / BEST_PREDICTIONS_NAME).unlink(missing_ok=True)
        checkpoints_of(self.folder).delete()
        barrier(run.world)

    def _write_model(self) -> None:
        run, target = self.fine_tuning, self.folder / MODEL_NAME
        remove_leftovers(target)
        if run.keep_models:
            with atomic_directory(target, replace=True) as folder:
                write_finetuned(
                    folder,
                    arrays=self.trainer.weights(),
                    source=run.training.model,
                    task=run.dataset.task,
                    label_map=dict(enumerate(run.label_names or run.training.task.labels)),
                    notes={
                        READING_KEY: {name: getattr(run.recipe, name) for name in READING_NUMBERS},
                        DATA_LABELS_KEY: list(run.dataset.labels),
                    },
                )
