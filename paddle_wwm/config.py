"""Recipes as dataclasses (`recipe_file.py` reads them from YAML). A config is never changed after parsing.

What changes the numbers (`model`, `data`, `masking`, `optimizer`, `amp`, `phases`, `seed`) and what changes only the
speed or what is written (`runtime`) live apart: `numbers_fingerprint` covers the first group only, so a run may be
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


class SentencePairing(enum.Enum):
    """What an example is made of: two segments with next-sentence prediction (BERT-wwm), or full sentences
    (RoBERTa-wwm-ext).
    """

    NEXT_SENTENCE = "next-sentence"
    FULL_SENTENCES = "full-sentences"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """From text to examples."""

    segmenter: str = "lac"
    do_lower_case: bool = True
    pairing: SentencePairing = SentencePairing.NEXT_SENTENCE
    short_seq_prob: float = 0.1
    held_out_share: float = 0.02
    mixture_weights: tuple[
        float, ...
    ] = ()  # of several prepared corpora, in their order; none: in proportion to their sizes

    def __post_init__(self) -> None:
        require(0.0 <= self.short_seq_prob <= 1.0, f"`short_seq_prob` must be in [0, 1], but is {self.short_seq_prob}.")
        require(0.0 < self.held_out_share < 1.0, f"`held_out_share` must be in (0, 1), but is {self.held_out_share}.")


class OptimizerName(enum.Enum):
    """The update rules: AdamW as BERT uses it; LAMB as the authors of the series published it, and as Paddle has it
    (see optim.py).
    """

    ADAMW = "adamw"
    LAMB_HFL = "lamb-hfl"
    LAMB_PADDLE = "lamb-paddle"


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """No weight decay on biases and LayerNorm; the gradient is clipped by its global norm."""

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
    """Paddle's levels of mixed precision: none; products in 16 bits; weights in 16 bits, too, with 32-bit master
    copies.
    """

    O0 = "O0"
    O1 = "O1"
    O2 = "O2"


class AmpDtype(enum.Enum):
    """The 16-bit type; float16 needs its loss scaled."""

    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@dataclass(frozen=True, kw_only=True)
class AmpConfig:
    """Mixed precision, on GPUs only."""

    level: AmpLevel = AmpLevel.O0
    dtype: AmpDtype = AmpDtype.BFLOAT16


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A stretch of training at one length, batch and schedule (warm-up, then linear decay to 0)."""

    max_seq_length: int
    global_batch_size: int
    num_steps: int
    learning_rate: float
    num_warmup_steps: int = 0

    def __post_init__(self) -> None:
        require(self.max_seq_length >= 8, f"`max_seq_length` must be at least 8, but is {self.max_seq_length}.")
        for name in ("global_batch_size", "num_steps"):
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")
        require(self.learning_rate > 0, f"`learning_rate` must be above 0, but is {self.learning_rate}.")
        require(
            0 <= self.num_warmup_steps <= self.num_steps,
            f"`num_warmup_steps` must be between 0 and `num_steps` ({self.num_steps}), but is {self.num_warmup_steps}.",
        )


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """What changes the speed, the memory and what is written, never the numbers (beyond floating-point order).

    save_every_minutes: 0 saves by steps only. recompute: activations of the layers are computed again in the backward
    pass instead of kept. shard_optimizer: every worker keeps the optimizer's state of its share of the parameters
    only. num_loader_processes: for every fleet worker; 0 makes batches in the training process.
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
        for item in dataclasses.fields(self):
            least = (
                0 if item.name in ("num_loader_processes", "save_every_minutes", "recompute", "shard_optimizer") else 1
            )
            require(
                getattr(self, item.name) >= least,
                f"`{item.name}` must be at least {least}, but is {getattr(self, item.name)}.",
            )


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe:
    """A whole recipe."""

    phases: tuple[PhaseConfig, ...]
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    amp: AmpConfig = field(default_factory=AmpConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    seed: int = 42

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

    @property
    def num_steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.num_steps for phase in self.phases)


def to_plain(value: Any) -> Any:
    """A config as dicts, lists, numbers and strings (for YAML, JSON and fingerprints)."""
    if dataclasses.is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def numbers_fingerprint(config: PretrainRecipe) -> str:
    """sha256 of everything in the config that changes the numbers; `runtime` is left out."""
    plain = to_plain(config)
    del plain["runtime"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
