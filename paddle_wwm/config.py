"""Recipes as dataclasses. `recipe_file.py` reads them from YAML. A config never changes after parsing.

`model`, `data`, `masking`, `optimizer`, `amp`, `phases`, `selection` and `seed` change the trained weights. `runtime`
changes only the speed and the files that are written. `numbers_fingerprint` leaves out `runtime`, so a run can be
resumed with another `runtime`.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from .errors import require
from .masking_config import MaskingConfig
from .model_config import ModelConfig
from .selection_config import KeptModel as KeptModel
from .selection_config import SelectionConfig


class SentencePairing(enum.Enum):
    """Content of an example.

    NEXT_SENTENCE: Two segments, for next-sentence prediction (BERT-wwm).
    FULL_SENTENCES: Full sentences without pairs (RoBERTa-wwm-ext).
    """

    NEXT_SENTENCE = "next-sentence"
    FULL_SENTENCES = "full-sentences"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How text becomes examples.

    Attributes:
        custom_dictionary: Paths of user dictionaries for `segmenter`, relative to the current folder.
        dictionary_separator: What separates the words of a phrase in a dictionary for LAC. Empty: white space.
        mixture_weights: One weight per prepared corpus, in their order. Empty: in proportion to their sizes.
        general_share: The share of all examples that comes from general text, if there is any (--general-corpus).
    """

    segmenter: str = "lac"
    custom_dictionary: tuple[str, ...] = ()
    dictionary_separator: str = ""
    do_lower_case: bool = True
    pairing: SentencePairing = SentencePairing.NEXT_SENTENCE
    short_seq_prob: float = 0.1
    held_out_share: float = 0.02
    mixture_weights: tuple[float, ...] = ()
    general_share: float = 0.0

    def __post_init__(self) -> None:
        require(0.0 <= self.short_seq_prob <= 1.0, f"`short_seq_prob` must be in [0, 1], but is {self.short_seq_prob}.")
        require(0.0 < self.held_out_share < 1.0, f"`held_out_share` must be in (0, 1), but is {self.held_out_share}.")
        require(0.0 <= self.general_share < 1.0, f"`general_share` must be in [0, 1), but is {self.general_share}.")


class OptimizerName(enum.Enum):
    """Update rule: AdamW as in BERT, or one of two variants of LAMB (see optim.py).

    LAMB_HFL: LAMB as published by the authors of the series.
    LAMB_PADDLE: LAMB as implemented in Paddle.
    """

    ADAMW = "adamw"
    LAMB_HFL = "lamb-hfl"
    LAMB_PADDLE = "lamb-paddle"


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimizer. Biases and LayerNorm have no weight decay.

    Attributes:
        clip_norm: Gradients are clipped to this global norm.
    """

    name: OptimizerName = OptimizerName.ADAMW
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            require(0.0 <= getattr(self, name) < 1.0, f"`{name}` must be in [0, 1), but is {getattr(self, name)}.")
        for name in ("epsilon", "clip_norm"):
            require(getattr(self, name) > 0, f"`{name}` must be above 0, but is {getattr(self, name)}.")
        require(self.weight_decay >= 0, f"`weight_decay` must be at least 0, but is {self.weight_decay}.")


class AmpLevel(enum.Enum):
    """Paddle's levels of mixed precision.

    O0: Off.
    O1: Matrix products in 16 bits.
    O2: Weights in 16 bits, too, with 32-bit master copies.
    """

    O0 = "O0"
    O1 = "O1"
    O2 = "O2"


class AmpDtype(enum.Enum):
    """16-bit dtype. float16 needs loss scaling."""

    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@dataclass(frozen=True, kw_only=True)
class AmpConfig:
    """Mixed precision.

    On CPUs with AMX or AVX512_BF16: level O1 with bfloat16. On GPUs: everything.
    """

    level: AmpLevel = AmpLevel.O0
    dtype: AmpDtype = AmpDtype.BFLOAT16


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A phase of training with one sequence length, batch size and schedule.

    The learning rate rises linearly during warmup, then decays linearly to 0.

    Attributes:
        num_steps: Give this, or `num_epochs`.
        num_epochs: How many times each training example is used, except those of general text. The set-up of a run
            turns it into `num_steps`, when the number of examples is known, and sets it to 0.
        num_warmup_steps: Give this, or `warmup_ratio`.
        warmup_ratio: Share of the steps. The set-up turns it into `num_warmup_steps`, too.
    """

    max_seq_length: int
    global_batch_size: int
    num_steps: int = 0
    num_epochs: float = 0.0
    learning_rate: float
    num_warmup_steps: int = 0
    warmup_ratio: float = 0.0

    def __post_init__(self) -> None:
        require(self.max_seq_length >= 8, f"`max_seq_length` must be at least 8, but is {self.max_seq_length}.")
        require(
            self.global_batch_size >= 1, f"`global_batch_size` must be at least 1, but is {self.global_batch_size}."
        )
        require(
            (self.num_steps >= 1) != (self.num_epochs > 0) and min(self.num_steps, self.num_epochs) >= 0,
            f"`num_steps` must be at least 1, or `num_epochs` above 0, not both, but they are {self.num_steps} and "
            f"{self.num_epochs}.",
        )
        require(self.learning_rate > 0, f"`learning_rate` must be above 0, but is {self.learning_rate}.")
        require(
            0 <= self.num_warmup_steps <= (self.num_steps or self.num_warmup_steps),
            f"`num_warmup_steps` must be between 0 and `num_steps` ({self.num_steps}), but is {self.num_warmup_steps}.",
        )
        require(
            0.0 <= self.warmup_ratio <= 1.0 and not (self.warmup_ratio and self.num_warmup_steps),
            f"`warmup_ratio` must be in [0, 1], and 0 next to `num_warmup_steps`, but is {self.warmup_ratio}.",
        )


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """Options that change speed, memory and output files, but not the trained weights.

    Some of them change the order of floating-point sums, so the last bits of the weights can differ.

    Attributes:
        evaluate_every_steps: 0: 20 times per run.
        save_every_minutes: 0: save by steps only.
        recompute: Recompute the activations of the layers in the backward pass instead of keeping them.
        shard_optimizer: Every worker keeps the optimizer state of its share of the parameters only.
        num_loader_processes: Per fleet worker. 0: the training process makes the batches.
    """

    micro_batch_size: int = 16
    log_every_steps: int = 10
    evaluate_every_steps: int = 500
    save_every_steps: int = 1000
    save_every_minutes: float = 30.0
    keep_checkpoints: int = 3
    max_evaluation_examples: int = 512
    recompute: bool = False
    shard_optimizer: bool = False
    num_loader_processes: int = 1

    def __post_init__(self) -> None:
        may_be_0 = (
            "evaluate_every_steps",
            "save_every_minutes",
            "num_loader_processes",
            "recompute",
            "shard_optimizer",
        )
        for item in dataclasses.fields(self):
            least = 0 if item.name in may_be_0 else 1
            require(
                getattr(self, item.name) >= least,
                f"`{item.name}` must be at least {least}, but is {getattr(self, item.name)}.",
            )


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe:
    """A complete recipe.

    Attributes:
        needs_init: The recipe continues the training of a model, so --init must name one.
    """

    phases: tuple[PhaseConfig, ...]
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    amp: AmpConfig = field(default_factory=AmpConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    seed: int = 42
    needs_init: bool = False

    def __post_init__(self) -> None:
        require(len(self.phases) >= 1, "`phases` must have at least one phase, but is empty.")
        longest = max(phase.max_seq_length for phase in self.phases)
        require(
            longest <= self.model.max_position_embeddings,
            (
                f"`max_seq_length` must be at most `model.max_position_embeddings` "
                f"({self.model.max_position_embeddings}), but is {longest}."
            ),
        )
        self.masking.check_limit(max_seq_length=longest)
        require(
            self.selection.patience == 0 or len(self.phases) == 1,
            f"`selection.patience` must be 0 in a recipe with {len(self.phases)} phases, but is "
            f"{self.selection.patience}: losses of phases with other lengths cannot be compared.",
        )

    @property
    def num_steps(self) -> int:
        """Total number of steps of all phases.

        A phase that is given in epochs counts 0 until the set-up knows its steps.
        """
        return sum(phase.num_steps for phase in self.phases)


_FORMER_LIMIT = 80  # the default of `max_predictions_per_seq` before it could be None


def to_plain(value: Any) -> Any:
    """Convert a config to dicts, lists, numbers and strings.

    The result can be written as YAML or JSON.
    """
    if dataclasses.is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def numbers_fingerprint(config: PretrainRecipe) -> str:
    """Return the sha256 of everything in the config that changes the trained weights.

    A setting that was added after version 0.1 is left out where it has no effect, so that older runs can be resumed.
    The dictionaries are left out: their words are in the shards, which have a fingerprint of their own.
    """
    plain = to_plain(config)
    runtime, selection = plain.pop("runtime"), plain.pop("selection")
    del plain["needs_init"], plain["data"]["custom_dictionary"], plain["data"]["dictionary_separator"]
    if config.selection.is_active:
        evaluation = {name: runtime[name] for name in ("evaluate_every_steps", "max_evaluation_examples")}
        plain["selection"] = {**selection, **evaluation}
    if not config.data.general_share:
        del plain["data"]["general_share"]
    for phase in plain["phases"]:
        for name in ("num_epochs", "warmup_ratio"):
            if not phase[name]:
                del phase[name]
    longest = max(phase.max_seq_length for phase in config.phases)
    if config.masking.max_predictions_per_seq is None and config.masking.budget(longest) <= _FORMER_LIMIT:
        plain["masking"]["max_predictions_per_seq"] = _FORMER_LIMIT  # the same masks as in runs of earlier versions
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
