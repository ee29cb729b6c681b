"""The sizes of the models of `make interop`."""

from __future__ import annotations

from paddle_wwm.model_config import ModelConfig

SMALL = ModelConfig(
    vocab_size=1200,
    hidden_size=96,
    num_hidden_layers=4,
    num_attention_heads=6,
    intermediate_size=384,
    max_position_embeddings=160,
)
BASE = ModelConfig(vocab_size=1200)  # 12 layers x 768
