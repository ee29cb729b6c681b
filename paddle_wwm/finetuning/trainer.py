"""One seed's network and optimizer: a training step, what a checkpoint holds of them, and the network's outputs for a
split.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np
import paddle

from ..compute.dropout import seed_dropout
from ..config import OptimizerConfig
from ..cpu import keep_freed_memory
from ..errors import TrainingError
from ..model.finetuned import Description, load_network
from ..model.weights import load_arrays
from ..pretraining_data.random_bits import key_of
from ..runs.fleet import World, distribute_model, sum_over_workers, without_gradient_sync
from ..runs.optim import clip_gradients, learning_rate_at, make_optimizer, optimizer_arrays, set_optimizer_arrays
from ..tasks.network.features import Features, Reading
from ..tasks.network.heads import labels_of_batch, make_network, num_targets, summed_loss
from ..tasks.network.rows import batch_of
from .recipe import FineTuneRecipe, micro_batches, rate_scale_of, rows_of_step, schedule_of, steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The rows that are trained on. model: the folder to start from."""

    features: Features
    reading: Reading
    pad_id: int
    model: Path
    description: Description


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step did, agreed on by all workers. loss: the mean over the batch. stop, save: whether any worker asked
    for it.
    """

    loss: float
    gradient_norm: float
    learning_rate: float
    num_rows: int
    stop: bool
    save: bool


class SeedTrainer:
    """A network that starts from the data's model folder, its classifier new: a function of (model, seed)."""

    def __init__(self, data: TrainingData, *, recipe: FineTuneRecipe, seed: int, world: World) -> None:
        self.data, self.recipe, self.seed, self.world = data, recipe, seed, world
        paddle.set_flags(
            {"FLAGS_use_stride_kernel": False}
        )  # plain contiguous kernels: 14-17% faster on the CPU, equal numbers
        keep_freed_memory()
        paddle.seed(seed)
        self.network = make_network(data.description.config, reading=data.reading)
        load_network(self.network, data.model, untrained=data.description.untrained, with_classifier=False)
        self.network.train()
        rate_scale = rate_scale_of(data.description.config.num_hidden_layers, layer_decay=recipe.layer_decay)
        self.optimizer = make_optimizer(
            self.network,
            OptimizerConfig(weight_decay=recipe.weight_decay, clip_norm=recipe.clip_norm),
            rate_scale=rate_scale if recipe.layer_decay != 1.0 else None,
        )
        self.lengths = [len(row) for row in data.features.rows]
        self.num_steps = recipe.num_epochs * steps_per_epoch(len(self.lengths), recipe=recipe)
        self.schedule = schedule_of(self.num_steps, recipe=recipe)
        self._model = distribute_model(self.network, world)
        self._parameters = [parameter for parameter in self.network.parameters() if not parameter.stop_gradient]

    def step(self, number: int, *, stop_asked: bool = False, save_asked: bool = False) -> Step:
        """Step `number` (from 0): forward and backward of this worker's micro-batches, clip, update.

        Raises TrainingError, the parameters as they were, where the gradient is not finite.
        """
        rows = rows_of_step(number, num_rows=len(self.lengths), seed=self.seed, recipe=self.recipe)
        targets = num_targets([self.data.features.labels[row] for row in rows], reading=self.data.reading)
        groups = micro_batches(rows, self.lengths, recipe=self.recipe)
        mine = list(range(self.world.rank, len(groups), self.world.size))
        # a worker without a micro-batch computes one for nothing: the exchange of gradients needs a backward pass of
        # everyone
        shares = [(place, 1.0) for place in mine] or [(0, 0.0)]
        loss = 0.0
        for place, share in shares:
            # dropout is a function of (seed, step, micro-batch): a resumed run draws the same, and any number of
            # workers
            seed_dropout(int(key_of(self.seed, number, place)))
            if place == shares[-1][0]:
                loss += self._forward_backward(groups[place], factor=share / max(1, targets))
            else:
                with without_gradient_sync(self._model, self.world):
                    loss += self._forward_backward(groups[place], factor=share / max(1, targets))
        loss, num_stops, num_saves = sum_over_workers([loss, float(stop_asked), float(save_asked)], self.world).tolist()
        norm = clip_gradients(self._parameters, max_norm=self.recipe.clip_norm)
        rate = learning_rate_at(number, self.schedule)
        if not np.isfinite([loss, norm]).all():
            raise TrainingError(
                f"seed {self.seed}, step {number}: the {'gradient' if np.isfinite(loss) else 'loss'} is not "
                f"finite; nothing was updated. "
                "Try a lower --learning-rate, or look at the model's weights."
            )
        self.optimizer.set_lr(rate)
        self.optimizer.step()
        for parameter in self._parameters:
            parameter.clear_gradient()
        return Step(
            loss=loss,
            gradient_norm=norm,
            learning_rate=rate,
            num_rows=len(rows),
            stop=num_stops > 0,
            save=num_saves > 0,
        )

    def _forward_backward(self, group: list[int], *, factor: float) -> float:
        """The loss of a micro-batch's rows, summed, times `factor`, which makes all of a batch's sums its mean."""
        features, reading = self.data.features, self.data.reading
        batch = batch_of(features.rows, group, pad_id=self.data.pad_id)
        inputs = list(map(paddle.to_tensor, (batch.input_ids, batch.token_type_ids, batch.attention_mask)))
        labels = paddle.to_tensor(labels_of_batch(features, batch, reading=reading))
        loss = summed_loss(self._model(*inputs), labels, inputs[2], reading=reading)
        # fleet averages gradients over the workers: times world.size makes it the sum that the batch's mean needs
        (loss * (factor * self.world.size)).backward()
        return float(loss) * factor

    def weights(self) -> dict[str, np.ndarray]:
        """The network's parameters."""
        return {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """The optimizer's moments."""
        return optimizer_arrays(self.network, self.optimizer)

    def set_state(
        self, weights: Mapping[str, np.ndarray], optimizer: Mapping[str, np.ndarray] | None, *, source: Path
    ) -> None:
        """Set the network, and the optimizer where it goes on being trained."""
        load_arrays(self.network, weights, source=source)
        if optimizer is not None:
            set_optimizer_arrays(self.network, self.optimizer, dict(optimizer))
