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

SERIES_VOCAB_SIZE = 21128  # entries of the vocabulary that all models of the series share


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The sizes of a BERT, under the names of config.json. `vocab_size` 0 means "that of the vocabulary file"."""

    vocab_size: int = 0
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        for name in (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ):
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")
        require(
            self.hidden_size % self.num_attention_heads == 0,
            (
                f"`hidden_size` must be a multiple of `num_attention_heads`, but is {self.hidden_size} for "
                f"{self.num_attention_heads} heads."
            ),
        )
        require(self.hidden_act in ("gelu", "relu"), f"`hidden_act` must be gelu or relu, but is {self.hidden_act!r}.")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            require(0.0 <= getattr(self, name) < 1.0, f"`{name}` must be in [0, 1), but is {getattr(self, name)}.")


def count_parameters(
    config: ModelConfig, *, num_labels: int | None = None, with_pretraining_heads: bool = False
) -> int:
    """Return the number of trainable parameters of a BERT.

    Embeddings, layers and pooler are counted; on request also a classifier of `num_labels`, and the MLM and NSP heads.
    The decoder of the MLM head is tied to the word embeddings and counts once.

    The series counts a classifier for XNLI (num_labels=3) and cuts to whole millions: 102M, 325M, 38M, 61M.
    """
    hidden, ffn, layer_norm = config.hidden_size, config.intermediate_size, 2 * config.hidden_size
    dense = hidden * hidden + hidden
    embeddings = (config.vocab_size + config.max_position_embeddings + config.type_vocab_size) * hidden + layer_norm
    layer = 4 * dense + 2 * hidden * ffn + ffn + hidden + 2 * layer_norm
    total = embeddings + config.num_hidden_layers * layer + dense
    if num_labels is not None:
        total += hidden * num_labels + num_labels
    if with_pretraining_heads:
        total += dense + layer_norm + config.vocab_size + 2 * hidden + 2
    return total


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
class RunConfig:
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


def numbers_fingerprint(config: RunConfig) -> str:
    """sha256 of everything in the config that changes the numbers; `runtime` is left out."""
    plain = to_plain(config)
    del plain["runtime"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
