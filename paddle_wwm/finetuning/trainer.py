"""The network and the optimizer of one seed: the training step, and the state for checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np
import paddle

from ..config import OptimizerConfig
from ..errors import TrainingError
from ..model.weights import load_arrays
from ..runs.accumulation import StepContext, StepResult, SummedLoss, accumulated_step
from ..runs.devices import prepare_training
from ..runs.fleet import World, distribute_model
from ..runs.optim import make_optimizer, optimizer_arrays, set_optimizer_arrays
from ..runs.precision import Precision
from ..tasks.model_folder import Description, load_network
from ..tasks.rows import batch_of
from ..tasks.task import Features, Task
from ..tokenization.wordpiece import WordPieceTokenizer
from .recipe import FineTuneRecipe, micro_batches, rate_scale_of, rows_of_step, schedule_of, steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The training data and the model to start from.

    Attributes:
        features: the rows and their labels.
        task: the task.
        tokenizer: the tokenizer of the model.
        model: the folder of the model.
        description: the description of the model.
    """

    features: Features
    task: Task
    tokenizer: WordPieceTokenizer
    model: Path
    description: Description


class SeedTrainer:
    """The network and the optimizer of one seed.

    The network starts from the model folder in `data`, with a new classifier. Its initial values depend only on the
    model and the seed.
    """

    def __init__(self, data: TrainingData, *, recipe: FineTuneRecipe, seed: int, world: World) -> None:
        self.data, self.recipe, self.seed = data, recipe, seed
        prepare_training(seed=seed)
        self.network = data.task.make_network(data.description.config)
        # The workers exchange a gradient for every trained parameter, so layers without a gradient must not be trained.
        for layer in data.task.unused_layers(self.network):
            for parameter in layer.parameters():
                parameter.stop_gradient = True
        load_network(self.network, data.model, untrained=data.description.untrained, with_classifier=False)
        self.network.train()
        precision = Precision(recipe.amp)
        precision.prepare(self.network)
        rate_scale = rate_scale_of(data.description.config.num_hidden_layers, layer_decay=recipe.layer_decay)
        optimizer = make_optimizer(
            self.network,
            OptimizerConfig(weight_decay=recipe.weight_decay, clip_norm=recipe.clip_norm),
            rate_scale=rate_scale if recipe.layer_decay != 1.0 else None,
        )
        self.lengths = [len(row) for row in data.features.rows]
        self.num_steps = recipe.num_epochs * steps_per_epoch(len(self.lengths), recipe=recipe)
        self.schedule = schedule_of(self.num_steps, recipe=recipe)
        self.context = StepContext(
            model=distribute_model(self.network, world),
            parameters=[parameter for parameter in self.network.parameters() if not parameter.stop_gradient],
            optimizer=optimizer,
            world=world,
            seed=seed,
            clip_norm=recipe.clip_norm,
            precision=precision,
        )

    def step(self, number: int, *, stop_asked: bool = False, save_asked: bool = False) -> StepResult:
        """Make the training step `number`, counted from 0.

        Raises:
            TrainingError: the loss or the gradient is not finite; no parameter was changed.
        """
        rows = rows_of_step(number, num_rows=len(self.lengths), seed=self.seed, recipe=self.recipe)
        num_targets = sum(int(self.data.task.num_targets(self.data.features.labels[row])) for row in rows)
        groups = micro_batches(rows, self.lengths, recipe=self.recipe)
        mine = groups[self.context.world.rank :: self.context.world.size]
        # A worker without a micro-batch computes one with weight 0, because the exchange of gradients needs a backward
        # pass in every worker.
        divisor = max(1, num_targets) if mine else math.inf

        result = accumulated_step(
            self.context,
            mine or groups[:1],
            lambda group: [SummedLoss(value=self._summed_loss(group), divisor=divisor)],
            step=number,
            learning_rate=self.schedule.rate_at(number),
            stop_asked=stop_asked,
            save_asked=save_asked,
        )
        if not result.updated:
            raise TrainingError(
                f"seed {self.seed}, step {number}: the {'gradient' if math.isfinite(result.loss) else 'loss'} is not "
                "finite; no parameter was updated. Try a lower --learning-rate, or check the weights of the model."
            )
        return result

    def num_rows_of(self, number: int) -> int:
        """Return the number of rows in the batch of step `number`."""
        size = self.recipe.batch_size
        return min(size, len(self.lengths) - size * (number % steps_per_epoch(len(self.lengths), recipe=self.recipe)))

    def _summed_loss(self, group: list[int]) -> paddle.Tensor:
        """Return the summed loss of the rows of a micro-batch, a scalar."""
        features, task = self.data.features, self.data.task
        batch = batch_of(features.rows, group, pad_id=self.data.tokenizer.vocab.pad_id)
        inputs = list(map(paddle.to_tensor, (batch.input_ids, batch.token_type_ids, batch.attention_mask)))
        labels = paddle.to_tensor(task.batch_labels(features, batch))
        return task.loss_sum(task.logits(self.context.model, inputs), labels, inputs[2])

    def weights(self) -> dict[str, np.ndarray]:
        """Return the parameters of the network by name."""
        return {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """Return the state of the optimizer, as `optimizer_arrays` does."""
        return optimizer_arrays(self.network, self.context.optimizer)

    def set_state(
        self, weights: Mapping[str, np.ndarray], optimizer: Mapping[str, np.ndarray] | None, *, source: Path
    ) -> None:
        """Set the parameters of the network and the state of the optimizer.

        Args:
            weights: the parameters by name.
            optimizer: the state of the optimizer; None if the network is not trained further.
            source: the folder that they come from, for error messages.
        """
        load_arrays(self.network, weights, source=source)
        if optimizer is not None:
            set_optimizer_arrays(self.network, self.context.optimizer, dict(optimizer))
