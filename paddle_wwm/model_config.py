"""Sizes of a BERT model and its number of parameters. This module does not need Paddle."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from .errors import is_integer, is_number, require

SERIES_VOCAB_SIZE = 21128  # entries of the vocabulary that all models of the series share


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of a BERT model, with the names of config.json.

    Every value is checked, so a value of the wrong type cannot enter a model. Errors are ValueError and name the key.

    Attributes:
        vocab_size: 0: the size of the vocabulary file.
    """

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
        for item in dataclasses.fields(self):
            is_right, what = _TYPES[str(item.type)]
            value = getattr(self, item.name)
            require(is_right(value), f"`{item.name}` must be {what}, but is {value!r}.")
        for name in (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ):
            require(getattr(self, name) >= 1, f"`{name}` must be at least 1, but is {getattr(self, name)}.")
        for name in ("vocab_size", "pad_token_id", "initializer_range"):
            require(getattr(self, name) >= 0, f"`{name}` must be at least 0, but is {getattr(self, name)}.")
        require(self.layer_norm_eps > 0, f"`layer_norm_eps` must be greater than 0, but is {self.layer_norm_eps}.")
        require(
            self.vocab_size == 0 or self.pad_token_id < self.vocab_size,
            f"`pad_token_id` must be less than `vocab_size`, {self.vocab_size}, but is {self.pad_token_id}.",
        )
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


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


# type of a field -> check of a value, and the rule for messages
_TYPES = {
    "int": (is_integer, "a whole number"),
    "float": (_is_finite, "a finite number"),
    "str": (lambda value: isinstance(value, str), "a string"),
}


def count_parameters(
    config: ModelConfig, *, num_labels: int | None = None, with_pretraining_heads: bool = False
) -> int:
    """Return the number of trainable parameters of a BERT model.

    The published sizes of the series (102M, 325M, 38M, 61M) include a classifier for XNLI (num_labels=3) and are cut
    to whole millions.

    Args:
        config: Sizes of the model. Embeddings, layers and pooler are always counted.
        num_labels: Count a classifier with this number of labels, too.
        with_pretraining_heads: Count the MLM and NSP heads, too. The decoder of the MLM head shares its weights with
            the word embeddings, so they count once.
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
