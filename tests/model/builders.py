"""Tiny models with all parameters away from 0 and 1, so that every term of the computation has an effect."""

from __future__ import annotations

import dataclasses

import numpy as np
import paddle

from paddle_wwm.model.heads import BertForPretraining
from paddle_wwm.model_config import ModelConfig
from paddle_wwm.tokenization.vocab import SPECIAL_TOKENS, Vocab

TINY = ModelConfig(
    vocab_size=120,
    hidden_size=32,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=24,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def numbered_vocab(size: int = TINY.vocab_size) -> Vocab:
    """Return the special tokens and t5, t6, …"""
    return Vocab(tokens=(*SPECIAL_TOKENS, *(f"t{number}" for number in range(len(SPECIAL_TOKENS), size))), sha256="")


def scrambled_model(*, seed: int = 1, **changes) -> BertForPretraining:
    """Return a model in eval mode with random parameters, also biases and LayerNorm."""
    model = BertForPretraining(dataclasses.replace(TINY, **changes))
    rng = np.random.default_rng(seed)
    for name, parameter in model.named_parameters():
        center = 1.0 if name.endswith(("norm.weight", "norm1.weight", "norm2.weight")) else 0.0
        parameter.set_value((center + 0.2 * rng.standard_normal(parameter.shape)).astype(np.float32))
    model.eval()
    return model


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """A padded batch of pairs with predictions, as tensors."""

    input_ids: paddle.Tensor
    token_type_ids: paddle.Tensor
    attention_mask: paddle.Tensor
    flat_positions: paddle.Tensor
    labels: paddle.Tensor
    next_sentence_labels: paddle.Tensor
    lengths: tuple[int, ...]


def padded_inputs(lengths: tuple[int, ...] = (20, 7, 13), *, seed: int = 2) -> Inputs:
    """Return inputs with random ids.

    The second half of every example has token type 1. Every third position is predicted.
    """
    rng = np.random.default_rng(seed)
    columns, width = np.arange(max(lengths)), max(lengths)
    mask = columns < np.array(lengths)[:, None]
    flat = np.array([row * width + column for row, length in enumerate(lengths) for column in range(1, length, 3)])
    return Inputs(
        input_ids=paddle.to_tensor(np.where(mask, rng.integers(5, TINY.vocab_size, mask.shape), 0)),
        token_type_ids=paddle.to_tensor((mask & (columns >= np.array(lengths)[:, None] // 2)).astype(np.int64)),
        attention_mask=paddle.to_tensor(mask),
        flat_positions=paddle.to_tensor(flat),
        labels=paddle.to_tensor(rng.integers(5, TINY.vocab_size, len(flat))),
        next_sentence_labels=paddle.to_tensor(np.arange(len(lengths)) % 2),
        lengths=lengths,
    )


def outputs_of(model: BertForPretraining, inputs: Inputs) -> tuple[paddle.Tensor, paddle.Tensor]:
    """Return MLM scores at the positions, and next-sentence scores."""
    return model(inputs.input_ids, inputs.token_type_ids, inputs.attention_mask, inputs.flat_positions, True)
