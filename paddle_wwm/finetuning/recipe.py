"""The settings of a fine-tuning run, and what follows from them: steps, learning rates, and the rows of every batch.

The rows of an epoch are shuffled and divided into batches, as usual. Each batch is then split into micro-batches of
rows of similar length, and each micro-batch is padded to its longest row. The gradient is that of the whole batch, and
there is almost no padding. The order and the split depend only on the seed, the epoch and the rows.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from ..config import AmpConfig, AmpLevel
from ..datasets.dataset import Dataset
from ..datasets.table import learning_rate_of
from ..errors import ConfigError
from ..random_bits import key_of, random_uint64
from ..runs.schedules import LinearSchedule
from ..tasks.reading_comprehension import DOC_STRIDE, MAX_ANSWER_LEN, MAX_QUESTION_LEN
from ..tasks.rows import cut_by_length

PRECISIONS = ("fp32", "bf16")
_LAYER = re.compile(r"bert\.encoder\.layers\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class FineTuneRecipe:
    """The settings that change the result, apart from data, model and seed.

    The optimizer is AdamW with linear warmup and linear decay, as in the original BERT.

    Attributes:
        max_seq_length: tokens per row, at most.
        batch_size: rows per step.
        num_epochs: the number of epochs.
        learning_rate: the highest learning rate, after warmup.
        warmup_ratio: the share of all steps that is warmup, 0 to 1.
        weight_decay: the weight decay; biases and LayerNorms have none.
        clip_norm: the largest norm of the whole gradient.
        layer_decay: the learning rate of a layer divided by that of the layer above.
        evaluate_every_steps: steps between evaluations on dev; 0 evaluates after every epoch.
        patience: a seed stops after this many evaluations without a better score; 0 never stops early.
        limit_train: the number of training examples to use, from a shuffled order; 0 uses all.
        micro_batch_size: rows per micro-batch, at most; 0 sets no limit besides micro_batch_tokens.
        micro_batch_tokens: tokens per micro-batch with padding, at most.
        precision: "fp32", or "bf16" for matrix products of bfloat16 numbers; weights and gradients stay float32.
        doc_stride: pieces that two windows of a passage share, for reading comprehension.
        max_question_len: pieces per question, at most, for reading comprehension.
        max_answer_len: pieces per answer, at most, for reading comprehension.
    """

    max_seq_length: int
    batch_size: int
    num_epochs: int
    learning_rate: float
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    layer_decay: float = 1.0
    evaluate_every_steps: int = 0
    patience: int = 0
    limit_train: int = 0
    micro_batch_size: int = 0
    micro_batch_tokens: int = 1024
    precision: str = "fp32"
    doc_stride: int = DOC_STRIDE
    max_question_len: int = MAX_QUESTION_LEN
    max_answer_len: int = MAX_ANSWER_LEN

    def __post_init__(self) -> None:
        least = {
            "max_seq_length": 8,
            "batch_size": 1,
            "num_epochs": 1,
            "micro_batch_tokens": 1,
            "doc_stride": 1,
            "max_question_len": 1,
        }
        least |= {
            "max_answer_len": 1,
            "evaluate_every_steps": 0,
            "patience": 0,
            "limit_train": 0,
            "micro_batch_size": 0,
        }
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"`{name}` must be at least {value}, but is {getattr(self, name)}.")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"`precision` must be {' or '.join(PRECISIONS)}, but is {self.precision!r}.")
        for name in ("learning_rate", "clip_norm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"`{name}` must be above 0, but is {getattr(self, name)}.")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ConfigError(f"`weight_decay` must be at least 0, but is {self.weight_decay}.")
        if not 0.0 <= self.warmup_ratio <= 1.0:
            raise ConfigError(f"`warmup_ratio` must be from 0 to 1, but is {self.warmup_ratio}.")
        if not 0.0 < self.layer_decay <= 1.0:
            raise ConfigError(f"`layer_decay` must be above 0 and at most 1, but is {self.layer_decay}.")

    @property
    def amp(self) -> AmpConfig:
        """The precision as the training step takes it."""
        return AmpConfig(level=AmpLevel.O1 if self.precision == "bf16" else AmpLevel.O0)

    def plain(self) -> dict[str, Any]:
        """Return all settings except the learning rate, which depends on the model.

        A setting that was added after version 0.1 is left out where it has no effect, as in records of older runs.
        """
        left_out = {"learning_rate"} | ({"precision"} if self.precision == "fp32" else set())
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in left_out}


def recipe_of(dataset: Dataset, *, model: str, **changes: Any) -> FineTuneRecipe:
    """Return the recipe of a data set for a model of that name.

    Args:
        dataset: the data set.
        model: the name of the model.
        changes: settings that replace those of the data set, unless they are None.
    """
    values = {
        "max_seq_length": dataset.max_seq_length,
        "batch_size": dataset.batch_size,
        "num_epochs": dataset.num_epochs,
        "learning_rate": learning_rate_of(dataset, model=model)[0],
    }
    return FineTuneRecipe(**{**values, **{name: value for name, value in changes.items() if value is not None}})


def steps_per_epoch(num_rows: int, *, recipe: FineTuneRecipe) -> int:
    """Return the number of batches in an epoch; the last one may be smaller."""
    return -(-num_rows // recipe.batch_size)


def schedule_of(num_steps: int, *, recipe: FineTuneRecipe) -> LinearSchedule:
    """Return the learning rate schedule of a seed with `num_steps` steps."""
    return LinearSchedule(
        learning_rate=recipe.learning_rate,
        num_steps=num_steps,
        num_warmup_steps=min(round(recipe.warmup_ratio * num_steps), num_steps - 1),
    )


def rate_scale_of(num_layers: int, *, layer_decay: float) -> Callable[[str], float]:
    """Return a function from the name of a parameter to its learning rate factor.

    The factor is 1 above the last layer. It is multiplied by layer_decay for each layer below, down to the embeddings.
    """

    def scale(name: str) -> float:
        found = _LAYER.match(name)
        depth = int(found[1]) + 1 if found else 0 if name.startswith("bert.embeddings.") else num_layers + 1
        return layer_decay ** (num_layers + 1 - depth)

    return scale


def rows_of_step(step: int, *, num_rows: int, seed: int, recipe: FineTuneRecipe) -> np.ndarray:
    """Return the numbers of the rows in the batch of a step.

    Steps are counted through all epochs. Every epoch has every row once.

    Shape:
        Returns int64 (batch_size,); the last batch of an epoch may be smaller.
    """
    epoch, place = divmod(step, steps_per_epoch(num_rows, recipe=recipe))
    order = _shuffled(num_rows, seed, epoch)
    return order[place * recipe.batch_size : (place + 1) * recipe.batch_size]


def micro_batches(
    numbers: Sequence[int] | np.ndarray, lengths: Sequence[int], *, recipe: FineTuneRecipe
) -> list[list[int]]:
    """Split a batch into groups of rows of similar length, the longest rows first.

    Args:
        numbers: the numbers of the rows in the batch.
        lengths: the lengths of all rows of the split.
        recipe: gives the largest size of a group.
    """
    chosen = [int(number) for number in numbers]
    groups = cut_by_length(
        [lengths[number] for number in chosen],
        batch_size=recipe.micro_batch_size or len(chosen),
        max_tokens=recipe.micro_batch_tokens,
    )
    return [[chosen[place] for place in group] for group in reversed(list(groups))]


def chosen_examples(num_examples: int, *, limit: int) -> np.ndarray:
    """Return the numbers of the training examples to use, in ascending order.

    With `limit` 0, all are used. The choice does not depend on the seed.

    Shape:
        Returns int64 (n,), where n is `num_examples` or `limit`.
    """
    if not limit or limit >= num_examples:
        return np.arange(num_examples)
    return np.sort(_shuffled(num_examples, 0)[:limit])


def _shuffled(count: int, *key: int) -> np.ndarray:
    return np.argsort(random_uint64(key_of(*key), count), kind="stable")
