"""The types of the table of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from ..model_config import ModelConfig
from .scores import PUBLISHED_SCORES, Scores

RANDOM_INIT = "random"
NUM_XNLI_LABELS = 3  # the series counts parameters with a classifier for XNLI


@dataclass(frozen=True, kw_only=True)
class RecipePhase:
    """One phase of the training."""

    max_seq_length: int
    num_steps: int
    global_batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the authors trained a model.

    Args:
        init: "random", or the variant that training started from.
        init_layers: the layers of that variant that were kept.
        assumed: names of the values that the authors state only for a related model.
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
    """A model in the table.

    Args:
        name: the name here, which is also the name of the PaddleHub module (`hub_name`).
        title: the name in papers.
        aliases: other names, see `find_variant`.
        num_tokens: size of the corpus in tokens.
        source: the repository on the Hugging Face hub.
        archive: name of the .zip that Google or the authors publish, without the ending; None: not stated.
        published_parameters: number of parameters as the authors state it (see `count_parameters`).
        trained_heads: the heads of pretraining that are trained in the published weights and can be used, as the
            authors state; None: not stated. Others in the files are listed as untrained.
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
    archive: str | None = None
    licence: str = "Apache-2.0"
    published_parameters: str | None = None
    trained_heads: tuple[str, ...] | None = None

    @property
    def hub_name(self) -> str:
        """The name for hub.Module(name=…)."""
        return self.name

    @property
    def published_scores(self) -> Mapping[str, Mapping[str, Scores]]:
        """The scores of the authors by task and split, or {} for untested models."""
        return PUBLISHED_SCORES.get(self.name, {})
