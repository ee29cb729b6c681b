"""The numbers of a fine-tuning run, and what follows from them: steps, learning rates, and which rows are in which
batch.

A batch of an epoch is drawn at random, as everyone does. It is then cut into micro-batches of rows of like length,
each padded to its longest: the gradient is that of the whole batch, padding almost none. Order and cut are functions
of (seed, epoch) and the rows alone.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import numpy as np

from ..datasets.dataset import Dataset
from ..datasets.table import learning_rate_of
from ..errors import ConfigError
from ..random_bits import key_of, random_uint64
from ..runs.schedules import LinearSchedule
from ..tasks.reading_comprehension import DOC_STRIDE, MAX_ANSWER_LEN, MAX_QUESTION_LEN
from ..tasks.rows import cut_by_length

_LAYER = re.compile(r"bert\.encoder\.layers\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class FineTuneRecipe:
    """Every number that changes the result, beside data, model and seed. AdamW with linear warm-up and decay, as
    BERT's authors do it.

    warmup_ratio: of all steps. layer_decay: each layer's learning rate is that of the one above times this.
    evaluate_every_steps: 0 means after every epoch. patience: evaluations without a better one after which a seed
    stops; 0: it does not. limit_train: only so many examples, the first ones of a shuffled order; 0: all.
    micro_batch_size: rows computed at once at most, 0: as many as micro_batch_tokens allows, padding counted.
    doc_stride, max_question_len, max_answer_len: of reading comprehension, in pieces.
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
        for name in ("learning_rate", "clip_norm"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"`{name}` must be above 0, but is {getattr(self, name)}.")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ConfigError(f"`weight_decay` must be at least 0, but is {self.weight_decay}.")
        if not 0.0 <= self.warmup_ratio <= 1.0:
            raise ConfigError(f"`warmup_ratio` must be from 0 to 1, but is {self.warmup_ratio}.")
        if not 0.0 < self.layer_decay <= 1.0:
            raise ConfigError(f"`layer_decay` must be above 0 and at most 1, but is {self.layer_decay}.")

    def plain(self) -> dict[str, Any]:
        """All numbers but the learning rate, which is the model's."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "learning_rate"}


def recipe_of(dataset: Dataset, *, model: str, **changes: Any) -> FineTuneRecipe:
    """Return the data set's recipe for a model of that name; `changes` that are not None replace its numbers."""
    values = {
        "max_seq_length": dataset.max_seq_length,
        "batch_size": dataset.batch_size,
        "num_epochs": dataset.num_epochs,
        "learning_rate": learning_rate_of(dataset, model=model)[0],
    }
    return FineTuneRecipe(**{**values, **{name: value for name, value in changes.items() if value is not None}})


def steps_per_epoch(num_rows: int, *, recipe: FineTuneRecipe) -> int:
    """Batches that an epoch of so many rows makes; the last one may be smaller."""
    return -(-num_rows // recipe.batch_size)


def schedule_of(num_steps: int, *, recipe: FineTuneRecipe) -> LinearSchedule:
    """Return the learning rates of a seed's steps."""
    return LinearSchedule(
        learning_rate=recipe.learning_rate,
        num_steps=num_steps,
        num_warmup_steps=min(round(recipe.warmup_ratio * num_steps), num_steps - 1),
    )


def rate_scale_of(num_layers: int, *, layer_decay: float) -> Callable[[str], float]:
    """From a parameter's name to the factor of its learning rate: 1 above the last layer, layer_decay less a layer,
    the embeddings' the least.
    """

    def scale(name: str) -> float:
        found = _LAYER.match(name)
        depth = int(found[1]) + 1 if found else 0 if name.startswith("bert.embeddings.") else num_layers + 1
        return layer_decay ** (num_layers + 1 - depth)

    return scale


def rows_of_step(step: int, *, num_rows: int, seed: int, recipe: FineTuneRecipe) -> np.ndarray:
    """The numbers of the rows of batch `step`, counted through all epochs; every epoch has every row once."""
    epoch, place = divmod(step, steps_per_epoch(num_rows, recipe=recipe))
    order = _shuffled(num_rows, seed, epoch)
    return order[place * recipe.batch_size : (place + 1) * recipe.batch_size]


def micro_batches(
    numbers: Sequence[int] | np.ndarray, lengths: Sequence[int], *, recipe: FineTuneRecipe
) -> list[list[int]]:
    """A batch in groups of rows of like length, the most tokens first. lengths: of all rows."""
    chosen = [int(number) for number in numbers]
    groups = cut_by_length(
        [lengths[number] for number in chosen],
        batch_size=recipe.micro_batch_size or len(chosen),
        max_tokens=recipe.micro_batch_tokens,
    )
    return [[chosen[place] for place in group] for group in reversed(list(groups))]


def chosen_examples(num_examples: int, *, limit: int) -> np.ndarray:
    """Which examples of the training split are used, in their order: all, or `limit` that do not depend on the seed."""
    if not limit or limit >= num_examples:
        return np.arange(num_examples)
    return np.sort(_shuffled(num_examples, 0)[:limit])


def _shuffled(count: int, *key: int) -> np.ndarray:
    return np.argsort(random_uint64(key_of(*key), count), kind="stable")
