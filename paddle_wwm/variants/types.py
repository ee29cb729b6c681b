"""Define what a row of the table of models holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from ..model_config import ModelConfig
from .scores import PUBLISHED_SCORES, Scores

RANDOM_INIT = "random"
NUM_XNLI_LABELS = 3  # the series counts parameters with a classifier for XNLI


@dataclass(frozen=True, kw_only=True)
class RecipePhase:
    """A stretch of the authors' training."""

    max_seq_length: int
    num_steps: int
    global_batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the authors trained a model. init: "random", or the variant that training started from; init_layers: those
    of its layers that were kept.

    assumed: what the authors state for a sister model only.
    """

    masking: str
    next_sentence: bool | None = None
    init: str | None = None
    init_layers: tuple[int, ...] | None = None
    phases: tuple[RecipePhase, ...] = ()
    optimizer: str | None = None
    learning_rate: float | None = None
    warmup: str | None = None
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of the table.

    name: ours, also the module's name in PaddleHub (`hub_name`). title: the name in papers. aliases: names elsewhere,
    see `find_variant`.
    source: its repository on the Hugging Face hub. archive: the stem of the .zip that Google and the authors give out.
    num_tokens: of the corpus. published_parameters: as printed in the series' table (see `config.count_parameters`).
    """

    name: str
    title: str
    aliases: tuple[str, ...]
    config: ModelConfig
    do_lower_case: bool = True
    language: str = "Chinese"
    corpus: str
    num_tokens: str | None = None
    recipe: Recipe
    source: str
    archive: str
    licence: str = "Apache-2.0"
    published_parameters: str | None = None

    @property
    def hub_name(self) -> str:
        """The name for hub.Module(name=…)."""
        return self.name

    @property
    def published_scores(self) -> Mapping[str, Mapping[str, Scores]]:
        """Task -> split -> the authors' scores; empty for models that they did not test."""
        return PUBLISHED_SCORES.get(self.name, {})
